"""Whether an entry is settled: not being written, and unchanged for a while. Pure. A heuristic: nobody can know that no more will come.

It is told as of the time up to which the answer is vouched for, so what nobody watches is not settled by lapse of time; and only of what
was listed since an agent began to follow it (else None: nobody knows). A directory is settled when nothing at or below it is unsettled.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fustor_core.evidence import Kind
from fustor_core.paths import is_below, split
from fustor_fusion.query import Found, Instant
from fustor_fusion.sessions.writing import is_written, written_below
from fustor_fusion.stores import RootRecord
from fustor_fusion.trust import LiveRoot, Pending, vouched

DEFAULT_QUIET: Final = 10.0
"""Seconds."""
_FEW: Final = 100
_SECOND: Final = 1_000_000_000


def _reached(_: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Stillness:
    """What is known of the writing at and below one entry. `until` is the stamp up to which this holds, `settles_at` the one at which it
    has been unchanged for long enough, None where that is not known."""

    writing: bool | None
    files_written: int
    until: int
    settles_at: int | None

    @property
    def settled(self) -> bool | None:
        if self.writing:
            return False
        return None if self.settles_at is None else self.until >= self.settles_at


@dataclass(frozen=True, slots=True)
class Settling:
    """Judges the entries of one reading of one root. `live` was taken before the reading, `quiet` is in ns, `epoch` the wall-clock ns of
    stamp 0. `unreached` tells of a directory whether it, or one above it, could not be read: nobody knows what happened in it since."""

    quiet: int
    epoch: int
    live: LiveRoot
    record: RootRecord
    unreached: Callable[[bytes], bool] = _reached
    _until: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_until", vouched(True, self.record, self.live))

    def of(self, found: Found, oldest: int = 0) -> Stillness:
        """What is known of an entry; `oldest`: when that of the directories at and below it was listed that was listed longest ago, if that
        is known."""
        told = self.live.writing
        written = written_below(found.path, told) if found.kind is Kind.DIRECTORY else 0
        writing = (True if written else None) if found.kind is Kind.DIRECTORY else is_written(found.path, told)
        if found.kind not in (Kind.DIRECTORY, Kind.FILE):
            writing = None
        until = self._until_for(found, oldest)
        known = found.entry is not None and found.fresh and self.live.follows and self.live.alive and until > 0
        if not known or self.unreached(split(found.path)[0]):
            return Stillness(writing, written or int(writing or False), until, None)
        return Stillness(writing, written or int(writing or False), until, settles_at(found, self.quiet, self.epoch.__add__))

    def _until_for(self, found: Found, oldest: int) -> int:
        pending, until = self.live.pending, self._until
        if self.live.remote_writers:  # no event tells of them: what was listed since is known for longer
            until = max(until, oldest if found.kind is Kind.DIRECTORY else found.listed_at)
        if len(pending) > _FEW:  # to compare each with each entry costs more than it tells
            return min(until, *(one.since for one in pending))
        return min((until, *(one.since for one in pending if _touches(one, found.path))))


def _touches(pending: Pending, path: bytes) -> bool:
    return is_below(pending.path, path) or is_below(path, pending.path)


def settles_at(found: Found, quiet: int, to_wall: Callable[[int], int]) -> int:
    """The stamp from which an entry is settled if nothing happens to it.

    Besides evidence, the times of the file system itself count, if they are not later than the change by more than `quiet`: then they are
    of a clock that is not quite right. Later ones are made up (`touch -d 2050`), and say nothing.
    """
    changed = found.changed_below
    at = changed
    if found.entry is not None:
        own = (found.entry.mtime, found.entry.mtime_ns), (found.entry.ctime, found.entry.ctime_ns)
        zero = to_wall(0)
        for instant in (*own, found.newest):
            stamp = _stamp(instant, zero)
            if at < stamp <= changed + quiet:
                at = stamp
    return at + quiet


def _stamp(instant: Instant | None, zero: int) -> int:
    return 0 if instant is None else instant[0] * _SECOND + instant[1] - zero
