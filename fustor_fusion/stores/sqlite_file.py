"""The file of a SQLite store: locked, watched to stay where it is, and what its errors mean."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fustor_core.errors import StoreDamaged, StoreUnavailable
from fustor_core.files import take_lock
from fustor_fusion.stores.sqlite_schema import damaged

_PASSING: Final = frozenset(
    (
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN),
        *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT),
    )
)
_BROKEN: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH))


class StoreFile:
    """The file at `path`, held against other processes by `path.lock` beside it until `release`. Raises StoreUnavailable where it cannot be
    held."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.damage: StoreDamaged | None = None
        """What was found to be wrong with it; nothing mends that while it is open."""
        self._opened: tuple[int, int] | None = None
        self._lock = _lock(path)

    def release(self) -> None:
        """Another process may have it."""
        os.close(self._lock)

    def opened(self) -> None:
        """It has been opened, and made where it was missing: from here on, whatever else is at its path is another file."""
        self._opened = self._found()

    def check_place(self) -> None:
        """Raise unless the open file is still at its path. What is committed to a file that nobody can find again is not durable, and
        whoever opens the path meanwhile reads another one."""
        try:
            found = self._found()
        except OSError as error:
            raise StoreUnavailable(
                f"{self.path} was taken away while it was in use ({error.strerror}): bring it back, or start fusion anew, "
                "which makes a new file that the agents fill"
            ) from error
        if found != self._opened:
            self.damage = damaged(self.path, "another file was put in its place while it was in use")
            raise self.damage

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Errors of SQLite as errors of a store, by who must act."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # raised by us: rows contradict each other
            if code in _PASSING:
                raise StoreUnavailable(f"{self.path} cannot be used at the moment ({error}): see to its disk") from error
            if code in _BROKEN:
                self.damage = damaged(self.path, str(error))
                raise self.damage from error
            raise

    def _found(self) -> tuple[int, int]:
        status = os.stat(self.path)
        return status.st_dev, status.st_ino


def _lock(path: str) -> int:
    """The descriptor that holds the lock."""
    try:
        return take_lock(f"{path}.lock")
    except BlockingIOError as error:
        raise StoreUnavailable(f"{path} is in use by another process: stop that one first") from error
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be opened ({error.strerror}): see to its directory") from error
