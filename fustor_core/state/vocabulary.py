"""The words of the three layers, and which of their combinations are legal.

A machine's state is three layers and a record of phases. Of the 90 combinations of layers 29 are legal; a `MachineState` that breaks
a rule cannot be made, so nothing that holds one needs to check it again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import product
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias


class _Word(Enum):
    """A value that reads as the documents write it."""

    # Members are singletons, so identity is equality; Enum's own hash is a Python call, and each event looks up several members.
    __hash__ = object.__hash__

    def __str__(self) -> str:
        return str(self.value)


class LifecycleState(_Word):
    """Will it come back without me?"""

    INITIALIZING = "Initializing"
    ACTIVE = "Active"
    RECOVERING = "Recovering"
    SHUTTING_DOWN = "ShuttingDown"
    OFFLINE = "Offline"


class OperationalState(_Word):
    """What is it doing, and by whose order?"""

    IDLE = "Idle"
    READY = "Ready"
    RUNNING = "Running"
    BACKGROUND_RUNNING = "BackgroundRunning"
    PAUSED = "Paused"
    STOPPED = "Stopped"


class HealthState(_Word):
    """May I believe what it delivers?"""

    HEALTHY = "Healthy"
    WARNING = "Warning"
    CRITICAL = "Critical"


class EventType(_Word):
    """All that can be said to a machine."""

    START = "START"
    INIT_SUCCESS = "INIT_SUCCESS"
    INIT_FAILURE = "INIT_FAILURE"
    SHUTDOWN = "SHUTDOWN"
    FAULT_DETECTED = "FAULT_DETECTED"
    RECOVERY_SUCCESS = "RECOVERY_SUCCESS"
    RECOVERY_FAILED = "RECOVERY_FAILED"
    FINISHED = "FINISHED"
    SET_READY = "SET_READY"
    TASK_START = "TASK_START"
    TASK_COMPLETE = "TASK_COMPLETE"
    TASK_PAUSE = "TASK_PAUSE"
    TASK_RESUME = "TASK_RESUME"
    TASK_STOP = "TASK_STOP"
    TASK_RESET = "TASK_RESET"
    SET_BACKGROUND = "SET_BACKGROUND"
    SET_FOREGROUND = "SET_FOREGROUND"
    WARN = "WARN"
    CLEAR_WARNING = "CLEAR_WARNING"
    FAULT = "FAULT"
    RECOVER = "RECOVER"
    INTERRUPT = "INTERRUPT"
    EMERGENCY_STOP = "EMERGENCY_STOP"
    PRIORITY_OVERRIDE = "PRIORITY_OVERRIDE"
    DRAIN = "DRAIN"
    CONF_CHANGED = "CONF_CHANGED"
    HOLD = "HOLD"
    RELEASE = "RELEASE"


Layer: TypeAlias = Literal["lifecycle", "operational", "health"]
LAYERS: Final[tuple[Layer, ...]] = ("lifecycle", "operational", "health")

Sync: TypeAlias = Literal["SNAPSHOT", "MESSAGE"]
SYNCS: Final[tuple[Sync, ...]] = ("SNAPSHOT", "MESSAGE")

Triple: TypeAlias = tuple[LifecycleState, OperationalState, HealthState]

ALLOWED_OPERATIONAL: Final[Mapping[LifecycleState, frozenset[OperationalState]]] = MappingProxyType(
    {
        LifecycleState.INITIALIZING: frozenset({OperationalState.IDLE}),
        LifecycleState.ACTIVE: frozenset(OperationalState),
        LifecycleState.RECOVERING: frozenset({OperationalState.IDLE, OperationalState.PAUSED, OperationalState.STOPPED}),
        LifecycleState.SHUTTING_DOWN: frozenset({OperationalState.IDLE}),
        LifecycleState.OFFLINE: frozenset({OperationalState.IDLE, OperationalState.STOPPED}),
    }
)
"""What the lifecycle lets the operational layer be, while health is not Critical."""

CRITICAL_LIFECYCLES: Final = frozenset({LifecycleState.RECOVERING, LifecycleState.SHUTTING_DOWN, LifecycleState.OFFLINE})
"""The lifecycles in which health may be Critical; the operational layer is then exactly Stopped."""


def operational_allowed(lifecycle: LifecycleState, health: HealthState) -> frozenset[OperationalState]:
    """What the operational layer may be under these two layers; empty where they exclude each other."""
    if health is HealthState.CRITICAL:
        return frozenset({OperationalState.STOPPED}) if lifecycle in CRITICAL_LIFECYCLES else frozenset()
    return ALLOWED_OPERATIONAL[lifecycle]


LEGAL_TRIPLES: Final[frozenset[Triple]] = frozenset(
    (lifecycle, operational, health)
    for lifecycle, health in product(LifecycleState, HealthState)
    for operational in operational_allowed(lifecycle, health)
)


class Phases(NamedTuple):
    """What a machine remembers beside its layers.

    `sync` is the phase of the task, `audit` a running audit slice, `drain` that the queue is being emptied, `conf` that the
    configuration changed, `failed` that recovery gave up, `warned` that health was Warning when the fault came, `held` that an
    operator paused it.
    """

    sync: Sync | None = None
    audit: bool = False
    drain: bool = False
    conf: bool = False
    failed: bool = False
    warned: bool = False
    held: bool = False

    def carried_by(self, lifecycle: LifecycleState, operational: OperationalState, health: HealthState) -> "Phases":
        """These phases without those that such layers cannot have.

        Leaving layers that carry a phase is what ends it: shutting down ends every task, leaving the background ends the audit.
        """
        alive = lifecycle in (LifecycleState.ACTIVE, LifecycleState.RECOVERING)
        sync = self.sync if alive and operational is not OperationalState.STOPPED else None
        return Phases(
            sync=sync,
            audit=self.audit and operational is OperationalState.BACKGROUND_RUNNING and sync != "SNAPSHOT",
            drain=self.drain and lifecycle is LifecycleState.SHUTTING_DOWN,
            conf=self.conf and lifecycle is not LifecycleState.INITIALIZING,
            failed=self.failed and lifecycle in (LifecycleState.SHUTTING_DOWN, LifecycleState.OFFLINE),
            warned=self.warned and health is HealthState.CRITICAL,
            held=self.held,
        )


@dataclass(frozen=True, slots=True)
class MachineState:
    """Three layers and the phases under them; one that breaks a rule is a `ValueError`."""

    lifecycle: LifecycleState
    operational: OperationalState
    health: HealthState
    sync: Sync | None = None
    audit: bool = False
    drain: bool = False
    conf: bool = False
    failed: bool = False
    warned: bool = False
    held: bool = False

    def __post_init__(self) -> None:
        if self.triple not in LEGAL_TRIPLES:
            raise ValueError(f"{self._layers()} is not a legal combination of layers")
        phases = self.phases
        if phases.sync is not None and phases.sync not in SYNCS:
            raise ValueError(f"sync is SNAPSHOT, MESSAGE or None, not {phases.sync!r}")
        for name, value in zip(Phases._fields[1:], phases[1:], strict=True):
            if not isinstance(value, bool):
                raise ValueError(f"{name} is true or false, not {value!r}")
        carried = phases.carried_by(*self.triple)
        if carried != phases:
            broken = ", ".join(name for name, has, can in zip(Phases._fields, phases, carried, strict=True) if has != can)
            raise ValueError(f"{self._layers()} cannot have {broken} in the phases {self._marks()}")

    @property
    def triple(self) -> Triple:
        return (self.lifecycle, self.operational, self.health)

    @property
    def phases(self) -> Phases:
        return Phases(self.sync, self.audit, self.drain, self.conf, self.failed, self.warned, self.held)

    def __str__(self) -> str:
        marks = self._marks()
        return f"{self._layers()} ({marks})" if marks else self._layers()

    def _layers(self) -> str:
        return f"{self.lifecycle} / {self.operational} / {self.health}"

    def _marks(self) -> str:
        return ", ".join(str(value) if name == "sync" else name for name, value in self.phases._asdict().items() if value)


NEW: Final = MachineState(LifecycleState.OFFLINE, OperationalState.IDLE, HealthState.HEALTHY)
"""Where a new machine starts."""


def legal_states() -> Iterator[MachineState]:
    """Every state that can be made, each once."""
    flags = [(False, True)] * (len(Phases._fields) - 1)
    records = [Phases(sync, *rest) for sync in (None, *SYNCS) for rest in product(*flags)]
    for layers in product(LifecycleState, OperationalState, HealthState):
        for record in records if layers in LEGAL_TRIPLES else ():
            if record.carried_by(*layers) == record:
                lifecycle, operational, health = layers
                yield MachineState(lifecycle, operational, health, *record)
