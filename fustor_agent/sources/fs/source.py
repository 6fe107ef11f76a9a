"""A directory of this machine, and all below it, as a source."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fustor_agent.sources import CannotWatch, Glance, Look, Noticed, Stamps
from fustor_agent.sources.fs.checking import check_paths
from fustor_agent.sources.fs.excludes import Excludes
from fustor_agent.sources.fs.glancing import glance_at
from fustor_agent.sources.fs.identity import Standing, identity_of
from fustor_agent.sources.fs.inotify import InotifyQueue, NoQueue, Queue
from fustor_agent.sources.fs.listing import list_directory
from fustor_agent.sources.fs.mounts import Mounts
from fustor_agent.sources.fs.opening import Held, Tree, openat2_works
from fustor_agent.sources.fs.plain import ReadPlain, fastest
from fustor_agent.sources.fs.reading import Scope
from fustor_agent.sources.fs.report import Report, Taken, words
from fustor_agent.sources.fs.watching import Watches
from fustor_core.errors import ConfigurationError, RootGone
from fustor_core.wire import Condition, Identity

PART_ENTRIES = 5_000
"""So many entries with the longest of names fit into one frame of the wire."""


class FsSource:
    """A tree of files. `own` are directories of the program itself, which it must not index; `staleness` (s) is that of an attribute
    cache, `remote_writers` whether other hosts write there too."""

    def __init__(
        self,
        path: Path | bytes,
        *,
        exclude: Sequence[str] = (),
        own: Sequence[Path] = (),
        cross_mounts: bool = False,
        staleness: float = 0.0,
        remote_writers: bool = False,
        part_entries: int = PART_ENTRIES,
        queue: Callable[[], Queue] = InotifyQueue,
        openat2: bool = True,
        read_plain: ReadPlain = fastest,
    ) -> None:
        self.place = os.path.abspath(os.fsencode(path))
        self.staleness = staleness
        self.remote_writers = remote_writers
        self._excludes = Excludes(exclude)
        self._own = own
        self._cross_mounts = cross_mounts
        self._part_entries = part_entries
        self._new_queue = queue
        self._openat2 = openat2
        self._read_plain = read_plain
        self._scope: Scope | None = None
        self._watches: Watches | None = None
        self._mounts: Mounts | None = None

    @property
    def excludes(self) -> list[str]:
        """What is left out, as text that is equal for two agents exactly if they leave out the same."""
        return self._excludes.lines

    @contextmanager
    def open(self) -> Iterator[Identity]:
        """Hold the root open, with what it is; ConfigurationError if there is no directory that can be read."""
        descriptor = self._open_root()
        held = Held(descriptor)
        try:
            fast = self._openat2 and openat2_works(descriptor)
            tree = Tree(held, Standing.of(descriptor), cross_mounts=self._cross_mounts, openat2_works=fast)
            self._scope = Scope(tree, self._excludes, *self._own_directories(), self._read_plain)
            yield identity_of(descriptor)
        finally:
            self._scope = self._watches = None
            held.release()

    def _open_root(self) -> int:
        try:
            return os.open(self.place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            shown = os.fsdecode(self.place)
            match error.errno:
                case errno.ENOENT:
                    raise ConfigurationError(f"{shown} does not exist; create it, or correct the path of the source") from error
                case errno.ENOTDIR:
                    raise ConfigurationError(f"{shown} is no directory; give the path of a directory") from error
                case errno.EACCES | errno.EPERM:
                    raise ConfigurationError(f"{shown} may not be read; let user {os.geteuid()} read and search it") from error
                case _:
                    raise RootGone(f"{shown} cannot be opened: {words(error)}") from error

    def _own_directories(self) -> tuple[frozenset[tuple[int, int]], tuple[bytes, ...]]:
        """The program's own directories: which they are, and their paths as far as they are below the root."""
        known: list[tuple[int, int]] = []
        paths: list[bytes] = []
        top = os.path.realpath(self.place)
        for own in self._own:
            path = os.path.realpath(os.fsencode(own))
            if os.path.isdir(path):
                status = os.stat(path)
                known.append((status.st_dev, status.st_ino))
            if path.startswith(top.rstrip(b"/") + b"/"):
                paths.append(path[len(top.rstrip(b"/")) + 1 :])
        return frozenset(known), tuple(paths)

    def _opened(self) -> Scope:
        if self._scope is None:
            raise RootGone("the source is not open")
        return self._scope

    def verify(self) -> None:
        """Raise RootGone unless the path of the root still leads to the tree that is held open."""
        standing, shown = self._opened().tree.standing, os.fsdecode(self.place)
        try:
            descriptor = os.open(self.place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                found = Standing.of(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise RootGone(f"{shown} cannot be reached: {words(error)}") from error
        if found != standing:
            what = (
                "another file system"
                if found.device != standing.device
                else "another mount"
                if found.mount != standing.mount
                else "another directory"
            )
            raise RootGone(f"{shown} is {what} than when it was opened")

    @contextmanager
    def watch(self) -> Iterator[int]:
        """Begin to watch what is listed from now on; gives the descriptor that becomes readable when there is something to notice.
        Where that cannot be (CannotWatch), directories are remembered all the same."""
        try:
            queue = self._new_queue()
        except CannotWatch:
            self._watches = Watches(NoQueue())
            raise
        self._watches = Watches(queue)
        try:
            with Mounts(os.path.realpath(self.place)) as self._mounts:
                yield queue.fileno()
        finally:
            self._watches = self._mounts = None
            queue.close()

    def notice(self) -> Noticed:
        """Take the next events without waiting, and see what has been mounted or unmounted below the root."""
        if self._watches is None:
            return Noticed()
        noticed = self._watches.notice()
        if self._mounts is not None and (changed := self._mounts.changed()):
            return replace(noticed, trees=[*noticed.trees, *changed])
        return noticed

    def conditions(self) -> list[Condition]:
        """What keeps the watching from being whole at the moment, with the remedy."""
        return [] if self._watches is None else self._watches.conditions()

    def unwatched(self, most: int | None = None) -> list[bytes]:
        """The directories that could not be watched: their changes are only seen when they are listed, which also tries to watch them
        again. Where there are more than `most`, the root stands for all."""
        return [] if self._watches is None else self._watches.unwatched(most)

    def list(self, path: bytes, stamps: Stamps) -> Look:
        """List one directory, watched before it is read. What is no readable directory is reported as what it is."""
        # Taken along, not asked again: a reading that outlives the opening it began in goes on with the tree and the watches of that.
        scope, watches = self._opened(), self._watches
        with scope.tree.held as root, Taken(stamps) as taken:
            report = Report(scope, root, watches, taken, Look([]))
            list_directory(report, path, self._part_entries)
        return report.look

    def glance(self, directory: bytes) -> Glance:
        """Which of the directories in `directory` have moved since they were last listed, and below which of them others are known."""
        scope, watches = self._opened(), self._watches
        with scope.tree.held as root:
            return glance_at(scope, root, watches, directory)

    def check(self, paths: Sequence[bytes], stamps: Stamps) -> Look:
        """Look at each path as it is at this moment; for an ancestor that is missing or no directory, that ancestor is reported instead."""
        scope, watches = self._opened(), self._watches
        with scope.tree.held as root, Taken(stamps) as taken:
            report = Report(scope, root, watches, taken, Look([]))
            check_paths(report, paths)
        return report.look
