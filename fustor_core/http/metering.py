"""What pipes have been through, counted and timed. Pure: it is fed with their steps."""

from collections import Counter
from typing import Final

from fustor_core.pipe import PipeState
from fustor_core.wire import Transition

_BACK: Final = PipeState.RUNNING | PipeState.PAUSED
_SECOND: Final = 1_000_000_000


class PipeMeter:
    """Counts the steps of one pipe, and how long it has been in which state."""

    def __init__(self) -> None:
        self.transitions: Counter[str] = Counter()
        """By event."""
        self.reconnects = 0
        """How often it came back from RECONNECTING."""
        self._in_state: Counter[str] = Counter()
        self._last: Transition | None = None

    def take(self, row: Transition) -> None:
        """The next step."""
        last, self._last = self._last, row
        self.transitions.update(row.events)
        if last is None:
            return
        self._in_state[str(PipeState(last.value))] += max(row.at - last.at, 0)
        if last.value & PipeState.RECONNECTING and row.value & _BACK and not row.value & PipeState.RECONNECTING:
            self.reconnects += 1

    def seconds(self, now: int | None) -> dict[str, float]:
        """Seconds in each state so far; up to `now` (wall-clock ns) in the present one, or only to the last step where it is not known."""
        passed = Counter(self._in_state)
        if self._last is not None and now is not None:
            passed[str(PipeState(self._last.value))] += max(now - self._last.at, 0)
        return {state: nanoseconds / _SECOND for state, nanoseconds in passed.items()}
