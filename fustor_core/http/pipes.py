"""Pipes, their histories and conditions as JSON, the same on both sides (DESIGN §6)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from fustor_core import wire
from fustor_core.http.problems import Problem
from fustor_core.pipe import PipeState
from fustor_core.state import StateMachine
from fustor_core.times import format_wall

UNKNOWN: Final = "UNKNOWN"
"""What a pipe is shown to be doing when its process is silent."""


@dataclass(frozen=True, slots=True)
class PipeView:
    """A pipe as it is shown. Times are wall-clock ns. `pipe_state` is the text of `value`; once a heartbeat is late, that and the layers
    are UNKNOWN, and the value is None, since the last one. `last_heartbeat` is None for a pipe of the process that answers. `root` is what
    it serves; empty for a pipe of fusion, and where its agent has not said yet."""

    id: str
    side: str
    pipe_state: str
    value: int | None
    lifecycle: str
    operational: str
    health: str
    desired: str
    phase: str
    since: int
    version: int
    last_heartbeat: int | None = None
    root: str = ""
    conditions: Sequence[wire.Condition] = ()
    counters: Mapping[str, int] = field(default_factory=dict)


class ConditionShape(Struct, frozen=True, gc=False):
    type: str
    since: str | None
    message: str
    remedy: str


class PipeShape(Struct, frozen=True):
    id: str
    side: str
    pipe_state: str
    value: int | None
    lifecycle: str
    operational: str
    health: str
    desired: str
    conditions: list[ConditionShape]
    phase: str
    since: str
    version: int
    last_heartbeat: str | None
    root: str
    counters: Mapping[str, int]


class TransitionShape(Struct, frozen=True):
    version: int
    at: str
    events: list[str]
    pipe_state: str
    value: int
    lifecycle: str
    operational: str
    health: str
    reason: str


def condition(held: wire.Condition) -> ConditionShape:
    return ConditionShape(held.type, format_wall(held.since) if held.since else None, held.message, held.remedy)


def pipe(view: PipeView) -> PipeShape:
    heartbeat = None if view.last_heartbeat is None else format_wall(view.last_heartbeat)
    return PipeShape(
        view.id,
        view.side,
        view.pipe_state,
        view.value,
        view.lifecycle,
        view.operational,
        view.health,
        view.desired,
        [condition(each) for each in view.conditions],
        view.phase,
        format_wall(view.since),
        view.version,
        heartbeat,
        view.root,
        view.counters,
    )


def transition(row: wire.Transition) -> TransitionShape:
    state = str(PipeState(row.value))
    at = format_wall(row.at)
    return TransitionShape(row.version, at, row.events, state, row.value, row.lifecycle, row.operational, row.health, row.reason)


def no_such_pipe(pipe: str, known: Iterable[str]) -> Problem:
    """There is no pipe with this id; there are those that are `known`."""
    there = ", ".join(known) or "none yet"
    return Problem(404, "no-such-pipe", f"there is no pipe {pipe!r} (the form is AGENT:PIPE); there are {there}")


def view_of(machine: StateMachine, side: str, report: wire.PipeReport | None = None) -> PipeView:
    """A pipe of this process, by its machine and what it reports of itself."""
    snapshot = machine.snapshot
    state = snapshot.state
    return PipeView(
        machine.id,
        side,
        str(snapshot.pipe_state),
        int(snapshot.pipe_state),
        str(state.lifecycle),
        str(state.operational),
        str(state.health),
        report.desired if report else "running",
        report.phase if report else "",
        snapshot.since,
        snapshot.version,
        root=report.root if report else "",
        conditions=report.conditions if report else (),
        counters=report.counters if report else {},
    )
