"""A tree of files in memory, and sources that read it as an agent reads a disk: for tests that need thousands of histories, fast."""

import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from fustor_agent.sources import Look, Noticed, Stamps
from fustor_core.clock import boottime
from fustor_core.errors import RootGone
from fustor_core.evidence import Entry, Gone, Listing, Seen
from fustor_core.paths import ROOT, components, is_below, join, split
from fustor_core.wire import Condition, Identity

FILE, DIRECTORY = 0o100644, 0o040755


class FakeTree:
    """Files and directories by path. Each change is seen by every source that watches, unless it is `silent`, as a write through a mapping
    is. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inodes = 1
        self._sources: list[FakeSource] = []
        self._entries = {ROOT: self._new(DIRECTORY, 0)}

    def entries(self) -> dict[bytes, Entry]:
        """Everything that there is, by path."""
        with self._lock:
            return dict(self._entries)

    def at(self, path: bytes) -> Entry | None:
        with self._lock:
            return self._entries.get(path)

    def children(self, path: bytes) -> dict[bytes, Entry]:
        """What a directory holds, by name."""
        with self._lock:
            return {split(each)[1]: entry for each, entry in self._entries.items() if each and split(each)[0] == path}

    # Changes; what is not possible changes nothing

    def write(self, path: bytes, size: int, *, silent: bool = False) -> bool:
        """Make a file, or give it another size."""
        with self._lock:
            there = self._entries.get(path)
            if not self._holds(path) or (there is not None and there.is_directory):
                return False
            if there is None:
                self._put(path, self._new(FILE, size), silent)
            else:
                self._entries[path] = self._changed(there, size)
                self._tell([path], [], silent)
            return True

    def make(self, path: bytes, *, silent: bool = False) -> bool:
        """Make a directory."""
        with self._lock:
            if not self._holds(path) or path in self._entries:
                return False
            self._put(path, self._new(DIRECTORY, 0), silent)
            return True

    def remove(self, path: bytes, *, silent: bool = False) -> bool:
        """Remove what is there, and all below it."""
        with self._lock:
            if path == ROOT or path not in self._entries:
                return False
            for each in [each for each in self._entries if is_below(each, path)]:
                del self._entries[each]
            self._changed_in(split(path)[0])
            self._tell([path, split(path)[0]], [], silent)
            return True

    def move(self, old: bytes, new: bytes, *, silent: bool = False) -> bool:
        """Rename what is there, with all below it, to a name that is free."""
        with self._lock:
            if old == ROOT or old not in self._entries or new in self._entries or not self._holds(new) or is_below(new, old):
                return False
            for each in [each for each in self._entries if is_below(each, old)]:
                self._entries[new + each[len(old) :]] = self._entries.pop(each)
            self._entries[new] = self._changed(self._entries[new], self._entries[new].size, contents=False)
            for directory in (split(old)[0], split(new)[0]):
                self._changed_in(directory)
            trees = [new] if self._entries[new].is_directory else []
            self._tell([old, new, split(old)[0], split(new)[0]], trees, silent)
            return True

    # Of the sources

    @contextmanager
    def watched_by(self, source: "FakeSource") -> Iterator[None]:
        """Tell this source of what changes."""
        with self._lock:
            self._sources.append(source)
        try:
            yield
        finally:
            with self._lock:
                self._sources.remove(source)

    def _holds(self, path: bytes) -> bool:
        """Whether there can be something at `path`."""
        above = self._entries.get(split(path)[0])
        return path != ROOT and above is not None and above.is_directory

    def _put(self, path: bytes, entry: Entry, silent: bool) -> None:
        self._entries[path] = entry
        self._changed_in(split(path)[0])
        self._tell([path, split(path)[0]], [path] if entry.is_directory else [], silent)

    def _changed_in(self, directory: bytes) -> None:
        self._entries[directory] = self._changed(self._entries[directory], 0)

    def _new(self, mode: int, size: int) -> Entry:
        self._inodes += 1
        now = divmod(time.time_ns(), 10**9)
        return Entry(mode, size, (size + 511) // 512 * 512, 0, 0, 1, self._inodes, *now, *now)

    def _changed(self, entry: Entry, size: int, *, contents: bool = True) -> Entry:
        now = divmod(max(time.time_ns(), entry.ctime * 10**9 + entry.ctime_ns + 1), 10**9)
        modified = now if contents else (entry.mtime, entry.mtime_ns)
        return Entry(entry.mode, size, (size + 511) // 512 * 512, 0, 0, 1, entry.inode, *modified, *now)

    def _tell(self, paths: Sequence[bytes], trees: Sequence[bytes], silent: bool) -> None:
        if not silent:
            for source in self._sources:
                source.tell(paths, trees)


class FakeSource:
    """Reads one `FakeTree` (`fustor_agent.sources.Source`, `Watchable`), which is watched as a whole from the beginning."""

    def __init__(self, tree: FakeTree) -> None:
        self._tree = tree
        self._lock = threading.Lock()
        self._paths: dict[bytes, None] = {}
        self._trees: dict[bytes, None] = {}
        self._overflowed = False
        self._event = -1
        self.place = b""
        self.staleness = 0.0
        self.remote_writers = False
        self.excludes: list[str] = []
        self.gone = False
        """The root is away, until it is set back."""

    @contextmanager
    def open(self) -> Iterator[Identity]:
        self.verify()
        yield Identity("fake", "1", self._tree.entries()[ROOT].inode)

    def verify(self) -> None:
        if self.gone:
            raise RootGone("the tree is away")

    def unwatched(self, most: int | None = None) -> list[bytes]:
        return []

    def conditions(self) -> list[Condition]:
        return []

    def list(self, path: bytes, stamps: Stamps) -> Look:
        self.verify()
        at = stamps.take()
        entry = self._tree.at(path)
        if entry is None or not entry.is_directory:
            look = Look([])
            self._state(path, at, look)
            return look
        children = self._tree.children(path)
        look = Look([Listing(path, at, children)], [join(path, name) for name, each in children.items() if each.is_directory])
        if path == ROOT:
            own_at = stamps.take()
            look.evidence.append(Seen(ROOT, own_at, self._tree.entries()[ROOT]))
        return look

    def check(self, paths: Sequence[bytes], stamps: Stamps) -> Look:
        self.verify()
        look = Look([])
        for path in paths:
            self._state(path, stamps.take(), look)
        return look

    def _state(self, path: bytes, at: int, look: Look) -> None:
        """What is at `path`, or at the first of the directories above it that is none."""
        entries = self._tree.entries()
        names = components(path)
        for depth in range(len(names) + 1):
            each = b"/".join(names[:depth])
            entry = entries.get(each)
            if entry is None:
                look.evidence.append(Gone(each, at))
                return
            if depth == len(names) or not stat.S_ISDIR(entry.mode):
                look.evidence.append(Seen(each, at, entry))
                if entry.is_directory:
                    look.directories.append(each)
                return

    # Watching

    @contextmanager
    def watch(self) -> Iterator[int]:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            with self._tree.watched_by(self):
                yield self._event
        finally:
            os.close(self._event)
            self._event = -1

    def tell(self, paths: Sequence[bytes], trees: Sequence[bytes]) -> None:
        """These have changed."""
        with self._lock:
            self._paths.update(dict.fromkeys(paths))
            self._trees.update(dict.fromkeys(trees))
        self._wake()

    def overflow(self) -> None:
        """What has not been noticed yet is dropped, as when the queue of a kernel is full."""
        with self._lock:
            self._paths, self._trees, self._overflowed = {}, {}, True
        self._wake()

    def _wake(self) -> None:
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def notice(self) -> Noticed:
        now = boottime()
        with self._lock:
            paths, self._paths = self._paths, {}
            trees, self._trees = self._trees, {}
            overflowed, self._overflowed = self._overflowed, False
        with suppress(BlockingIOError):
            os.eventfd_read(self._event)
        return Noticed(list(paths), [ROOT] if overflowed else list(trees), overflowed, to=now)
