"""Answers from a tree, the same for every store: a store brings four look-ups, and this the queries."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fustor_core.errors import MalformedInput
from fustor_core.paths import components, is_below, join
from fustor_fusion.merge.links import Noted
from fustor_fusion.merge.nodes import NEVER, ROOT_ID, Child, Directory, Inode
from fustor_fusion.query import Change, Filter, Found, Trust, Usage
from fustor_fusion.stores import AgentRecord, ChangeSpan, Page, RootRecord
from fustor_fusion.stores.answers import Below, found, is_fresh, kind_of, matcher, usage_of_directory, usage_of_leaf
from fustor_fusion.stores.cursors import ScanCursor, WalkCursor, decode, encode

ABOVE_ROOT = 0
"""The id under which the root itself is stored as a child, with an empty name."""

STRIDE = 500
"""How many children a walk fetches at once."""


class Way(NamedTuple):
    """Where a path leads: to which directory (the path itself, or the deepest on the way), the names behind that, what is at the path."""

    directory: int
    missing: list[bytes]
    child: Child | None
    parent: int


class Step(NamedTuple):
    """One entry that a walk comes by; `depth` counts from where it began."""

    path: bytes
    name: bytes
    depth: int
    parent: int
    child: Child


class TreeReading(ABC):
    """A Reading over look-ups of nodes."""

    @abstractmethod
    def record(self) -> RootRecord: ...

    @abstractmethod
    def agents(self) -> list[AgentRecord]: ...

    @abstractmethod
    def epoch(self) -> int:
        """The number of the watching that freshness is counted for; 0 before the first."""

    @abstractmethod
    def child(self, directory: int, name: bytes) -> Child | None: ...

    @abstractmethod
    def directory(self, number: int) -> Directory: ...

    @abstractmethod
    def below(self, numbers: Sequence[int]) -> Mapping[int, Below]:
        """What is known of all below each of these directories."""

    @abstractmethod
    def range(self, directory: int, after: bytes | None, limit: int) -> list[tuple[bytes, Child]]:
        """Children by name in byte order, from the first behind `after`."""

    @abstractmethod
    def change_span(self) -> ChangeSpan: ...

    @abstractmethod
    def changes(self, after: int, limit: int) -> list[Change]: ...

    @abstractmethod
    def links(self, limit: int) -> list[Noted]: ...

    @abstractmethod
    def names_of(self, inodes: Collection[Inode], *, single: bool) -> dict[Inode, list[Found]]: ...

    def directories(self) -> "Directories":
        """What makes the answers of one page."""
        return Directories(self)

    def find(self, path: bytes) -> Found | None:
        way = self.way(path)
        if way.child is None:
            return None
        return self.directories()(path, way.child, way.parent)

    def children(self, path: bytes, after: bytes | None, limit: int) -> list[Found]:
        way = self.way(path)
        if way.missing:
            return []
        entry, rows = self.directories(), self.range(way.directory, after, limit)
        entry.look_up(child for _, child in rows)
        return [entry(join(path, name), child, way.directory) for name, child in rows]

    def search(self, path: bytes, wanted: Filter, after: str | None, limit: int) -> Page:
        cursor = None if after is None else decode(after)
        if isinstance(cursor, ScanCursor):
            raise MalformedInput("the cursor `after` is of another kind of store: begin the search again without it")
        return self.search_by_walk(path, wanted, cursor, limit)

    def usage(self, path: bytes) -> Usage | None:
        way = self.way(path)
        if way.child is None:
            return None
        if not way.missing:
            return usage_of_directory(self.directory(way.directory))
        assert way.child.entry is not None  # only a directory can be known without attributes
        return usage_of_leaf(way.child.entry)

    def trust(self, path: bytes) -> Trust:
        way = self.way(path)
        directory, epoch = self.directory(way.directory), self.epoch()
        listed_at = None if directory.listed_at == NEVER else directory.listed_at
        # Through one that cannot be entered nobody sees what is below it, whatever was known of that before.
        above = self._unread_above(directory)
        unreached = above + int(directory.unreadable is not None)
        if not way.missing:
            return Trust(not above and is_fresh(directory, epoch), above + directory.unreadable_below, listed_at, None, unreached)
        # What is no directory, or is not there, is known from the listing of the deepest directory on the way to it.
        return Trust(epoch > 0 and not above and directory.watched_in(epoch), unreached, listed_at, None, unreached)

    def _unread_above(self, directory: Directory) -> int:
        """How many directories above one could not be read. Where all could be, that is known at once."""
        if directory.id == ROOT_ID or not self.directory(ROOT_ID).unreadable_below:
            return 0
        unread = 0
        while directory.id != ROOT_ID:
            directory = self.directory(directory.parent)
            unread += int(directory.unreadable is not None)
        return unread

    def oldest_listing(self, path: bytes, most: int) -> int | None:
        way = self.way(path)
        directory = self.directory(way.directory)
        if way.missing:
            return None if directory.listed_at == NEVER else directory.listed_at
        if directory.files + directory.directories + directory.others > most:
            return None
        oldest, waiting = directory.listed_at, [directory]
        while waiting:
            directory = waiting.pop()
            if not directory.followed:
                continue
            oldest = min(oldest, directory.listed_at)
            below = self.range(directory.id, None, most)
            waiting.extend(self.directory(child.directory) for _, child in below if child.directory)
        return None if oldest == NEVER else oldest

    def unlisted(self, limit: int) -> list[bytes]:
        epoch = self.epoch()
        waiting = [(b"", ROOT_ID)] if self.below([ROOT_ID])[ROOT_ID].unlisted else []
        names: list[bytes] = []
        while waiting and len(names) < limit:
            path, number = waiting.pop()
            directory = self.directory(number)
            if directory.followed and directory.unreadable is None and not directory.watched_in(epoch):
                names.append(path)
            waiting.extend(self._unlisted_in(path, number))
        return names

    def _unlisted_in(self, path: bytes, number: int) -> Iterator[tuple[bytes, int]]:
        """The directories in this one in which something is unlisted."""
        after: bytes | None = None
        while rows := self.range(number, after, STRIDE):
            after = rows[-1][0]
            directories = {child.directory: name for name, child in rows if child.directory}
            for directory, below in self.below([*directories]).items():
                if below.unlisted:
                    yield join(path, directories[directory]), directory

    def way(self, path: bytes) -> Way:
        """Follow a path as far as it leads."""
        directory, parent, names = ROOT_ID, ABOVE_ROOT, components(path)
        for depth, name in enumerate(names):
            child = self.child(directory, name)
            if child is None or not child.directory:
                last = depth == len(names) - 1
                return Way(directory, names[depth:], child if last else None, directory)
            directory, parent = child.directory, directory
        return Way(directory, [], self.child(parent, names[-1] if names else b""), parent)

    def search_by_walk(self, path: bytes, wanted: Filter, cursor: WalkCursor | None, limit: int) -> Page:
        """A page of a search that goes through everything below `path` in pre-order, names in byte order."""
        if cursor is not None and not is_below(cursor.path, path):
            raise MalformedInput("the cursor `after` belongs to a search of another path")
        matches = matcher(wanted)
        entry = self.directories()
        page: list[Found] = []
        for step in self._walk(path, None if cursor is None else cursor.path, wanted.max_depth):
            if step.depth < wanted.min_depth or not matches(step.name, kind_of(step.child), step.child.entry):
                continue
            if len(page) == limit:
                return Page(page, encode(WalkCursor(page[-1].path if page else path)))
            page.append(entry(step.path, step.child, step.parent))
        return Page(page, None)

    def _walk(self, path: bytes, behind: bytes | None, max_depth: int | None) -> Iterator[Step]:
        """Everything at and below `path`, from the first that comes behind the path `behind`, whether or not that still exists."""
        way, names = self.way(path), components(path)
        if way.child is None:
            return
        if behind is None:
            yield Step(path, names[-1] if names else b"", 0, way.parent, way.child)
        if way.missing:
            return
        stack = self._resume(path, way.directory, [] if behind is None else components(behind)[len(names) :])
        while stack:
            step = next(stack[-1], None) if max_depth is None or len(stack) <= max_depth else None
            if step is None:
                stack.pop()
                continue
            yield step
            if step.child.directory:
                stack.append(self._below(step.path, step.child.directory, step.depth + 1, None))

    def _resume(self, path: bytes, directory: int, passed: list[bytes]) -> list[Iterator[Step]]:
        """What comes behind the place to which the names `passed` lead: what lies in it, then what follows it and those above."""
        after: list[bytes | None] = [*passed, None]
        stack = [self._below(path, directory, 1, after[0])]
        for depth, name in enumerate(passed, start=1):
            child = self.child(directory, name)
            if child is None or not child.directory:
                break
            path, directory = join(path, name), child.directory
            stack.append(self._below(path, directory, depth + 1, after[depth]))
        return stack

    def _below(self, path: bytes, directory: int, depth: int, after: bytes | None) -> Iterator[Step]:
        while True:
            rows = self.range(directory, after, STRIDE)
            for name, child in rows:
                yield Step(join(path, name), name, depth, directory, child)
            if len(rows) < STRIDE:
                return
            after = rows[-1][0]


class Directories:
    """Makes answers of entries; of the directories that those of one page are, or lie in, each is looked up once."""

    def __init__(self, reading: TreeReading) -> None:
        self._reading = reading
        self._epoch = reading.epoch()
        self._known: dict[int, Directory | None] = {ABOVE_ROOT: None}
        self._below: dict[int, Below] = {}

    def __call__(self, path: bytes, child: Child, parent: int) -> Found:
        """The entry at `path`, which is stored in the directory `parent`."""
        if parent not in self._known:
            self._known[parent] = self._reading.directory(parent)
        if child.directory and child.directory not in self._below:
            self.look_up([child])
        return found(path, child, self._known[parent], self._below.get(child.directory), self._epoch)

    def look_up(self, children: Iterable[Child]) -> None:
        """All of these will be made answers of: what is to be known of them is looked up at once."""
        if numbers := [child.directory for child in children if child.directory]:
            self._below |= self._reading.below(numbers)
