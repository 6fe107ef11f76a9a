"""Has the leading agent look at the other names of hard links that changed (`fustor_fusion.merge.links`), a bounded number at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fustor_fusion.merge.links import Noted, lacks_names, to_look
from fustor_fusion.merge.nodes import Inode
from fustor_fusion.query import Found
from fustor_fusion.stores import RootStore

INODES_AT_ONCE = 20_000
PATHS_AT_ONCE = 1_000
MOST_REMEMBERED = 100_000
REST_AFTER_SCAN = 20
"""A scan for names of which no company was known rests for so many times its own duration, so that it takes a twentieth of a processor at
most."""


@dataclass(frozen=True, slots=True)
class Relook:
    """Notes that are dealt with when `paths` have been looked at."""

    notes: Sequence[Noted]
    paths: Sequence[bytes]


class Relooking:
    """Deals with the notes of one root; `clock` is in seconds."""

    def __init__(self, store: RootStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._scan_from = 0.0
        self._elsewhere: dict[Inode, int] = {}
        """Inodes with names that no scan found, so outside of the root, with the number of links of which that is known."""

    async def run_once(
        self, look: Callable[[Sequence[bytes]], Awaitable[None]], forget: Callable[[Sequence[Noted]], Awaitable[None]]
    ) -> bool:
        """Have paths looked at, then forget the notes that this dealt with; whether there were any."""
        relook = await asyncio.to_thread(self.next)
        for first in range(0, len(relook.paths), PATHS_AT_ONCE):
            await look(relook.paths[first : first + PATHS_AT_ONCE])
        if relook.notes:
            await forget(relook.notes)
        return bool(relook.notes)

    def next(self) -> Relook:
        """What is to be looked at next. Reads the store, so it is called on a thread."""
        with self._store.reading() as reading:
            notes = reading.links(INODES_AT_ONCE)
            names = reading.names_of([note.inode for note in notes], single=False)
            lonely = [note.inode for note in notes if self._wants_scan(note, names)]
            if lonely and self._clock() >= self._scan_from:
                began = self._clock()
                found = reading.names_of(lonely, single=True)
                self._scan_from = self._clock() + REST_AFTER_SCAN * (self._clock() - began)
                for inode in lonely:
                    names[inode] = [*names.get(inode, ()), *found.get(inode, ())]
                    if inode not in found:
                        self._remember(inode, max((each.entry.nlink for each in names[inode] if each.entry is not None), default=0))
                lonely = []
        waiting = set(lonely)
        ready = [note for note in notes if note.inode not in waiting]
        return Relook(ready, to_look(ready, names))

    def _wants_scan(self, note: Noted, names: dict[Inode, list[Found]]) -> bool:
        known = names.get(note.inode, [])
        links = max((each.entry.nlink for each in known if each.entry is not None), default=0)
        return lacks_names(known) and self._elsewhere.get(note.inode) != links

    def _remember(self, inode: Inode, links: int) -> None:
        if len(self._elsewhere) >= MOST_REMEMBERED:
            self._elsewhere.clear()
        self._elsewhere[inode] = links
