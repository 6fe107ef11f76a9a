"""The least pipe that there can be: it marks what is noticed, reads it on several threads, and keeps a view of what it is told."""

import os
import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from fustor_agent.sources import Look
from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.inotify import InotifyQueue
from fustor_agent.sources.fs.reading import entry_of
from fustor_core.clock import Stamper, boottime
from fustor_core.evidence import Entry, Evidence
from tests.integration.sources.view import View

DEADLINE = 30.0


class Told(Protocol):
    """What evidence is told to."""

    def apply(self, evidence: Evidence) -> None: ...

    def entries(self) -> dict[bytes, Entry | None]: ...


class Mirror:
    """Follows one source into a view."""

    def __init__(self, source: FsSource, descriptor: int, readers: Executor, view: Told, stamps: Stamper) -> None:
        self.source = source
        self.view = view
        self.stamps = stamps
        # In the order of marking, so that the same changes are read in the same order again.
        self.paths: dict[bytes, None] = {}
        self.trees: dict[bytes, None] = {b"": None}
        self.overflows = 0
        self.descriptor = descriptor
        self._readers = readers
        self._reading: dict[Future[Look], bool] = {}

    def step(self) -> bool:
        """Notice, hand out work, take in what is done. False if there was nothing to do at all."""
        noticed = self.source.notice()
        self.paths.update(dict.fromkeys(noticed.paths))
        self.trees.update(dict.fromkeys(noticed.trees))
        self.overflows += noticed.overflowed
        while self.trees:
            self._start(True, partial(self.source.list, self.trees.popitem()[0], self.stamps))
        while self.paths:
            some = [self.paths.popitem()[0] for _ in range(min(len(self.paths), 64))]
            self._start(False, partial(self.source.check, some, self.stamps))
        if not self._reading:
            return bool(noticed.paths or noticed.trees or noticed.more)
        done, _ = wait(self._reading, timeout=DEADLINE, return_when=FIRST_COMPLETED)
        assert done, "a reading hangs"
        for future in [each for each in self._reading if each in done]:
            recursive, look = self._reading.pop(future), future.result()
            self.trees.update(dict.fromkeys([*look.strangers, *(look.directories if recursive else ())]))
            for evidence in look.evidence:
                self.view.apply(evidence)
                self.stamps.drop(evidence.at)
        return True

    def _start(self, recursive: bool, call: "partial[Look]") -> None:
        self._reading[self._readers.submit(call)] = recursive

    def rest(self) -> None:
        """Follow until nothing is left to be followed."""
        deadline = time.monotonic() + DEADLINE
        while self.step() or select.select([self.descriptor], [], [], 0)[0]:
            assert time.monotonic() < deadline, "it does not come to rest"

    def differences(self, root: Path, but: frozenset[bytes] = frozenset()) -> dict[bytes, tuple[Entry | None, Entry | None]]:
        """Where disk and view (in this order) differ in any field."""
        disk, seen = walk(root, but), self.view.entries()
        return {path: (disk.get(path), seen.get(path)) for path in disk.keys() | seen.keys() if disk.get(path) != seen.get(path)}

    def assert_exact(self, root: Path, *, but: frozenset[bytes] = frozenset()) -> None:
        """The view is what is on the disk, in every field, and every directory is watched at its place and nowhere else."""
        wrong = self.differences(root, but)
        assert not wrong, f"{len(wrong)} differ, the first (disk, view): {next(iter(sorted(wrong.items())))}"
        self.assert_watched(root, [path for path, entry in walk(root, but).items() if entry.is_directory and entry.mount >= 0])
        assert self.stamps.low() > boottime() - int(DEADLINE * 1e9), "a stamp has been forgotten"

    def assert_watched(self, root: Path, directories: list[bytes]) -> None:
        """Exactly these are watched, each by the watch that stands on its inode."""
        inodes = {}
        watches = self.source._watches
        assert watches is not None
        assert isinstance(watches._queue, InotifyQueue)
        with open(f"/proc/self/fdinfo/{watches._queue.number}") as lines:
            for line in lines:
                if line.startswith("inotify "):
                    fields = dict(one.split(":", 1) for one in line.split()[1:])
                    inodes[int(fields["wd"], 16)] = int(fields["ino"], 16)
        places = dict(watches._places.all_paths())
        assert {path: inodes.get(watch) for path, watch in places.items()} == {path: inode_of(root, path) for path in directories}
        assert set(inodes) == set(places.values()), "watches that stand nowhere are left"


def inode_of(root: Path, path: bytes) -> int:
    return os.lstat(os.path.join(os.fsencode(root), path)).st_ino


@contextmanager
def mirrored(
    source: FsSource,
    view: Told | None = None,
    stamps: Stamper | None = None,
    readers: Callable[[], Executor] = lambda: ThreadPoolExecutor(3),
) -> Iterator[Mirror]:
    """A mirror of the source that has followed it from the beginning."""
    with ExitStack() as stack:
        stack.enter_context(source.open())
        descriptor = stack.enter_context(source.watch())
        mirror = Mirror(source, descriptor, stack.enter_context(readers()), view or View(), stamps or Stamper(boottime, 1, 0))
        mirror.rest()
        yield mirror


def walk(root: Path, but: frozenset[bytes] = frozenset()) -> dict[bytes, Entry]:
    """What is on the disk, read without the source: `but` are paths that are left out, with all below, and so is what lies in a directory
    that may not be read whole."""
    top = os.fsencode(root)
    found = {b"": entry_of(os.lstat(top))}
    stack = [b""]
    while stack:
        above = stack.pop()
        try:
            names = os.listdir(os.path.join(top, above))
            below = {os.path.join(above, name): entry_of(os.lstat(os.path.join(top, above, name))) for name in names}
        except PermissionError:
            continue
        for path, entry in below.items():
            if path not in but:
                found[path] = entry
                if entry.is_directory:
                    stack.append(path)
    return found
