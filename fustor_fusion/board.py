"""What every pipe said last of itself: fusion's own, and those of all agents, with their histories."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fustor_core.clock import wall
from fustor_core.http.pipes import PipeView, view_of
from fustor_core.pipe import PipeState
from fustor_core.rows import to_row
from fustor_core.state import StateMachine
from fustor_core.wire import PipeReport, Transition

HISTORY = 1000
LATE_AFTER = 3
"""An agent that lets so many heartbeats pass is shown as unknown: its last word is no longer what its pipes are doing."""


@dataclass(slots=True)
class _Remote:
    """A pipe of an agent, as far as it has reported."""

    id: str
    run: str
    history: deque[Transition] = field(default_factory=lambda: deque(maxlen=HISTORY))
    report: PipeReport | None = None
    last_heartbeat: int | None = None


class Board:
    """All pipes by id. `heartbeat_every` is in seconds."""

    def __init__(self, heartbeat_every: float) -> None:
        self._late = int(heartbeat_every * LATE_AFTER * 1e9)
        self._own: dict[str, StateMachine] = {}
        self._remote: dict[str, _Remote] = {}

    def add_own(self, machine: StateMachine) -> None:
        """A pipe of this process."""
        self._own[machine.id] = machine

    # What agents tell

    def known(self, agent: str, run: str) -> dict[str, int]:
        """For each pipe of this run of an agent, the last version that is known."""
        return {
            name.partition(":")[2]: pipe.history[-1].version
            for name, pipe in self._remote.items()
            if name.startswith(f"{agent}:") and pipe.run == run and pipe.history
        }

    def told(self, agent: str, pipe: str, run: str, transitions: Sequence[Transition]) -> None:
        """The next steps of a pipe; those that are known already change nothing."""
        remote = self._remote.get(f"{agent}:{pipe}")
        if remote is None or remote.run != run:
            remote = self._remote[f"{agent}:{pipe}"] = _Remote(f"{agent}:{pipe}", run)
        last = remote.history[-1].version if remote.history else -1
        remote.history.extend(row for row in transitions if row.version > last)

    def beaten(self, agent: str, reports: Mapping[str, PipeReport]) -> None:
        """A heartbeat came."""
        for name, report in reports.items():
            remote = self._remote.get(f"{agent}:{name}")
            if remote is not None:
                remote.report, remote.last_heartbeat = report, wall()

    # What queries see

    def all(self) -> Sequence[PipeView]:
        return [
            *(view_of(machine, "fusion") for machine in self._own.values()),
            *(self._view(self._remote[name]) for name in sorted(self._remote)),
        ]

    def get(self, pipe: str) -> PipeView | None:
        if machine := self._own.get(pipe):
            return view_of(machine, "fusion")
        remote = self._remote.get(pipe)
        return self._view(remote) if remote else None

    def history(self, pipe: str) -> Sequence[Transition] | None:
        if machine := self._own.get(pipe):
            return [to_row(change) for change in machine.history()]
        remote = self._remote.get(pipe)
        return list(remote.history) if remote else None

    def progress(self, agent: str, root: str) -> int | None:
        """How many percent of its snapshot of `root` an agent has done, as far as it can tell."""
        for name, remote in self._remote.items():
            report = remote.report
            if name.startswith(f"{agent}:") and report is not None and report.root == root:
                done, left = report.counters.get("walk_directories", 0), report.counters.get("walk_directories_left", 0)
                return 100 * done // (done + left) if done + left else None
        return None

    def _view(self, remote: _Remote) -> PipeView:
        last = remote.history[-1]
        silent = remote.last_heartbeat is None or wall() - remote.last_heartbeat > self._late
        gone = silent and last.value not in (PipeState.STOPPED, PipeState.ERROR)
        report = remote.report
        return PipeView(
            remote.id,
            "agent",
            "UNKNOWN" if gone else str(PipeState(last.value)),
            last.value,
            last.lifecycle,
            last.operational,
            last.health,
            report.desired if report else "running",
            report.phase if report and not gone else "",
            _since(remote.history),
            last.version,
            remote.last_heartbeat,
            report.conditions if report else [],
            report.counters if report else {},
        )


def _since(history: Sequence[Transition]) -> int:
    """When the pipe came into the state that it is in."""
    since = history[-1].at
    for row in reversed(history):
        if row.value != history[-1].value:
            break
        since = row.at
    return since
