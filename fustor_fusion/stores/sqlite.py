"""A root kept in one SQLite file: the embedded store. docs/store.md says what the file holds."""

import copy
import logging
import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from fustor_core.errors import StoreDamaged, StoreUnavailable
from fustor_core.wire import Identity
from fustor_fusion.merge.guard import DEFAULT_RULES, GuardRules
from fustor_fusion.merge.held import Held
from fustor_fusion.merge.links import Noted
from fustor_fusion.merge.sweep import LARGE, Sweep
from fustor_fusion.stores import AgentRecord, Contribution, Outcome, Reading, Swept, sqlite_changes
from fustor_fusion.stores.sqlite_file import StoreFile
from fustor_fusion.stores.sqlite_ledger import LedgerWriter, read_ledger
from fustor_fusion.stores.sqlite_reading import SqliteReading
from fustor_fusion.stores.sqlite_schema import prepare
from fustor_fusion.stores.sqlite_tree import CACHED_DIRECTORIES, SqliteTree

logger = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
WRITER_BUSY_SECONDS = 1.0
"""How long a commit waits for another program that has locked the file: then it is said, and tried again."""
WRITER_CACHE_KIB = 32 * 1024
READER_CACHE_KIB = 4 * 1024
IDLE_READERS = 4
CHECKPOINT_PAGES = 4000
DROP_AT_LEAST = 1000
"""Tombstones and floors that a commit may drop at most, or twice as many as it has pieces of evidence: so it drops more than it can leave
behind, and takes no longer for what others left. The rest is left to the purge."""
_PURGED = "SELECT name, child, nlink, mount, inode FROM entries WHERE dir = ? ORDER BY name LIMIT ?"


class SqliteStore:
    """One root in one file (`fustor_fusion.stores.RootStore`); `path.lock` beside it keeps a second process from opening it.

    Raises StoreDamaged where the file cannot be used as it is, StoreUnavailable where it cannot at the moment.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        guard: GuardRules = DEFAULT_RULES,
        *,
        cached_directories: int = CACHED_DIRECTORIES,
        large: int = LARGE,
    ) -> None:
        self._path = os.fspath(path)
        self._file = StoreFile(self._path)
        self._guard = guard
        self._large = large
        self._cached_directories = cached_directories
        self._writing = threading.Lock()
        self._pool = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        try:
            with self._file.translating():
                self._open()
        except BaseException:
            self._file.release()
            raise

    def _open(self) -> None:
        self._connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            prepare(self._connection, self._path)
            self._file.opened()
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KIB}")
            self._connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            self._connection.execute("PRAGMA journal_size_limit=67108864")
            self._connection.execute(f"PRAGMA busy_timeout={int(WRITER_BUSY_SECONDS * 1000)}")
            self._tree = SqliteTree(self._connection, self._cached_directories)
            self._ledger, self._tree.next_id = read_ledger(self._connection, self._guard, self._large)
            self._writer = LedgerWriter(self._connection, self._ledger)
            self._tree.begin_changes(*sqlite_changes.begin(self._connection))
            self._connection.execute("UPDATE meta SET clean = 0")
        except BaseException:
            self._connection.close()
            raise

    @property
    def damage(self) -> StoreDamaged | None:
        return self._file.damage

    def open_session(self, agent: str, run: str, session: str, identity: Identity, now: int) -> AgentRecord:
        with self._transaction():
            before = self._ledger.open_session(agent, run, session, identity, now)
            self._write_ledger()
        return before

    def accept(self, agent: str, identity: Identity) -> None:
        with self._transaction():
            self._ledger.accept(agent, identity)
            self._write_ledger()

    def commit(self, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        with self._transaction():
            dropped_to = self._ledger.record.drop_mark
            outcomes = self._ledger.commit(self._tree, contributions, now, drop_to)
            mark = self._ledger.record.drop_mark
            self._tree.write(mark)
            if mark > dropped_to:
                self._drop(mark, max(DROP_AT_LEAST, 2 * sum(len(one.evidence) for one in contributions)))
            self._write_ledger()
        return outcomes

    @property
    def sweeping(self) -> Collection[Sweep]:
        return self._ledger.sweeps.all()

    def sweep(self, limit: int, now: int) -> Swept:
        with self._transaction():
            swept = self._ledger.sweep(self._tree, limit, now)
            self._tree.write(self._ledger.record.drop_mark)
            self._write_ledger()
        return swept

    @property
    def last_change(self) -> int:
        return self._tree.last_change

    @property
    def links_noted(self) -> bool:
        return bool(self._tree.links_noted)

    def forget_links(self, done: Sequence[Noted]) -> None:
        with self._transaction():
            self._connection.executemany(
                "DELETE FROM links WHERE mount = ? AND inode = ? AND number = ?", ((*note.inode, note.number) for note in done)
            )
            self._tree.links_noted = self._connection.execute("SELECT EXISTS (SELECT 1 FROM links)").fetchone()[0]

    @property
    def held(self) -> Collection[Held]:
        return self._ledger.held.values()

    def due_held(self, now: int) -> list[Held]:
        return self._ledger.due_held(now)

    def forget_held(self, done: Sequence[Held]) -> None:
        with self._transaction():
            self._ledger.forget_held(done)
            self._write_ledger()

    def hurry_held(self, now: int) -> None:
        with self._transaction():
            self._ledger.hurry(now)
            self._write_ledger()

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        with self._file.translating():
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield SqliteReading(connection)
            finally:
                self._give_back(connection)

    def purge(self, limit: int) -> bool:
        with self._transaction():
            left = limit - self._drop(self._ledger.record.drop_mark, limit)
            while left > 0:
                row = self._connection.execute("SELECT id FROM detached LIMIT 1").fetchone()
                if row is None:
                    return False
                left -= self._purge_directory(row[0], left)
        return True

    def close(self) -> None:
        """Release the file, noting that it is in good order."""
        with self._writing:
            if self._closed:
                return
            with self._pool:
                self._closed = True
                idle, self._idle = self._idle, []
            for reader in idle:
                reader.close()
            try:
                self._connection.execute("UPDATE meta SET clean = 1")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.DatabaseError as error:
                logger.warning("a store was closed, and could not be marked as in order: it will be checked when it is opened", extra={
                    "path": self._path, "error": str(error)})  # fmt: skip
            finally:
                self._connection.close()
                self._file.release()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that is written within, or nothing; in memory as in the file."""
        with self._writing, self._file.translating():
            if self._closed:
                raise StoreUnavailable(f"{self._path} has been closed")
            self._file.check_place()
            before, next_id = copy.copy(self._ledger), self._tree.next_id
            before.agents, before.changed, before.sweeps = dict(self._ledger.agents), set(), self._ledger.sweeps.copy()
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._ledger, self._tree.next_id = before, next_id
                self._ledger.sweeps.restart()
                self._tree.forget()
                if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                    self._connection.execute("ROLLBACK")
                raise
            self._writer.written(self._ledger)
            self._tree.committed()

    def _write_ledger(self) -> None:
        self._writer.write(self._ledger, self._tree.next_id, self._tree.number)

    def _drop(self, mark: int, limit: int) -> int:
        """Drop up to `limit` floors and tombstones that no evidence can reach any more; how many."""
        floors = self._connection.execute(
            "UPDATE dirs SET floor = NULL WHERE id IN (SELECT id FROM dirs WHERE floor <= ? LIMIT ?)", (mark, limit)
        ).rowcount
        # Not by `(dir, name) IN (SELECT …)`: for that SQLite goes through all tombstones of a directory.
        keys = self._connection.execute("SELECT dir, name FROM tombstones WHERE at <= ? LIMIT ?", (mark, limit - floors)).fetchall()
        self._connection.executemany("DELETE FROM tombstones WHERE dir = ? AND name = ?", keys)
        return floors + len(keys)

    def _purge_directory(self, number: int, limit: int) -> int:
        """Remove up to `limit` rows of a detached directory, which hands on its own directories; how many, and at least one."""
        rows = self._connection.execute(_PURGED, (number, limit)).fetchall()
        if rows:
            self._connection.executemany("INSERT INTO detached VALUES (?)", [(child,) for _, child, *_ in rows if child is not None])
            self._tree.note_links({(mount, inode): True for _, child, nlink, mount, inode in rows if child is None and nlink > 1})
            self._connection.execute("DELETE FROM entries WHERE dir = ? AND name <= ?", (number, rows[-1][0]))
            return len(rows)
        buried = self._connection.execute(
            "DELETE FROM tombstones WHERE dir = ?1 AND name IN (SELECT name FROM tombstones WHERE dir = ?1 LIMIT ?2)", (number, limit)
        ).rowcount
        if buried:
            return buried
        self._connection.execute("DELETE FROM dirs WHERE id = ?", (number,))
        self._connection.execute("DELETE FROM detached WHERE id = ?", (number,))
        return 1

    def _reader(self) -> sqlite3.Connection:
        with self._pool:
            if self._closed:
                raise StoreUnavailable(f"{self._path} has been closed")
            if self._idle:
                return self._idle.pop()
        self._file.check_place()
        reader = sqlite3.connect(
            f"file:{quote(self._path)}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False,
            cached_statements=64,
        )  # fmt: skip
        reader.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB}")
        return reader

    def _give_back(self, reader: sqlite3.Connection) -> None:
        if reader.in_transaction:
            reader.execute("ROLLBACK")
        with self._pool:
            if not self._closed and len(self._idle) < IDLE_READERS:
                self._idle.append(reader)
                return
        reader.close()
