"""Time (DESIGN §2): the view clock, an agent's estimate of its offset to it, and the unique stamps of evidence.

All of it is nanoseconds on CLOCK_BOOTTIME, which runs on while a machine is suspended and is never stepped. Wall-clock time is only for
printing.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

SLOT_BITS = 10
SLOTS = 1 << SLOT_BITS
_TICK = SLOTS
DRIFT = 500e-6
"""How far two clocks may run apart: 500 ppm, twice what a bad crystal does."""
_SLEW = 1e-3
_WALL_JITTER = 10_000_000


def slot_of(stamp: int) -> int:
    """The slot of the agent that gave this stamp."""
    return stamp & (SLOTS - 1)


def boottime() -> int:
    """Nanoseconds since this machine was booted."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def wall() -> int:
    """Nanoseconds since 1970 (UTC), as the operating system believes."""
    return time.time_ns()


def minute_of_day() -> float:
    """Minutes since midnight, as the clocks in this time zone show."""
    shown = time.localtime()
    return shown.tm_hour * 60 + shown.tm_min + shown.tm_sec / 60


class ViewClock:
    """The clock of one root: starts at the later of the wall clock and just above its own past, and runs on BOOTTIME from there."""

    def __init__(self, name: str, high_water: int, boottime: Callable[[], int] = boottime, wall: Callable[[], int] = wall) -> None:
        self.name = name
        self._boottime = boottime
        self._wall = wall
        self._ahead = max(wall(), high_water + 1) - boottime()
        self._behind_wall = wall() - self.now()

    def now(self) -> int:
        """The present time on this clock."""
        return self._boottime() + self._ahead

    def to_wall(self, stamp: int) -> int:
        """The wall-clock time (ns, UTC) that `stamp` was, by what the wall clock says at present.

        The same stamp gives the same time to the ns, until the wall clock has moved by more than its ordinary jitter against this one.
        """
        behind = self._wall() - self.now()
        if abs(behind - self._behind_wall) > _WALL_JITTER:
            self._behind_wall = behind
        return stamp + self._behind_wall


@dataclass(frozen=True, slots=True)
class Sample:
    """One round trip: the offset that it suggests, half its length, and when (local ns) it ended."""

    offset: int
    half: int
    received: int

    def error(self, now: int) -> int:
        """How far the offset may be off at `now`, in ns."""
        return self.half + int(max(now - self.received, 0) * DRIFT)


class Offset:
    """An agent's estimate of `view clock - local clock`: of all round trips the one with the least error wins, and is approached by
    slewing."""

    def __init__(self) -> None:
        self._best: Sample | None = None
        self._applied = 0
        self._since = 0

    def sample(self, sent: int, remote: int, received: int) -> None:
        """A question sent at `sent` was answered with the remote time `remote`, and the answer came at `received` (local ns)."""
        half = (received - sent) // 2
        new = Sample(remote - (sent + half), half, received)
        if self._best is None:
            self._best, self._applied, self._since = new, new.offset, received
        elif new.error(received) <= self._best.error(received):
            self._applied, self._since = self.at(received), received
            self._best = new

    def settle(self, now: int) -> None:
        """Take the best estimate at once, without slewing: for the start of a session, when no stamp has been given in it yet."""
        if self._best is not None:
            self._applied, self._since = self._best.offset, now

    def at(self, now: int) -> int:
        """The offset to add to the local clock at `now`."""
        if self._best is None:
            raise ValueError("no round trip yet: the offset is not known")
        reach = int(max(now - self._since, 0) * _SLEW)
        return self._applied + max(-reach, min(reach, self._best.offset - self._applied))

    def error(self, now: int) -> int:
        """How far `at` may be off, in ns: the error of the best round trip, and what is still to be slewed."""
        if self._best is None:
            raise ValueError("no round trip yet: the offset is not known")
        return self._best.error(now) + abs(self._best.offset - self.at(now))


class Stamper:
    """Gives each reading of one session its stamp: unique, never backwards, and remembered until it is sent or dropped, for `low`.

    The low bits carry the agent's slot in the root, so no two agents ever give the same. `staleness` (ns) is how old what the source tells
    may be. Safe to use from any thread.
    """

    def __init__(self, now: Callable[[], int], slot: int, above: int, staleness: int = 0) -> None:
        self._now = now
        self._slot = slot
        self._staleness = staleness
        self._last = above & ~(_TICK - 1)
        self._open: dict[int, None] = {}
        self._lock = threading.Lock()

    def take(self) -> int:
        """A stamp of the present time. To be taken before the system call that reads."""
        with self._lock:
            self._last = max(self._last + _TICK, (self._now() - self._staleness) & ~(_TICK - 1))
            at = self._last | self._slot
            self._open[at] = None
            return at

    def drop(self, at: int) -> None:
        """Evidence of `at` has been handed over, or never will be."""
        with self._lock:
            self._open.pop(at, None)

    def low(self) -> int:
        """No evidence at or below this will be handed over any more."""
        with self._lock:
            for oldest in self._open:
                return oldest - 1
            return max(self._last | self._slot, ((self._now() - self._staleness) & ~(_TICK - 1)) - 1)
