"""Files that changed a moment ago, to be looked at again until they rest: what is written without an event (through a mapping) shortly
after an event is found then. Pure."""

import heapq
import stat
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from fustor_core.evidence import Entry, Evidence, Gone, Listing, Seen
from fustor_core.paths import join

MOST: Final = 10_000
"""Files that are waited for at a time. What is beyond is left to the next audit, and counted."""
_SECOND: Final = 1_000_000_000


class Picked(NamedTuple):
    """What was told of files that may be young, at `wall`; `beyond` counts those that are too many to be waited for."""

    told: Sequence[Seen | Gone]
    wall: int
    beyond: int


class Young:
    """When to look at which path again. `quiet` (ns) is how long a file must have been as it is to be old; 0: nothing is looked at."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._due: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []
        self.quiet = 0
        self.dropped = 0

    def pick(self, evidence: Iterable[Evidence], wall: int) -> Picked:
        """What is to be noted of this, which was seen at `wall` by the clock that file systems use. On whichever thread calls it: a listing
        may be large."""
        told: list[Seen | Gone] = []
        beyond = 0
        after = (wall - self.quiet) // _SECOND
        for one in evidence:
            match one:
                case Seen() | Gone():
                    told.append(one)
                case Listing(directory, at, entries) if self.quiet:
                    young = [name for name, entry in entries.items() if entry.ctime >= after or entry.mtime >= after]
                    room = max(self._most - len(told), 0)
                    told += [Seen(join(directory, name), at, entries[name]) for name in young[:room]]
                    beyond += len(young[room:])
                case _:
                    pass
        return Picked(told, wall, beyond)

    def note(self, picked: Picked, now: int) -> None:
        """This was seen, at `now` by the clock that does not step."""
        if not self.quiet:
            return
        self.dropped += picked.beyond
        for one in picked.told:
            if isinstance(one, Seen):
                self._note(one.path, one.entry, picked.wall, now)
            else:
                self._due.pop(one.path, None)

    def _note(self, path: bytes, entry: Entry, wall: int, now: int) -> None:
        rests = self._rests_in(entry, wall)
        if rests is None:
            self._due.pop(path, None)
        elif path in self._due:
            self._due[path] = now + rests  # the place in the heap may be too early, which is seen when it is reached
        elif len(self._heap) < self._most:
            self._due[path] = now + rests
            heapq.heappush(self._heap, (now + rests, path))
        else:
            self.dropped += 1

    def _rests_in(self, entry: Entry, wall: int) -> int | None:
        """In how many ns the file is old, if nothing happens to it; None if it is. A time far in the future says nothing."""
        if not stat.S_ISREG(entry.mode):
            return None
        times = (entry.mtime * _SECOND + entry.mtime_ns, entry.ctime * _SECOND + entry.ctime_ns)
        return max((time + self.quiet - wall for time in times if abs(wall - time) < self.quiet), default=None)

    def due(self, now: int) -> list[bytes]:
        """The paths that are to be looked at again by now. Looking notes them anew if they are still young."""
        due: list[bytes] = []
        while self._heap and self._heap[0][0] <= now:
            _, path = heapq.heappop(self._heap)
            wanted = self._due.get(path)
            if wanted is not None and wanted > now:
                heapq.heappush(self._heap, (wanted, path))
            elif wanted is not None:
                del self._due[path]
                due.append(path)
        return due
