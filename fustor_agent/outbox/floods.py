"""Directories in which more has changed than is worth looking at one by one: each is listed, when it has come to rest. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fustor_agent.outbox.underway import Underway
from fustor_core.paths import is_below

MANY: Final = 10_000
"""Marks of one directory, beside those for its size, from which it is listed instead: that costs far less for each."""
LISTED_FOR_ONE: Final = 8
"""So many names are listed for what one of them costs to be looked at by itself, and told of, about."""
RESTS_AFTER: Final = 250_000_000
"""Nanoseconds without a change after which a directory rests."""
WAITS: Final = 1_000_000_000
WAITS_FOR_NAME: Final = 10_000
"""Nanoseconds after which one that does not rest is listed all the same, and so many more for each name in it: two or three times what that
takes."""


@dataclass(slots=True)
class _Flood:
    """`since` is the time of its oldest mark; `began` and `stirred` are when it was first and last seen to change, 0 before that."""

    since: int
    began: int = 0
    stirred: int = 0


class Floods:
    """They stand for all names in them that are marked meanwhile."""

    def __init__(self) -> None:
        # Those that have rested longest first.
        self._standing: dict[bytes, _Flood] = {}
        self._stirred: dict[bytes, None] = {}
        self._names: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._standing)

    def note_size(self, directory: bytes, names: int) -> None:
        """So many names were in the directory when it was last listed."""
        if names > MANY * LISTED_FOR_ONE:
            self._names[directory] = names
        else:
            self._names.pop(directory, None)

    def bears(self, directory: bytes) -> int:
        """How many marks of a directory are looked at one by one."""
        return max(MANY, self._names.get(directory, 0) // LISTED_FOR_ONE)

    def get(self, directory: bytes) -> int | None:
        """The time of the oldest mark that waits for the listing of this directory, if it is to be listed."""
        flood = self._standing.get(directory)
        return flood.since if flood else None

    def __setitem__(self, directory: bytes, since: int) -> None:
        """It is to be listed: marks of this time and of any later one wait for that."""
        self._standing.setdefault(directory, _Flood(since)).since = since
        self._stirred[directory] = None

    def absorb(self, directory: bytes, since: int) -> bool:
        """Whether a mark of this time in the directory waits for its listing."""
        flood = self._standing.get(directory)
        if flood is None or since < flood.since:
            return False
        self._stirred[directory] = None
        return True

    def take(self, limit: int, now: int, without: Underway) -> dict[bytes, int]:
        """Take at most so many away that are to be listed at `now` (ns), but not these; with the times of their marks."""
        stirred, self._stirred = self._stirred, {}
        due = [directory for directory in stirred if self._stir(directory, now) and directory not in without]
        for directory, flood in self._standing.items():
            if len(due) >= limit or now - flood.stirred < RESTS_AFTER:
                break
            if directory not in without:
                due.append(directory)
        return {directory: self._standing.pop(directory).since for directory in due[:limit]}

    def _stir(self, directory: bytes, now: int) -> bool:
        """It has changed; whether it has to be listed nevertheless."""
        flood = self._standing.pop(directory)
        flood.began, flood.stirred = flood.began or now, now
        self._standing[directory] = flood
        return now - flood.began >= WAITS + WAITS_FOR_NAME * self._names.get(directory, 0)

    def take_at(self, directories: Iterable[bytes], *, below: bool) -> list[int]:
        """Take these away, or all at and `below` them, because they are listed for another reason; the times of their marks."""
        wanted = set(directories)
        taken = [each for each in self._standing if each in wanted or (below and any(is_below(each, one) for one in wanted))]
        for directory in taken:
            self._stirred.pop(directory, None)
        return [self._standing.pop(directory).since for directory in taken]

    def take_all(self) -> dict[bytes, int]:
        """Take all away."""
        taken = {directory: flood.since for directory, flood in self._standing.items()}
        self._standing.clear()
        self._stirred.clear()
        return taken
