"""What every pipe said last of itself: fusion's own, and those of all agents, with their histories."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from fustor_core.clock import boottime, wall
from fustor_core.errors import MalformedInput
from fustor_core.http.metering import PipeMeter
from fustor_core.http.metrics import Refusals
from fustor_core.http.pipes import UNKNOWN, PipeView, TransitionShape, pipe, transition, view_of
from fustor_core.pipe import PipeState
from fustor_core.rows import to_row
from fustor_core.state import StateMachine
from fustor_core.state import Transition as Change
from fustor_core.wire import PipeReport, Transition
from fustor_fusion.feed import Feed
from fustor_fusion.progress import progress

HISTORY = 1000
LATE_AFTER = 3
"""An agent that lets so many heartbeats pass is shown as unknown: its last word is no longer what its pipes are doing."""
_AT_REST = (PipeState.STOPPED, PipeState.ERROR)
"""What a pipe stays in when its process is gone: where it was down already, silence means nothing."""


class StepShape(Struct, frozen=True):
    """One atomic step of a pipe as listeners get it; (run, version) names it for good."""

    pipe: str
    side: str
    run: str
    transition: TransitionShape


_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Remote:
    """A pipe of an agent, as far as it has reported."""

    id: str
    run: str
    told: frozenset[tuple[int, int]] = frozenset()
    """Version and time of the steps that an earlier run has told."""
    history: deque[Transition] = field(default_factory=lambda: deque(maxlen=HISTORY))
    report: PipeReport | None = None
    last_heartbeat: int | None = None
    gone: bool = False
    heard: int = field(default_factory=boottime)
    """When its agent was heard of last, on a clock that nobody sets."""


class Board:
    """All pipes by id. `heartbeat_every` is in seconds; whoever listens to `feed` hears of every step."""

    def __init__(self, heartbeat_every: float, feed: Feed) -> None:
        self._late = int(heartbeat_every * LATE_AFTER * 1e9)
        self._feed = feed
        self._own: dict[str, tuple[StateMachine, Callable[[], PipeReport]]] = {}
        self._remote: dict[str, _Remote] = {}
        self.meters: dict[str, PipeMeter] = {}
        self._refusals: dict[str, Refusals] = {}

    def add_own(self, machine: StateMachine, report: Callable[[], PipeReport]) -> None:
        """A pipe of this process, and what it reports of itself."""
        loop = asyncio.get_running_loop()
        self._own[machine.id] = machine, report
        self._refusals[machine.id] = Refusals(machine)
        self._taken(machine.id, "fusion", machine.run, [to_row(change) for change in machine.history()])

        def heard(change: Change) -> None:
            # Whichever thread made the step: the feed lives on the loop.
            loop.call_soon_threadsafe(self._taken, machine.id, "fusion", machine.run, [to_row(change)])

        machine.subscribe(heard)

    def _taken(self, pipe: str, side: str, run: str, rows: Sequence[Transition]) -> None:
        """Steps that are new here."""
        meter = self.meters.setdefault(pipe, PipeMeter())
        for row in rows:
            meter.take(row)
            self._feed.add("transition", _encode(StepShape(pipe, side, run, transition(row))))

    # What agents tell

    def known(self, agent: str, run: str) -> dict[str, int]:
        """For each pipe of this run of an agent, the last version that is known."""
        return {
            name.partition(":")[2]: pipe.history[-1].version
            for name, pipe in self._remote.items()
            if name.startswith(f"{agent}:") and pipe.run == run and pipe.history
        }

    def told(self, agent: str, pipe: str, run: str, transitions: Sequence[Transition]) -> None:
        """The next steps of a pipe; those that are known already change nothing. MalformedInput for a state that no pipe can have."""
        for row in transitions:
            _check_value(row.value)
        if not transitions:
            return
        remote = self._remote.get(f"{agent}:{pipe}")
        if remote is None or remote.run != run:
            # A pipe that was restored tells again what it went through in an earlier run.
            told = frozenset((row.version, row.at) for row in remote.history) if remote else frozenset()
            remote = self._remote[f"{agent}:{pipe}"] = _Remote(f"{agent}:{pipe}", run, told)
        last = remote.history[-1].version if remote.history else -1
        rows = [row for row in transitions if row.version > last]
        remote.history.extend(rows)
        self._taken(remote.id, "agent", run, [row for row in rows if (row.version, row.at) not in remote.told])

    def beaten(self, agent: str, reports: Mapping[str, PipeReport]) -> None:
        """A heartbeat came."""
        for name, report in reports.items():
            remote = self._remote.get(f"{agent}:{name}")
            if remote is not None:
                remote.report, remote.last_heartbeat, remote.heard = report, wall(), boottime()

    def look(self) -> None:
        """To be called now and then: whoever listens hears of agents that have fallen silent, and of those that are heard again."""
        for remote in self._remote.values():
            if self._is_gone(remote) != remote.gone:
                remote.gone = not remote.gone
                self._feed.add("unknown" if remote.gone else "known", _encode(pipe(self._view(remote))))

    # What queries see

    def all(self) -> Sequence[PipeView]:
        return [
            *(view_of(machine, "fusion", report()) for machine, report in self._own.values()),
            *(self._view(self._remote[name]) for name in sorted(self._remote)),
        ]

    def get(self, pipe: str) -> PipeView | None:
        if own := self._own.get(pipe):
            return view_of(own[0], "fusion", own[1]())
        remote = self._remote.get(pipe)
        return self._view(remote) if remote else None

    def history(self, pipe: str) -> Sequence[Transition] | None:
        if own := self._own.get(pipe):
            return [to_row(change) for change in own[0].history()]
        remote = self._remote.get(pipe)
        return list(remote.history) if remote else None

    def refusals(self) -> Mapping[str, Mapping[str, int]]:
        """What the machines of this process have refused, by pipe and event."""
        return {name: refusals.count() for name, refusals in self._refusals.items()}

    def is_paused(self, pipe: str) -> bool:
        """Whether an operator wants the pipe to pause, as far as its agent has said."""
        remote = self._remote.get(pipe)
        return remote is not None and remote.report is not None and remote.report.desired == "paused"

    def progress(self, agent: str, root: str) -> str:
        """How far an agent is with its snapshot of `root`, in words; empty where it does not tell."""
        for name, remote in self._remote.items():
            report = remote.report
            if name.startswith(f"{agent}:") and report is not None and report.root == root:
                return progress(report.counters)
        return ""

    def _view(self, remote: _Remote) -> PipeView:
        last = remote.history[-1]
        gone = self._is_gone(remote)
        report = remote.report
        return PipeView(
            remote.id,
            "agent",
            UNKNOWN if gone else str(PipeState(last.value)),
            None if gone else last.value,
            UNKNOWN if gone else last.lifecycle,
            UNKNOWN if gone else last.operational,
            UNKNOWN if gone else last.health,
            report.desired if report else "running",
            report.phase if report and not gone else "",
            (remote.last_heartbeat or last.at) if gone else _since(remote.history),
            last.version,
            remote.last_heartbeat,
            report.root if report else "",
            report.conditions if report and not gone else [],
            report.counters if report else {},
        )

    def _is_gone(self, remote: _Remote) -> bool:
        return boottime() - remote.heard > self._late and remote.history[-1].value not in _AT_REST


def _check_value(value: int) -> None:
    try:
        PipeState(value)
    except ValueError:
        raise MalformedInput(f"{value} is no state of a pipe") from None


def _since(history: Sequence[Transition]) -> int:
    """When the pipe came into the state that it is in."""
    since = history[-1].at
    for row in reversed(history):
        if row.value != history[-1].value:
            break
        since = row.at
    return since
