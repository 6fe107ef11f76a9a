"""What one reading states, while it is being made."""

import errno
import os
import stat
from dataclasses import dataclass

from fustor_agent.sources import PERMISSION_DENIED, Look, Stamps
from fustor_agent.sources.fs.opening import Obstacle
from fustor_agent.sources.fs.reading import Scope, entry_of
from fustor_agent.sources.fs.watching import Watches
from fustor_core.errors import RootGone
from fustor_core.evidence import Gone, Seen, Unreadable
from fustor_core.paths import ROOT

ROOT_REMOVED = "the directory of the root has been removed"
_WORDS = {
    errno.EACCES: PERMISSION_DENIED,
    errno.EPERM: PERMISSION_DENIED,
    errno.EIO: "the disk or its connection fails (input/output error)",
    errno.ESTALE: "the server has replaced it (stale file handle)",
    errno.EMFILE: "this process has too many files open",
    errno.ENFILE: "this machine has too many files open",
}


def words(error: OSError) -> str:
    """Why something could not be read."""
    return _WORDS.get(error.errno or 0) or (error.strerror or type(error).__name__).lower()


class Taken:
    """The stamps that one reading has taken: each is stated with, or dropped. If the reading fails, all are dropped."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._all: list[int] = []

    def take(self) -> int:
        at = self._stamps.take()
        self._all.append(at)
        return at

    def drop(self, *ats: int) -> None:
        for at in ats:
            self._stamps.drop(at)

    def __enter__(self) -> "Taken":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None:
            self.drop(*self._all)


@dataclass(slots=True)
class Report:
    """One reading of one tree, whose root is open as `root`. `watches` is None while nothing is watched."""

    scope: Scope
    root: int
    watches: Watches | None
    taken: Taken
    look: Look

    def state(self, path: bytes, at: int, status: os.stat_result, mount: int) -> bool:
        """State what is at `path`. Returns whether it is a directory that can be listed."""
        directory = stat.S_ISDIR(status.st_mode)
        if self.scope.leaves_out_directory(path, status) if directory else self.scope.excludes.leaves_out(path, directory=False):
            # Left out for what it is: to the view it is absent, and whatever else was there before is gone.
            self.look.evidence.append(Gone(path, at))
            return False
        self.look.evidence.append(Seen(path, at, entry_of(status, mount)))
        if self.watches is not None and (status.st_nlink > 1 or not stat.S_ISREG(status.st_mode)) and not directory:
            self.watches.no_new_file(path)
        return directory and mount >= 0

    def state_unreadable(self, path: bytes, at: int, error: OSError) -> None:
        """State that what is in `path` cannot be told. If it is looked at again and is there, it is a stranger."""
        self.look.evidence.append(Unreadable(path, at, words(error)))
        if self.watches is not None:
            self.watches.distrust(path)

    def state_obstacle(self, obstacle: Obstacle, at: int, turn: int) -> None:
        """State what is in the way."""
        path = obstacle.path
        if obstacle.error is not None:
            self.state_unreadable(path, at, obstacle.error)
            return
        if path == ROOT:
            raise RootGone(ROOT_REMOVED)
        if obstacle.status is None:
            self.look.evidence.append(Gone(path, at))
        else:
            self.state(path, at, obstacle.status, obstacle.mount)
        if self.watches is not None:
            self.watches.no_directory(path, turn)
