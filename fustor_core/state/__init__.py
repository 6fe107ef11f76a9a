"""The three-layer state machine, and the bitmask that is made of it.

`step` is the pure core over the tables of `tables`; `StateMachine` is a state that many threads share.
"""

from fustor_core.state.errors import (
    ConcurrentUpdateError,
    InvalidPayloadError,
    InvalidTransitionError,
    LayerViolationError,
    LockedError,
    PersistenceError,
    RestoreError,
)
from fustor_core.state.guards import Lock
from fustor_core.state.machine import StateMachine
from fustor_core.state.notices import Listener
from fustor_core.state.orders import Event, Payload
from fustor_core.state.projection import Inverse, PipeState, inverse, project
from fustor_core.state.records import Rejection, Snapshot, Transition, run_id
from fustor_core.state.step import allowed_events, step, steps
from fustor_core.state.vocabulary import (
    LEGAL_TRIPLES,
    NEW,
    EventType,
    HealthState,
    Layer,
    LifecycleState,
    MachineState,
    OperationalState,
    Phases,
    Triple,
    legal_states,
)

__all__ = [
    "LEGAL_TRIPLES",
    "NEW",
    "ConcurrentUpdateError",
    "Event",
    "EventType",
    "HealthState",
    "InvalidPayloadError",
    "InvalidTransitionError",
    "Inverse",
    "Layer",
    "LayerViolationError",
    "LifecycleState",
    "Listener",
    "Lock",
    "LockedError",
    "MachineState",
    "OperationalState",
    "Payload",
    "PersistenceError",
    "Phases",
    "PipeState",
    "Rejection",
    "RestoreError",
    "Snapshot",
    "StateMachine",
    "Transition",
    "Triple",
    "allowed_events",
    "inverse",
    "legal_states",
    "project",
    "run_id",
    "step",
    "steps",
]
