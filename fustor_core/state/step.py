"""The one function that decides: a state and an event give a state, or the reason why not. No clock, no memory, no lock."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from fustor_core.state.errors import InvalidPayloadError, InvalidTransitionError, LayerViolationError, LockedError
from fustor_core.state.orders import Event, Order, Payload, Unreadable, read, read_all
from fustor_core.state.tables import (
    HEALTH,
    INTERRUPTED,
    LAYER_OF,
    LIFECYCLE,
    ON_CRITICAL,
    ON_ENTRY,
    OPERATIONAL,
    PHASE_EVENTS,
)
from fustor_core.state.vocabulary import (
    CRITICAL_LIFECYCLES,
    LEGAL_TRIPLES,
    EventType,
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
    Phases,
    operational_allowed,
)


class Refusal(NamedTuple):
    """Why an event does not go through: the error that it would be, in words."""

    kind: type[InvalidTransitionError]
    reason: str
    already: bool = False

    def error(self, state: MachineState, event: EventType) -> InvalidTransitionError:
        return self.kind(state, event, self.reason, allowed_events(state), self.already)


def step(state: MachineState, event: EventType, payload: Payload | None = None) -> MachineState:
    """The state after one event; raises `InvalidTransitionError` where it is refused."""
    return steps(state, ((event, payload),))


def steps(state: MachineState, events: Iterable[Event]) -> MachineState:
    """The state after all events, taken one after the other; raises `InvalidTransitionError` where one of them is refused."""
    request = read_all(events)
    if isinstance(request, Unreadable):
        raise Refusal(InvalidPayloadError, request.why).error(state, request.event)
    for order in request.orders:
        outcome = decide(state, order)
        if isinstance(outcome, Refusal):
            raise outcome.error(state, order.event)
        state = outcome
    return state


@cache  # there are a few hundred states
def allowed_events(state: MachineState) -> tuple[EventType, ...]:
    """The events that are accepted in this state without a payload."""
    orders = (read(event, None) for event in EventType)
    return tuple(
        request.orders[0].event
        for request in orders
        if not isinstance(request, Unreadable) and isinstance(decide(state, request.orders[0]), MachineState)
    )


def decide(state: MachineState, order: Order) -> MachineState | Refusal:
    """What one order makes of a state; the same arguments always give the same answer."""
    return _RULES[order.event](state, order)


def _arrive(lifecycle: LifecycleState, operational: OperationalState, health: HealthState, phases: Phases) -> MachineState:
    """The state with the operational layer that the other two force, and only the phases that it can have."""
    if health is HealthState.CRITICAL:
        operational = OperationalState.STOPPED
    else:
        operational = ON_ENTRY[lifecycle].get(operational, operational)
    return MachineState(lifecycle, operational, health, *phases.carried_by(lifecycle, operational, health))


def _lifecycle(state: MachineState, order: Order) -> MachineState | Refusal:
    target = LIFECYCLE.get((state.lifecycle, order.event))
    if target is None:
        return _no_row(state, order.event)
    health, phases = state.health, state.phases
    if order.event is EventType.START and health is HealthState.CRITICAL:
        health = HealthState.HEALTHY
    if order.event is EventType.RECOVERY_FAILED:
        phases = phases._replace(failed=not order.answer)
    if health is HealthState.CRITICAL and target not in CRITICAL_LIFECYCLES:
        return Refusal(LayerViolationError, f"lifecycle cannot be {target} while health is Critical; RECOVER first")
    return _arrive(target, state.operational, health, phases)


def _operational(state: MachineState, order: Order) -> MachineState | Refusal:
    # Initializing locks the whole layer, also what has no row in it.
    if state.lifecycle is LifecycleState.INITIALIZING:
        return Refusal(LayerViolationError, "the operational layer is locked while lifecycle is Initializing")
    target = OPERATIONAL.get((state.operational, order.event))
    if target is None:
        return _no_row(state, order.event)
    if target not in operational_allowed(state.lifecycle, state.health):
        first = "health is Critical; RECOVER first" if state.health is HealthState.CRITICAL else f"lifecycle is {state.lifecycle}"
        return Refusal(LayerViolationError, f"operational cannot be {target} while {first}")
    phases = _task_phases(state, order)
    if isinstance(phases, Refusal):
        return phases
    return _arrive(state.lifecycle, target, state.health, phases)


def _task_phases(state: MachineState, order: Order) -> Phases | Refusal:
    phases, event = state.phases, order.event
    if event is EventType.TASK_START and order.phase != "AUDIT":
        return phases._replace(sync=order.phase or phases.sync)
    if event is EventType.TASK_COMPLETE:
        return phases._replace(sync=None)
    if event is EventType.SET_BACKGROUND and order.phase == "AUDIT":
        if phases.sync == "SNAPSHOT":
            return Refusal(LayerViolationError, "there is no audit during SNAPSHOT")
        return phases._replace(audit=True)
    if event is EventType.TASK_PAUSE:
        return phases._replace(held=phases.held or bool(order.answer))
    if event is EventType.TASK_RESUME:
        if phases.held and not order.answer:
            return Refusal(LockedError, "an operator holds it; resume with `held`, or RELEASE")
        return phases._replace(held=False)
    return phases


def _health(state: MachineState, order: Order) -> MachineState | Refusal:
    targets = HEALTH.get((state.health, order.event))
    if targets is None:
        return _no_row(state, order.event)
    if order.event is EventType.FAULT:
        lifecycle = ON_CRITICAL.get(state.lifecycle, state.lifecycle)
        phases = state.phases._replace(warned=state.health is HealthState.WARNING)
        return _arrive(lifecycle, state.operational, HealthState.CRITICAL, phases)
    if order.event is EventType.RECOVER:
        partial = state.warned if order.answer is None else order.answer
        health = HealthState.WARNING if partial else HealthState.HEALTHY
        return _arrive(state.lifecycle, state.operational, health, state.phases._replace(failed=False))
    (target,) = targets
    return _arrive(state.lifecycle, state.operational, target, state.phases)


def _interrupt(state: MachineState, order: Order) -> MachineState | Refusal:
    target = INTERRUPTED.get(state.operational)
    if target is None:
        return state
    phases = state.phases._replace(held=state.held or bool(order.answer))
    return _arrive(state.lifecycle, target, state.health, phases)


def _emergency_stop(state: MachineState, order: Order) -> MachineState | Refusal:
    lifecycle = state.lifecycle if state.lifecycle is LifecycleState.OFFLINE else LifecycleState.SHUTTING_DOWN
    return _arrive(lifecycle, OperationalState.STOPPED, HealthState.CRITICAL, state.phases)


def _priority_override(state: MachineState, order: Order) -> MachineState | Refusal:
    """Layers that are named become exactly that; layers that are not named follow as they do by themselves."""
    if not order.justified:
        return Refusal(InvalidPayloadError, "PRIORITY_OVERRIDE needs a reason")
    if not any(order.targets):
        return state
    critical = (order.targets.health or state.health) is HealthState.CRITICAL
    followed = ON_CRITICAL.get(state.lifecycle, state.lifecycle) if critical else state.lifecycle
    lifecycle = order.targets.lifecycle or followed
    entered = OperationalState.STOPPED if critical else ON_ENTRY[lifecycle].get(state.operational, state.operational)
    operational = order.targets.operational or entered
    health = order.targets.health or state.health
    if (lifecycle, operational, health) not in LEGAL_TRIPLES:
        return Refusal(LayerViolationError, f"{lifecycle} / {operational} / {health} is not a legal combination of layers")
    return MachineState(lifecycle, operational, health, *state.phases.carried_by(lifecycle, operational, health))


def _phase_event(state: MachineState, order: Order) -> MachineState | Refusal:
    event, phases = order.event, state.phases
    if state.lifecycle not in PHASE_EVENTS[event]:
        return Refusal(InvalidTransitionError, f"{event} has no row while lifecycle is {state.lifecycle}")
    if event is EventType.DRAIN:
        if state.drain:
            return Refusal(InvalidTransitionError, "it drains already", already=True)
        if state.health is HealthState.CRITICAL:
            return Refusal(LayerViolationError, "nothing is drained while health is Critical")
        phases = phases._replace(drain=True)
    elif event is EventType.CONF_CHANGED:
        phases = phases._replace(conf=True)
    else:
        phases = phases._replace(held=event is EventType.HOLD)
    return _arrive(*state.triple, phases)


def _no_row(state: MachineState, event: EventType) -> Refusal:
    layer = LAYER_OF[event]
    value = {"lifecycle": state.lifecycle, "operational": state.operational, "health": state.health}[layer]
    already = value in _ASKED_FOR[event]
    return Refusal(InvalidTransitionError, f"{layer} is {'already ' if already else ''}{value}", already)


def _rules() -> dict[EventType, Callable[[MachineState, Order], MachineState | Refusal]]:
    by_layer = {"lifecycle": _lifecycle, "operational": _operational, "health": _health}
    return {
        **{event: by_layer[layer] for event, layer in LAYER_OF.items()},
        **dict.fromkeys(PHASE_EVENTS, _phase_event),
        EventType.INTERRUPT: _interrupt,
        EventType.EMERGENCY_STOP: _emergency_stop,
        EventType.PRIORITY_OVERRIDE: _priority_override,
    }


def _asked_for() -> dict[EventType, frozenset[object]]:
    asked: dict[EventType, set[object]] = {event: set() for event in LAYER_OF}
    for (_, event), lifecycle in LIFECYCLE.items():
        asked[event].add(lifecycle)
    for (_, event), operational in OPERATIONAL.items():
        asked[event].add(operational)
    for (_, event), healths in HEALTH.items():
        asked[event].update(healths)
    return {event: frozenset(values) for event, values in asked.items()}


_RULES: Final[Mapping[EventType, Callable[[MachineState, Order], MachineState | Refusal]]] = MappingProxyType(_rules())
_ASKED_FOR: Final[Mapping[EventType, frozenset[object]]] = MappingProxyType(_asked_for())
