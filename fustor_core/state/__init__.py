"""The three-layer state machine, and the bitmask that is made of it.

`step` is the pure core over the tables of `tables`; `StateMachine` is a state that many threads share, that a store
keeps, and that coroutines wait for. The stores are imported when they are named: only who uses Redis needs its client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

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
from fustor_core.state.kept import StateMachine
from fustor_core.state.notices import Listener
from fustor_core.state.orders import Event, Payload
from fustor_core.state.projection import Inverse, PipeState, inverse, project
from fustor_core.state.records import Rejection, Snapshot, Transition, run_id
from fustor_core.state.saver import Policy, Saving
from fustor_core.state.step import allowed_events, step, steps
from fustor_core.state.stored import Desired
from fustor_core.state.stores import StateStore
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

if TYPE_CHECKING:
    from fustor_core.state.stores.memory import MemoryStateStore
    from fustor_core.state.stores.redis import RedisStateStore
    from fustor_core.state.stores.sqlite import SqliteStateStore

__all__ = [
    "LEGAL_TRIPLES",
    "NEW",
    "ConcurrentUpdateError",
    "Desired",
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
    "MemoryStateStore",
    "OperationalState",
    "Payload",
    "PersistenceError",
    "Phases",
    "PipeState",
    "Policy",
    "RedisStateStore",
    "Rejection",
    "RestoreError",
    "Saving",
    "Snapshot",
    "SqliteStateStore",
    "StateMachine",
    "StateStore",
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

_STORES: Final = {
    "MemoryStateStore": "fustor_core.state.stores.memory",
    "RedisStateStore": "fustor_core.state.stores.redis",
    "SqliteStateStore": "fustor_core.state.stores.sqlite",
}


def __getattr__(name: str) -> Any:  # a module's attributes are of any type
    if name not in _STORES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_STORES[name]), name)
