"""Machines kept in one SQLite file: the embedded store."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fustor_core.state.errors import ConcurrentUpdateError, PersistenceError, RestoreError
from fustor_core.state.stores import HISTORY_KEPT, Fields, Mark, StoredStep, first_to_go

BUSY_SECONDS: Final = 5.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS machine (
    machine TEXT PRIMARY KEY, epoch TEXT NOT NULL, version TEXT NOT NULL, event TEXT NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS step (
    machine TEXT NOT NULL, version INTEGER NOT NULL, step TEXT NOT NULL, PRIMARY KEY (machine, version)
) WITHOUT ROWID;
"""
_BROKEN: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


class SqliteStateStore:
    """The state store in a file (`fustor_core.state.stores.StateStore`); several processes may share it.

    The file is opened by the first call and made where it is missing. A save is on the disk when it returns: it outlives power loss.
    A file that is no database is a `RestoreError` for who reads it and a `PersistenceError` for who writes; it is never deleted.
    """

    def __init__(self, path: str | Path, *, history: int = HISTORY_KEPT) -> None:
        self._path: Final = Path(path)
        self._history: Final = history
        self._lock: Final = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def load(self, machine: str) -> Fields | None:
        with self._reading() as connection:
            row = connection.execute("SELECT epoch, version, event, record FROM machine WHERE machine = ?", (machine,)).fetchone()
        if row is None:
            return None
        # The columns are what writers are compared by. They win over the text, which may be damaged, or edited by hand.
        return {**_parsed(row[3]), "epoch": str(row[0]), "version": str(row[1]), "event": str(row[2])}

    def save(self, machine: str, fields: Fields, steps: Sequence[StoredStep], expected: Mark | None) -> None:
        with self._writing() as connection:
            row = connection.execute("SELECT epoch, version, event FROM machine WHERE machine = ?", (machine,)).fetchone()
            stored = None if row is None else Mark(*map(str, row))
            if stored is not None and stored.event == fields["event"]:
                return
            if stored != expected:
                raise ConcurrentUpdateError(f"{machine} was saved by another writer; restore it and decide again")
            record = (machine, *Mark.of(fields), json.dumps(dict(fields)))
            connection.execute("INSERT OR REPLACE INTO machine VALUES (?, ?, ?, ?, ?)", record)
            connection.execute("DELETE FROM step WHERE machine = ? AND version >= ?", (machine, first_to_go(fields, steps)))
            connection.executemany("INSERT INTO step VALUES (?, ?, ?)", [(machine, step.version, step.text) for step in steps])
            if steps:
                oldest = steps[-1].version - self._history
                connection.execute("DELETE FROM step WHERE machine = ? AND version <= ?", (machine, oldest))

    def steps(self, machine: str, limit: int) -> list[StoredStep]:
        with self._reading() as connection:
            query = "SELECT version, step FROM step WHERE machine = ? ORDER BY version DESC LIMIT ?"
            rows = connection.execute(query, (machine, limit)).fetchall()
        return [StoredStep(version, text) for version, text in reversed(rows)]

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._opened()
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
                raise RestoreError(f"{self._path} is no database of states ({error}); move it away to begin a new one") from error
            raise PersistenceError(f"{self._path} cannot be read ({error}); see to its disk and its permissions") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                connection = self._opened()
                # Immediate: two processes that both read first and then write would otherwise fail, not wait for one another.
                connection.execute("BEGIN IMMEDIATE")
                with connection:
                    yield connection
        except (sqlite3.Error, OSError) as error:
            raise PersistenceError(f"{self._path} cannot be written ({error}); see to its disk and its permissions") from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.executescript(_SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def _parsed(text: object) -> dict[str, str]:
    """The record, or nothing of it: what is missing is noticed by who reads the fields."""
    try:
        record = json.loads(text) if isinstance(text, str | bytes) else None
    except ValueError:
        return {}
    return {key: str(value) for key, value in record.items()} if isinstance(record, dict) else {}
