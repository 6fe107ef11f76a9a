"""How much reading the storage has to bear, decided for all pipes of one agent together. Pure: `now` is in seconds, on any clock that does
not jump; the time of day in minutes since midnight.

Walks (snapshots, audits, directories that are listed with all below) wait for their turn. What is looked at one by one never waits, but it
counts, so that walks give way to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

DAY: Final = 24 * 60
MOST_AT_ONCE: Final = 4000
"""Operations after which a reading ends, so that what it found travels while the next one reads."""
SHARE_AT_ONCE: Final = 0.1
"""Of the operations of a second, so many in one reading, so that the load is even."""
FIRST_REST, MOST_REST = 1.0, 60.0
BUSY: Final = 0.05
"""Seconds between looks whether one of the other readers is done."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time of day in which walks may run; where it ends before it begins, it goes over midnight."""

    begins: float
    ends: float

    def left(self, minute: float) -> float:
        """Minutes until it closes; 0 where it is closed."""
        length, since = (self.ends - self.begins) % DAY or DAY, (minute - self.begins) % DAY
        return length - since if since < length else 0.0

    def opens_in(self, minute: float) -> float:
        """Minutes until it is open."""
        return 0.0 if self.left(minute) else (self.begins - minute) % DAY


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """`parallel`: readings at a time. `ops_per_second`: entries and directories read in a second, 0 for any. `latency`: seconds for one of
    these, beyond which walks rest; 0 for any. `windows`: when snapshots and audits may run; always where there are none."""

    parallel: int = 16
    ops_per_second: float = 0.0
    latency: float = 0.0
    windows: Sequence[Window] = ()

    def opens_in(self, minute: float) -> float:
        """Minutes until snapshots and audits may run."""
        return min((window.opens_in(minute) for window in self.windows), default=0.0)

    def closes_in(self, minute: float) -> float:
        """Minutes for which they still may; a day where they always may."""
        return max((window.left(minute) for window in self.windows), default=DAY)


@dataclass(slots=True)
class Pace:
    """What has been read lately, and when the next walk may go on."""

    limits: LoadLimits = LoadLimits()
    _running: int = 0
    _free_at: float = 0.0
    _rest: float = 0.0
    _rests_until: float = 0.0

    def pause(self, now: float) -> float:
        """Seconds until it is worth while to ask whether a walk may begin to read; 0 where it may now."""
        return max(self._free_at - now, self._rests_until - now, BUSY if self._running >= self.limits.parallel else 0.0)

    @property
    def most_at_once(self) -> int:
        """Operations that one reading should end after."""
        rate = self.limits.ops_per_second
        return min(MOST_AT_ONCE, max(int(rate * SHARE_AT_ONCE), 1)) if rate else MOST_AT_ONCE

    def begin(self, now: float) -> int:
        """A reading begins: its full measure is counted, until it is known what it took. Returns what `end` is to be given."""
        self._running += 1
        reserved = self.most_at_once
        self._owe(reserved, now)
        return reserved

    def end(self, reserved: int, ops: int, seconds: float, now: float) -> None:
        """A reading has ended, after so many operations in so many seconds."""
        self._running -= 1
        self._owe(ops - reserved, now)
        if self.limits.latency and ops:
            self._note_latency(seconds / ops, now)

    def spend(self, ops: int, now: float) -> None:
        """So much was looked at one by one, without waiting."""
        self._owe(ops, now)

    def _owe(self, ops: int, now: float) -> None:
        if self.limits.ops_per_second:
            self._free_at = max(self._free_at, now if ops > 0 else self._free_at) + ops / self.limits.ops_per_second

    def _note_latency(self, latency: float, now: float) -> None:
        if latency > self.limits.latency:
            self._rest = min(max(2 * self._rest, FIRST_REST), MOST_REST)
            self._rests_until = max(self._rests_until, now + self._rest)
        else:
            self._rest = self._rest / 2 if self._rest > FIRST_REST else 0.0
