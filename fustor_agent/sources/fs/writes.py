"""Which files are being written, as far as events tell: a heuristic, and its rules. Pure: events in, changes of what is known out.

- A file that appears under a new name has just been opened for writing, one that is modified is open; a close after writing ends that.
- A link, and a file that was made without a name, appear like a new file and are never closed: a look at them tells the former
  (`no_new_file`), and after `SILENT` both count as unknown. So does a file that was cut off by its name alone (truncate(2)).
- Of two writers, the first that closes ends it for both, until the other writes again.
- Renaming changes nothing: what is known stays with the watch of the directory and the name in it. A renamed directory that is seen to be
  gone before it is found again loses its watch, and with it what was known of its files.
- What is not known is None, never a guess: after dropped events, without a watch, beyond `most`.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from fustor_agent.sources.fs.inotify import Mask
from fustor_core.paths import join, split

MOST: Final = 10_000
"""Files of which this is remembered. Beyond it those that are closed are forgotten, then all."""
SILENT: Final = 600_000_000_000
"""Nanoseconds after which a file that is neither written nor closed is one of which nothing is known."""
_LOOK_EVERY: Final = 10_000_000_000

_DIRECTORY, _CREATE, _CLOSED = int(Mask.ISDIR), int(Mask.CREATE), int(Mask.CLOSE_WRITE)
_MODIFY, _FROM, _TO, _DELETE = int(Mask.MODIFY), int(Mask.MOVED_FROM), int(Mask.MOVED_TO), int(Mask.DELETE)

Changes = dict[bytes, bool | None]
"""By path: whether it is being written from here on, None where that is not known any more."""


class Write(Struct, gc=False):
    """What is known of one file. `new`: it has appeared, and was not heard of since. `heard` is in ns."""

    writing: bool
    new: bool
    heard: int


class Writes:
    """What the watches of one source tell of writing. Paths are only made when something is told (`changes`)."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[int, dict[bytes, Write]] = {}
        self._size = 0
        self._changed: dict[int, set[bytes]] = {}
        self._moving: dict[int, Write | None] = {}
        self._moved: dict[int, Write | None] = {}
        self._places: dict[int, Sequence[bytes]] = {}
        self._told: dict[bytes, tuple[int, bool]] = {}
        self._looked = 0

    # Events

    def heard(self, watch: int, mask: int, cookie: int, name: bytes, now: int) -> None:
        """An event about `name` in the directory of the watch."""
        if mask & _MODIFY:
            self._set(watch, name, Write(True, False, now))
        elif mask & _CLOSED:
            self._set(watch, name, Write(False, False, now))
        elif mask & _FROM:
            self._moving[cookie] = self._forget(watch, name)
        elif mask & _TO:
            self._set(watch, name, self._moving.pop(cookie, None) or self._moved.pop(cookie, None))
        elif mask & _CREATE:
            self._set(watch, name, None if mask & _DIRECTORY else Write(True, True, now))
        elif mask & _DELETE:
            self._forget(watch, name)

    def ended(self, watch: int) -> None:
        """The watch has ended: what happens in its directory is not heard any more."""
        for name in list(self._known.get(watch, ())):
            self._forget(watch, name)

    def forget_all(self) -> None:
        """Events were dropped: nothing is known."""
        for watch in list(self._known):
            self.ended(watch)
        self._moving.clear()
        self._moved.clear()

    def no_new_file(self, path: bytes) -> None:
        """What has appeared there is no file that was made by opening it."""
        watch, _ = self._told.get(path, (0, False))
        name = split(path)[1]
        known = self._known.get(watch, {}).get(name)
        if known is not None and known.new:
            self._forget(watch, name)

    def _set(self, watch: int, name: bytes, write: Write | None) -> None:
        if write is None:
            self._forget(watch, name)
            return
        names = self._known.setdefault(watch, {})
        before = names.get(name)
        names[name] = write
        if before is None:
            self._size += 1
        if before is None or before.writing != write.writing:
            self._changed.setdefault(watch, set()).add(name)
        if self._size > self._most:
            self._shrink()

    def _forget(self, watch: int, name: bytes) -> Write | None:
        names = self._known.get(watch)
        if names is None or (known := names.pop(name, None)) is None:
            return None
        if not names:
            del self._known[watch]
        self._size -= 1
        self._changed.setdefault(watch, set()).add(name)
        return known

    def _shrink(self) -> None:
        self._forget_where(lambda write: not write.writing)
        if self._size > self._most // 2:
            self.forget_all()

    def _forget_where(self, unwanted: Callable[[Write], bool]) -> None:
        for watch, names in list(self._known.items()):
            for name in [name for name, write in names.items() if unwanted(write)]:
                self._forget(watch, name)

    # What there is to tell

    def changes(self, places: Callable[[int], Sequence[bytes]], *, moved: bool, now: int) -> Changes:
        """What is known now and was not told before. `places` gives the paths of a watch; `moved`: they may have changed since."""
        if now - self._looked > _LOOK_EVERY:
            self._looked = now
            self._forget_where(lambda write: write.writing and now - write.heard > SILENT)
        # The other half of a move may be the first event of the next time.
        self._moving, self._moved = {}, self._moving
        changes: Changes = {}
        if moved:
            self._follow(places, changes)
        news: Changes = {}
        for watch, names in self._changed.items():
            if watch not in self._places:
                self._places[watch] = places(watch)
            known = self._known.get(watch, {})
            for name in names:
                write = known.get(name)
                for path in [join(place, name) for place in self._places[watch]]:
                    if write is None:
                        self._untell(path, changes)
                    elif self._told.get(path) != (watch, write.writing):
                        self._told[path] = (watch, write.writing)
                        news[path] = write.writing
            if not known:
                del self._places[watch]
        self._changed.clear()
        return changes | news

    def _follow(self, places: Callable[[int], Sequence[bytes]], changes: Changes) -> None:
        """Directories have been renamed, or found: what is known of their files is to be told under their paths of now."""
        for watch, before in list(self._places.items()):
            after = places(watch)
            if after == before:
                continue
            self._places[watch] = after
            names = self._known.get(watch, {})
            self._changed.setdefault(watch, set()).update(names)
            for path in [join(place, name) for place in before for name in (*names, *self._changed[watch])]:
                self._untell(path, changes)

    def _untell(self, path: bytes, changes: Changes) -> None:
        if self._told.pop(path, None) is not None:
            changes[path] = None
