"""The bitmask that people see: made of the layers, and read back into them."""

from collections.abc import Callable, Mapping
from enum import STRICT, IntFlag
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from fustor_core.state.vocabulary import (
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
    Sync,
    Triple,
    legal_states,
)


class PipeState(IntFlag, boundary=STRICT):
    """What a pipe does, in one number; compare with `==`, because STOPPED is 0 and so is in everything."""

    STOPPED = 0
    INITIALIZING = 1
    RUNNING = 2
    PAUSED = 4
    ERROR = 8
    CONF_OUTDATED = 16
    SNAPSHOT_SYNC = 32
    MESSAGE_SYNC = 64
    AUDIT_PHASE = 128
    RECONNECTING = 256
    DRAINING = 512
    STOPPING = 1024

    def __str__(self) -> str:
        return " | ".join(str(flag.name) for flag in self) or "STOPPED"

    def __format__(self, spec: str) -> str:
        return int.__format__(self, spec) if spec and spec[-1] in "bcdoxXn" else format(str(self), spec)


_P = PipeState
_SYNC: Final[Mapping[Sync | None, PipeState]] = MappingProxyType(
    {None: _P.STOPPED, "SNAPSHOT": _P.SNAPSHOT_SYNC, "MESSAGE": _P.MESSAGE_SYNC},
)


def project(state: MachineState) -> PipeState:
    """What an observer sees of this state; health Warning has no bit."""
    if state.lifecycle in (LifecycleState.OFFLINE, LifecycleState.SHUTTING_DOWN):
        return _ended(state)
    if state.lifecycle is LifecycleState.INITIALIZING:
        return _P.INITIALIZING
    outdated = _P.CONF_OUTDATED if state.conf else _P.STOPPED
    if state.lifecycle is LifecycleState.RECOVERING:
        return _P.RUNNING | _P.RECONNECTING | outdated
    if state.operational in (OperationalState.PAUSED, OperationalState.STOPPED):
        return _P.PAUSED | outdated
    if state.operational in (OperationalState.IDLE, OperationalState.READY):
        return _P.RUNNING | outdated
    return _P.RUNNING | outdated | _phase(state)


def _ended(state: MachineState) -> PipeState:
    if state.health is HealthState.CRITICAL or state.failed:
        return _P.ERROR
    if state.lifecycle is LifecycleState.OFFLINE:
        return _P.STOPPED
    return _P.DRAINING if state.drain else _P.STOPPING


def _phase(state: MachineState) -> PipeState:
    return _SYNC[state.sync] | _P.AUDIT_PHASE if state.audit else _SYNC[state.sync]


_L, _O, _OK = LifecycleState, OperationalState, HealthState.HEALTHY

CANONICAL: Final[Mapping[int, MachineState]] = MappingProxyType(
    {
        0: MachineState(_L.OFFLINE, _O.IDLE, _OK),
        1: MachineState(_L.INITIALIZING, _O.IDLE, _OK),
        2: MachineState(_L.ACTIVE, _O.READY, _OK),
        4: MachineState(_L.ACTIVE, _O.PAUSED, _OK),
        8: MachineState(_L.OFFLINE, _O.STOPPED, HealthState.CRITICAL),
        18: MachineState(_L.ACTIVE, _O.READY, _OK, conf=True),
        20: MachineState(_L.ACTIVE, _O.PAUSED, _OK, conf=True),
        34: MachineState(_L.ACTIVE, _O.RUNNING, _OK, sync="SNAPSHOT"),
        50: MachineState(_L.ACTIVE, _O.RUNNING, _OK, sync="SNAPSHOT", conf=True),
        66: MachineState(_L.ACTIVE, _O.RUNNING, _OK, sync="MESSAGE"),
        82: MachineState(_L.ACTIVE, _O.RUNNING, _OK, sync="MESSAGE", conf=True),
        130: MachineState(_L.ACTIVE, _O.BACKGROUND_RUNNING, _OK, audit=True),
        146: MachineState(_L.ACTIVE, _O.BACKGROUND_RUNNING, _OK, audit=True, conf=True),
        194: MachineState(_L.ACTIVE, _O.BACKGROUND_RUNNING, _OK, sync="MESSAGE", audit=True),
        210: MachineState(_L.ACTIVE, _O.BACKGROUND_RUNNING, _OK, sync="MESSAGE", audit=True, conf=True),
        258: MachineState(_L.RECOVERING, _O.PAUSED, _OK),
        274: MachineState(_L.RECOVERING, _O.PAUSED, _OK, conf=True),
        512: MachineState(_L.SHUTTING_DOWN, _O.IDLE, _OK, drain=True),
        1024: MachineState(_L.SHUTTING_DOWN, _O.IDLE, _OK),
    }
)
"""One state for each legal value: the plainest that shows it."""


class Inverse(NamedTuple):
    """The combinations of layers that show one value, and the plainest state among them."""

    triples: frozenset[Triple]
    canonical: MachineState


def inverse(value: int) -> Inverse:
    """What layers a value may stand for; an illegal value is a `ValueError` that says why."""
    if value not in CANONICAL:
        raise ValueError(f"{value} is no state of a pipe: {_why_illegal(value)}")
    return Inverse(_triples()[int(value)], CANONICAL[int(value)])


@cache
def _triples() -> Mapping[int, frozenset[Triple]]:
    seen: dict[int, set[Triple]] = {}
    for state in legal_states():
        seen.setdefault(int(project(state)), set()).add(state.triple)
    return {value: frozenset(triples) for value, triples in seen.items()}


_ALONE = _P.INITIALIZING | _P.ERROR | _P.DRAINING | _P.STOPPING
_PHASES = _P.SNAPSHOT_SYNC | _P.MESSAGE_SYNC | _P.AUDIT_PHASE

_RULES: Final[tuple[tuple[Callable[[PipeState], bool], str], ...]] = (
    (lambda v: bool(v & _ALONE), "INITIALIZING, ERROR, DRAINING and STOPPING stand alone"),
    (lambda v: bool(v & _P.PAUSED and v & _P.RUNNING), "PAUSED and RUNNING exclude each other"),
    (lambda v: bool(v & _PHASES) and not v & _P.RUNNING, "a phase needs RUNNING"),
    (lambda v: bool(v & _P.RECONNECTING) and not v & _P.RUNNING, "RECONNECTING needs RUNNING"),
    (lambda v: bool(v & _P.RECONNECTING and v & _PHASES), "a phase is not shown while RECONNECTING"),
    (lambda v: bool(v & _P.SNAPSHOT_SYNC and v & _P.MESSAGE_SYNC), "SNAPSHOT_SYNC and MESSAGE_SYNC exclude each other"),
    (lambda v: bool(v & _P.SNAPSHOT_SYNC and v & _P.AUDIT_PHASE), "there is no AUDIT_PHASE during SNAPSHOT_SYNC"),
    (lambda v: v == _P.CONF_OUTDATED, "CONF_OUTDATED needs RUNNING or PAUSED"),
)


def _why_illegal(value: int) -> str:
    if not 0 <= value < 2048:
        return "a value is a number from 0 to 2047"
    state = PipeState(value)
    return f"{state}: " + next(why for broken, why in _RULES if broken(state))


def check() -> None:
    """Raise `ValueError` unless the canonical states show the values that they stand for."""
    for value, state in CANONICAL.items():
        if project(state) != value:
            raise ValueError(f"{state} shows {project(state)}, not {PipeState(value)}")


check()
