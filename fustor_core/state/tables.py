"""The transitions: literal and complete, and checked when imported. What has no row is refused."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fustor_core.state.vocabulary import (
    LEGAL_TRIPLES,
    EventType,
    HealthState,
    Layer,
    LifecycleState,
    OperationalState,
)

_L, _O, _H, _E = LifecycleState, OperationalState, HealthState, EventType

LIFECYCLE: Final[Mapping[tuple[LifecycleState, EventType], LifecycleState]] = MappingProxyType(
    {
        (_L.OFFLINE, _E.START): _L.INITIALIZING,
        (_L.INITIALIZING, _E.INIT_SUCCESS): _L.ACTIVE,
        (_L.INITIALIZING, _E.INIT_FAILURE): _L.RECOVERING,
        (_L.ACTIVE, _E.SHUTDOWN): _L.SHUTTING_DOWN,
        (_L.ACTIVE, _E.FAULT_DETECTED): _L.RECOVERING,
        (_L.RECOVERING, _E.RECOVERY_SUCCESS): _L.ACTIVE,
        (_L.RECOVERING, _E.RECOVERY_FAILED): _L.SHUTTING_DOWN,
        (_L.SHUTTING_DOWN, _E.FINISHED): _L.OFFLINE,
    }
)

OPERATIONAL: Final[Mapping[tuple[OperationalState, EventType], OperationalState]] = MappingProxyType(
    {
        (_O.IDLE, _E.SET_READY): _O.READY,
        (_O.READY, _E.TASK_START): _O.RUNNING,
        (_O.RUNNING, _E.TASK_COMPLETE): _O.READY,
        (_O.RUNNING, _E.TASK_PAUSE): _O.PAUSED,
        (_O.RUNNING, _E.TASK_STOP): _O.STOPPED,
        (_O.RUNNING, _E.SET_BACKGROUND): _O.BACKGROUND_RUNNING,
        (_O.BACKGROUND_RUNNING, _E.SET_FOREGROUND): _O.RUNNING,
        (_O.BACKGROUND_RUNNING, _E.TASK_PAUSE): _O.PAUSED,
        (_O.BACKGROUND_RUNNING, _E.TASK_STOP): _O.STOPPED,
        (_O.PAUSED, _E.TASK_RESUME): _O.READY,
        (_O.STOPPED, _E.TASK_RESET): _O.IDLE,
    }
)

HEALTH: Final[Mapping[tuple[HealthState, EventType], frozenset[HealthState]]] = MappingProxyType(
    {
        (_H.HEALTHY, _E.WARN): frozenset({_H.WARNING}),
        (_H.HEALTHY, _E.FAULT): frozenset({_H.CRITICAL}),
        (_H.WARNING, _E.CLEAR_WARNING): frozenset({_H.HEALTHY}),
        (_H.WARNING, _E.FAULT): frozenset({_H.CRITICAL}),
        (_H.CRITICAL, _E.RECOVER): frozenset({_H.HEALTHY, _H.WARNING}),
    }
)
"""A row with two targets is decided by the payload and by what health was before (`step`)."""

ON_CRITICAL: Final[Mapping[LifecycleState, LifecycleState]] = MappingProxyType(
    {_L.ACTIVE: _L.RECOVERING, _L.INITIALIZING: _L.RECOVERING},
)
"""Where a fault takes the lifecycle; the others keep theirs, because they are on their way out already."""

INTERRUPTED: Final[Mapping[OperationalState, OperationalState]] = MappingProxyType(
    {_O.RUNNING: _O.PAUSED, _O.BACKGROUND_RUNNING: _O.PAUSED},
)

ON_ENTRY: Final[Mapping[LifecycleState, Mapping[OperationalState, OperationalState]]] = MappingProxyType(
    {
        _L.INITIALIZING: MappingProxyType(dict.fromkeys(_O, _O.IDLE)),
        _L.ACTIVE: MappingProxyType({}),
        _L.RECOVERING: MappingProxyType({**INTERRUPTED, _O.READY: _O.IDLE}),
        _L.SHUTTING_DOWN: MappingProxyType(dict.fromkeys(_O, _O.IDLE)),
        _L.OFFLINE: MappingProxyType({}),
    }
)
"""What a lifecycle makes of the operational layer while health is not Critical; what is not named stays."""

PHASE_EVENTS: Final[Mapping[EventType, frozenset[LifecycleState]]] = MappingProxyType(
    {
        _E.DRAIN: frozenset({_L.SHUTTING_DOWN}),
        _E.CONF_CHANGED: frozenset({_L.ACTIVE, _L.RECOVERING}),
        _E.HOLD: frozenset({_L.ACTIVE, _L.RECOVERING}),
        _E.RELEASE: frozenset({_L.ACTIVE, _L.RECOVERING}),
    }
)
"""The events that change only the record of phases, and the lifecycles in which they are legal."""

SPECIAL_EVENTS: Final = frozenset({_E.INTERRUPT, _E.EMERGENCY_STOP, _E.PRIORITY_OVERRIDE})


def _layers_of_events() -> dict[EventType, Layer]:
    layers: dict[EventType, Layer] = {event: "lifecycle" for _, event in LIFECYCLE}
    layers |= {event: "operational" for _, event in OPERATIONAL}
    layers |= {event: "health" for _, event in HEALTH}
    return layers


LAYER_OF: Final[Mapping[EventType, Layer]] = MappingProxyType(_layers_of_events())
"""The layer that each event of a table speaks to."""


def check() -> None:
    """Raise `ValueError` unless each event stands in one table and each row leads from legal layers to legal layers."""
    named = [{event for _, event in LIFECYCLE}, {event for _, event in OPERATIONAL}, {event for _, event in HEALTH}]
    named += [set(PHASE_EVENTS), set(SPECIAL_EVENTS)]
    if sum(map(len, named)) != len(EventType) or set().union(*named) != set(EventType):
        raise ValueError("each event must stand in exactly one table")
    if len(LEGAL_TRIPLES) != 29:
        raise ValueError(f"there are 29 legal combinations of layers, not {len(LEGAL_TRIPLES)}")
    for source, operational, health in LEGAL_TRIPLES:
        if (ON_CRITICAL.get(source, source), _O.STOPPED, _H.CRITICAL) not in LEGAL_TRIPLES:
            raise ValueError(f"a fault in {source} has nowhere to go")
        for target in (to for (row, _), to in LIFECYCLE.items() if row is source and health is not _H.CRITICAL):
            if (target, ON_ENTRY[target].get(operational, operational), health) not in LEGAL_TRIPLES:
                raise ValueError(f"{source} / {operational} / {health} cannot enter {target}")


check()
