"""Which watch stands at which place of the tree. Pure: knows no kernel and no lock.

A place is a name in another place, so a renamed directory costs nothing, and its path is found by climbing. A watch stands on an inode, so
it may be at several places at once: a directory has been moved and only its new place has been heard of, or a mount shows it twice.

What is known of a place is ordered by *turns*: numbers that readings take before they open anything, like the stamps of evidence. The
newest word about a place wins here as it does in the view, so it does not matter which of two readings is the first to say what it found.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from fustor_core.paths import components

NO_WATCH = -1
UNKNOWN = -1
"""The key of a directory of which it is not known what it is, or whether it can be read."""


class Place(Struct, gc=False, eq=False):
    """A directory in the tree. `turn` is that of its watch, `alive` the newest at which it, or one below it, is known to have been there.
    `listed` is what it looked like when it was last listed (`looks_of`), 0 where that is not known.

    There is one for each directory of the source, so they are small, and unknown to the garbage collector: the ring of parent and
    children is taken apart when a place goes (`Places.purge`).
    """

    parent: "Place | None"
    name: bytes
    watch: int
    key: int
    turn: int
    alive: int
    listed: int = 0
    children: "dict[bytes, Place] | None" = None


class Settled(NamedTuple):
    """What settling brought: whether newer word has it that another directory is there, whether another watch stands there than before, and
    the watches that stand nowhere any more."""

    overtaken: bool
    changed: bool
    idle: list[int]


class Places:
    """The tree of places. The root is always one."""

    def __init__(self) -> None:
        self._root = Place(None, b"", NO_WATCH, UNKNOWN, 0, 0)
        self._first: dict[int, Place] = {}
        self._others: dict[int, list[Place]] = {}
        self._refused: set[Place] = set()
        self._detached: list[Place] = []

    # What is known

    @property
    def watched(self) -> int:
        """How many watches stand somewhere."""
        return len(self._first)

    @property
    def refused(self) -> int:
        """How many directories could not be watched."""
        return len(self._refused)

    def refused_paths(self) -> list[bytes]:
        """Where watches were refused."""
        return [path for place in self._refused if (path := self._path(place)) is not None]

    def paths(self, watch: int) -> list[bytes]:
        """Every place of the watch."""
        first = self._first.get(watch)
        if first is None:
            return []
        places = [first, *self._others.get(watch, ())] if self._others else [first]
        return [path for place in places if (path := self._path(place)) is not None]

    def stands(self, watch: int) -> bool:
        """Whether the watch is at any place, also one that has been dropped and is still to be purged."""
        return watch in self._first

    def strangers(self, directory: bytes, keys: Mapping[bytes, int]) -> list[bytes]:
        """Those of the names in `directory` (directories, with their keys) where another one is known, or none of which watching has
        been tried."""
        place = self._find(directory)
        children = place.children if place is not None else None
        return [name for name, key in keys.items() if self._is_strange(children.get(name) if children else None, key)]

    def is_stranger(self, path: bytes, key: int) -> bool:
        """The same of one path."""
        return self._is_strange(self._find(path), key)

    def _is_strange(self, place: Place | None, key: int) -> bool:
        return place is None or place.key != key or (place.watch == NO_WATCH and place not in self._refused)

    def listed_below(self, directory: bytes) -> list[tuple[bytes, int, bool]]:
        """The directories that are known in `directory`: their names, what each looked like when it was last listed, and whether others are
        known in it. The root is in itself, by an empty name."""
        place = self._find(directory)
        found = [(b"", place.listed, False)] if place is self._root else []
        for name, child in ((place.children if place is not None else None) or {}).items():
            found.append((name, child.listed, child.children is not None))
        return found

    def compare(self, directory: bytes, keys: Mapping[bytes, int], listed: int = 0) -> tuple[list[bytes], list[bytes]]:
        """`directory` looked like `listed`, and holds exactly the directories in `keys`: the strangers among them, and what else is known
        there."""
        place = self._find(directory)
        if place is not None:
            place.listed = listed
        children = place.children if place is not None else None
        if not children:
            return list(keys), []
        strangers = [name for name, key in keys.items() if self._is_strange(children.get(name), key)]
        return strangers, [name for name in children if name not in keys]

    # What is learnt

    def settle(self, path: bytes, watch: int, key: int, turn: int) -> Settled:
        """The directory `key` was at `path` and is watched by `watch` (NO_WATCH: that was refused)."""
        place = self._make(path, turn)
        if turn < place.turn:
            return Settled(place.key != key, False, self._if_idle(watch))
        place.turn, place.key = turn, key
        if watch == NO_WATCH:
            self._refused.add(place)
        elif self._refused:
            self._refused.discard(place)
        if watch == place.watch:
            return Settled(False, False, [])
        idle = self._take_off(place)
        self._put_on(place, watch)
        return Settled(False, True, idle)

    def distrust(self, path: bytes) -> None:
        """What is at `path` can not be read: it is a stranger from here on, even if its watch stands."""
        place = self._find(path)
        if place is not None:
            place.key, place.listed = UNKNOWN, 0

    def drop(self, path: bytes, turn: int) -> None:
        """There was no directory at `path`. All below it goes along, at once for whoever asks; `purge` then does the work."""
        place = self._find(path)
        if place is not None:
            self._detach(place, turn)

    def drop_names(self, directory: bytes, names: Iterable[bytes], turn: int) -> None:
        """There were no directories under these names in `directory`."""
        place = self._find(directory)
        if place is not None and place.children:
            for gone in [child for name in names if (child := place.children.get(name)) is not None]:
                self._detach(gone, turn)

    def _detach(self, place: Place, turn: int) -> None:
        above = place.parent
        # Newer than what says that it is gone: a directory that has come since. What was below its forerunner goes when it is listed.
        if above is None or above.children is None or place.alive > turn:
            return
        del above.children[place.name]
        if not above.children:
            above.children = None
        place.parent = None
        self._detached.append(place)

    def purge(self, most: int) -> list[int]:
        """Take up to `most` dropped places apart. Returns the watches that stand nowhere any more."""
        idle: list[int] = []
        while self._detached and most > 0:
            place = self._detached.pop()
            if place.children:
                for child in place.children.values():
                    child.parent = None
                    self._detached.append(child)
                place.children = None
            self._refused.discard(place)
            idle += self._take_off(place)
            most -= 1
        return idle

    @property
    def to_purge(self) -> bool:
        """Whether dropped places are left to take apart."""
        return bool(self._detached)

    def ended(self, watch: int) -> list[bytes]:
        """The watch has ended by itself. Returns the places where it stood: what is there is to be looked at."""
        paths = self.paths(watch)
        for place in (self._first.pop(watch, None), *self._others.pop(watch, ())):
            if place is not None:
                place.watch = NO_WATCH
        return paths

    def all_paths(self) -> Iterator[tuple[bytes, int]]:
        """Every place with its watch, for tests and counts."""
        stack = [(b"", self._root)]
        while stack:
            path, place = stack.pop()
            yield path, place.watch
            for name, child in (place.children or {}).items():
                stack.append((path + b"/" + name if path else name, child))

    def _find(self, path: bytes) -> Place | None:
        place = self._root
        for name in components(path):
            child = place.children.get(name) if place.children else None
            if child is None:
                return None
            place = child
        return place

    def _make(self, path: bytes, turn: int) -> Place:
        """The place at `path`, with those above it, all alive at `turn`."""
        place = self._root
        place.alive = max(place.alive, turn)
        for name in components(path):
            if place.children is None:
                place.children = {}
            child = place.children.get(name)
            if child is None:
                child = place.children[name] = Place(place, name, NO_WATCH, UNKNOWN, 0, turn)
            elif child.alive < turn:
                child.alive = turn
            place = child
        return place

    def _path(self, place: Place) -> bytes | None:
        """Where the place is; None once it, or one above it, has been dropped."""
        names: list[bytes] = []
        at = place
        while at.parent is not None:
            names.append(at.name)
            at = at.parent
        if at is not self._root:
            return None
        names.reverse()
        return b"/".join(names)

    def _put_on(self, place: Place, watch: int) -> None:
        place.watch = watch
        if watch == NO_WATCH:
            return
        first = self._first.setdefault(watch, place)
        if first is not place:
            self._others.setdefault(watch, []).append(place)

    def _take_off(self, place: Place) -> list[int]:
        """Part the place from its watch. Returns the watch if it stands nowhere any more."""
        watch, place.watch = place.watch, NO_WATCH
        if watch == NO_WATCH:
            return []
        others = self._others.get(watch)
        if self._first[watch] is place:
            if not others:
                del self._first[watch]
                return [watch]
            self._first[watch] = others.pop(0)
        elif others is not None:
            others.remove(place)
        if others is not None and not others:
            del self._others[watch]
        return []

    def _if_idle(self, watch: int) -> list[int]:
        return [] if watch == NO_WATCH or watch in self._first else [watch]
