"""When, and how much at a time, a writer tidies up what removals left behind. Pure; times are seconds.

Tidying has no hurry, but must not starve either: a store that is never idle would grow for ever.
"""

LONGEST = 0.02
"""Seconds that a slice may take, so that nobody who waits for a commit notices."""
EVERY = 0.1
"""Under load, a slice comes so long after the one before: it takes a fifth of the writer's time at most."""
FEWEST, MOST = 100, 20_000


class Purging:
    """The slices of one writer. `limit` is how many rows the next one may remove."""

    def __init__(self) -> None:
        self.limit = 1_000
        self._ended = 0.0

    def is_due(self, now: float) -> bool:
        """Whether a slice is to be done although others wait."""
        return now - self._ended >= EVERY

    def took(self, seconds: float, now: float, *, whole: bool) -> None:
        """A slice has ended at `now`, after so long; `whole` if there were `limit` rows to remove."""
        self._ended = now
        if not whole:
            return
        if seconds > LONGEST:
            self.limit = max(FEWEST, int(self.limit * LONGEST / seconds))
        elif seconds < LONGEST / 2:
            self.limit = min(MOST, self.limit * 2)
