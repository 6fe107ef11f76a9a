"""How far the stamps of one session may be off. Pure; times and errors are ns on the view clock."""

from fustor_core.clock import DRIFT

LARGEST = 10_000_000_000
"""What an agent says beyond that is not believed: everything would be in doubt, and nothing from the future."""
ON_ITS_WAY = int(500_000_000 * DRIFT)
"""By so much a clock may have drifted since the agent told its error: as much as in half a second."""
HELD = 10_000_000_000
"""An error counts for so long at least, also where the agent has measured better since: what it stamped with it is still on its way."""


class ClockError:
    """What an agent has said of its error, each time that it measured."""

    def __init__(self) -> None:
        self._told_at = 0
        self._last = 0
        self._largest = 0
        self._before = 0
        self._since = 0

    def tell(self, error: int, now: int) -> None:
        """The agent believes that its offset is off by no more than this."""
        error = min(error + ON_ITS_WAY, LARGEST)
        if now - self._since > HELD:
            self._before, self._largest, self._since = self._largest, error, now
        self._last, self._told_at = error, now
        self._largest = max(self._largest, error)

    def at(self, now: int) -> int:
        """How far stamps may be off that were given shortly before `now`, or come at that time."""
        return max(self._largest, self._before, self._last + int(max(now - self._told_at, 0) * DRIFT))
