"""When, and how much at a time, a writer goes on with long work of its own: with what removals left behind, and with listings of large
directories. Pure; times are seconds.

Such work must stall nobody who waits for a commit, but must not starve either: a writer that is never idle would never end it.
"""

LONGEST = 0.02
"""Seconds that a slice may take, so that nobody who waits for a commit notices."""
FEWEST, MOST = 100, 20_000


class Slices:
    """The slices of one kind of work. `limit` is how many rows the next one may deal with; under load, one comes `every` so many seconds
    after the one before."""

    def __init__(self, every: float) -> None:
        self.limit = 1_000
        self._every = every
        self._ended = 0.0

    def is_due(self, now: float) -> bool:
        """Whether a slice is to be done although others wait."""
        return now - self._ended >= self._every

    def took(self, seconds: float, now: float, *, whole: bool) -> None:
        """A slice has ended at `now`, after so long; `whole` if there were `limit` rows to deal with."""
        self._ended = now
        if not whole:
            return
        if seconds > LONGEST:
            self.limit = max(FEWEST, int(self.limit * LONGEST / seconds))
        elif seconds < LONGEST / 2:
            self.limit = min(MOST, self.limit * 2)
