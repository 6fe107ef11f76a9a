"""How many readings should run at once: as many as keep one processor busy, for a thread that waits for a disk leaves room for another,
while one that waits for the interpreter only takes its turn from the others. Pure."""

from typing import Final

BUSY: Final = 0.9
"""Share of a processor at which the readers together leave nothing to gain: threads take turns in the interpreter."""
TOO_SHORT: Final = 0.001
_WEIGHT: Final = 0.2


class Parallelism:
    """Follows what readings took. `wanted` is how many should run at once, from 1 to `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._wanted = 1.0

    def note(self, wall: float, cpu: float) -> None:
        """A reading took so many seconds, less those that it waited for a processor, of which it used one for `cpu`."""
        if wall <= TOO_SHORT:
            return
        busy = self.wanted * cpu / wall
        # Where the readers keep the interpreter busy it is not known how few would: one less is tried.
        goal = self.wanted - 1 if busy >= BUSY else self.wanted / max(busy, 1e-3)
        self._wanted += _WEIGHT * (min(max(goal, 1.0), self._most) - self._wanted)

    @property
    def wanted(self) -> int:
        return max(1, int(self._wanted + 0.5))
