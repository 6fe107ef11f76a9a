"""Finds the directories that have moved since they were last listed, by a look at each from the one above it: nothing in them is read."""

import os

from fustor_agent.sources import Glance
from fustor_agent.sources.fs.opening import Obstacle
from fustor_agent.sources.fs.reading import Scope
from fustor_agent.sources.fs.watching import Watches

RACY = 2_000_000_000
"""Nanoseconds: the coarsest clocks that file systems have for their times (FAT)."""


def looks_of(status: os.stat_result) -> int:
    """A number that is another once anything has come into the directory, gone from it, or been renamed in it; never 0."""
    return hash((status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)) or 1


def looks_to_keep(status: os.stat_result, now: int) -> int:
    """`looks_of`, or 0 where the directory changed so shortly before `now` (wall-clock ns) that it may change again within the same tick of
    its file system's clock: then nothing would show that it did."""
    return looks_of(status) if now - status.st_ctime_ns > RACY else 0


def glance_at(scope: Scope, root: int, watches: Watches | None, directory: bytes) -> Glance:
    """Which of the directories in `directory` have moved, and below which of them others are known."""
    known = [] if watches is None else watches.listed_below(directory)
    found = Glance(len(known))
    if not known:
        return found
    reached = scope.tree.open_to_search(root, directory)
    if isinstance(reached, Obstacle):
        found.moved.append(directory)
        return found
    descriptor, status = reached
    stat, prefix = os.stat, directory + b"/" if directory else b""
    try:
        for name, listed, deeper in known:
            try:
                moved = looks_of(stat(name, dir_fd=descriptor, follow_symlinks=False) if name else status) != listed
            except OSError:
                # Gone, or out of reach: listing it says what is there instead.
                moved = True
            if moved:
                found.moved.append(prefix + name)
            if deeper:
                found.below.append(prefix + name)
    finally:
        os.close(descriptor)
    return found
