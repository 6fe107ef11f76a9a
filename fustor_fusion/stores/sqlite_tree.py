"""The tree of a root as the merge writes it: rows of the SQLite file, behind a bounded cache of directories and a buffer of entries."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fustor_core.evidence import Entry
from fustor_fusion.merge.changes import Changes
from fustor_fusion.merge.nodes import NEVER, ROOT_ID, Child, Directory, Inode
from fustor_fusion.query import Instant
from fustor_fusion.stores import sqlite_changes
from fustor_fusion.stores.sqlite_rows import (
    CHILD,
    CHILD_WIDTH,
    DETACHED,
    DIRECTORY,
    DIRECTORY_WIDTH,
    FILLED,
    FILLED_VALUES,
    FILLED_WIDTH,
    filled,
    from_child,
    from_directory,
    to_child,
    to_directory,
)

CACHED_DIRECTORIES = 50_000
TOMBSTONE_WIDTH = 3
CHUNK = 64
"""Rows in one statement: each releases the interpreter's lock once, and where other threads want it, that costs more than the rows."""


_GET = f"SELECT {CHILD} FROM entries WHERE dir = ? AND name = ?"
_GET_MANY = f"SELECT name, {CHILD} FROM entries WHERE dir = ? AND name IN ({','.join('?' * CHUNK)})"
_GET_ALL = f"SELECT name, {CHILD} FROM entries WHERE dir = ?"
_GET_SOME = f"SELECT name, {CHILD} FROM entries WHERE dir = ? AND name > ? ORDER BY name LIMIT ?"
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM entries WHERE dir = ? LIMIT ?)"
_PUT = f"INSERT OR REPLACE INTO entries (dir, name, {CHILD}) VALUES ({','.join('?' * (CHILD_WIDTH + 2))})"
_FILL = f"INSERT INTO entries ({FILLED}) VALUES "
_FILL_MANY = _FILL + ",".join([FILLED_VALUES] * CHUNK)
_FILL_ONE = _FILL + FILLED_VALUES
_GET_DIRECTORY = f"SELECT {DIRECTORY} FROM dirs WHERE id = ?"
_PUT_DIRECTORY = f"INSERT OR REPLACE INTO dirs ({DIRECTORY}) VALUES "
_DIRECTORY_VALUES = f"({','.join('?' * DIRECTORY_WIDTH)})"
_PUT_DIRECTORIES = _PUT_DIRECTORY + ",".join([_DIRECTORY_VALUES] * CHUNK)
_PUT_DIRECTORY += _DIRECTORY_VALUES
_REMOVE_ONE = "DELETE FROM entries WHERE dir = ? AND name = ?"
_REMOVE_MANY = f"DELETE FROM entries WHERE dir = ? AND name IN ({','.join('?' * CHUNK)})"
_BURY = "INSERT OR REPLACE INTO tombstones VALUES "
_BURIED_VALUES = "(?, ?, ?)"
_BURY_MANY = _BURY + ",".join([_BURIED_VALUES] * CHUNK)
_BURY_ONE = _BURY + _BURIED_VALUES
_NOTE_LINK = """
    INSERT INTO links VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET gone = max(gone, excluded.gone), number = excluded.number
"""
_NEWEST = """
    SELECT mtime, mtime_ns FROM (
        SELECT mtime, mtime_ns FROM entries WHERE dir = :id AND child IS NULL
        UNION ALL SELECT dirs.newest, dirs.newest_ns FROM entries JOIN dirs ON dirs.id = entries.child WHERE entries.dir = :id
        UNION ALL SELECT mtime, mtime_ns FROM entries WHERE dir = :parent AND name = :name)
    WHERE mtime IS NOT NULL ORDER BY mtime DESC, mtime_ns DESC LIMIT 1
"""


class SqliteTree:
    """Nodes in the rows of one connection (`fustor_fusion.merge.nodes.Tree`), used within its transactions.

    Directories live in two generations of a cache: what is used moves to the young one, and when that has half of the bound, the old one is
    dropped. Changed entries wait in `_changed`, those of first listings in `_filled`, tombstones in `_buried`; all reach the file before
    anything reads their rows.
    """

    def __init__(self, connection: sqlite3.Connection, capacity: int = CACHED_DIRECTORIES) -> None:
        self._connection = connection
        self._capacity = capacity
        self.next_id = 0
        self.links_noted, self._notes = self._connection.execute("SELECT count(*) > 0, coalesce(max(number), 0) FROM links").fetchone()
        self._root: Directory | None = None
        self.last_change = 0
        self._skipped_to = 0
        self.forget()

    def forget(self) -> None:
        """Drop everything that is not in the file: what was cached, and what a transaction that failed would have written."""
        self._root = None
        self._young: dict[tuple[int, bytes], Directory] = {}
        self._old: dict[tuple[int, bytes], Directory] = {}
        self._dirty: dict[int, Directory] = {}
        self._changed: dict[tuple[int, bytes], Child | None] = {}
        self._changed_in: set[int] = set()
        self._filled: list[Any] = []
        self._filled_in: set[int] = set()
        self._buried: dict[tuple[int, bytes], int] = {}
        self._detached: list[int] = []
        self.number = self.last_change

    def write(self, drop_mark: int) -> None:
        """Write everything that has changed since the last time."""
        self._write_entries()
        self._write_tombstones()
        self._write_directories(drop_mark)
        self._connection.executemany("INSERT INTO detached VALUES (?)", ((number,) for number in self._detached))
        self._detached.clear()

    def committed(self) -> None:
        """What was written is in the file. The cache is kept within its bound: between commits, because a directory that is in use must not
        be loaded a second time."""
        self.last_change = self.number
        if len(self._young) > self._capacity // 2:
            self._old, self._young = self._young, {}

    @property
    def root(self) -> Directory:
        if self._root is None:
            self._root = self._load(ROOT_ID)
        return self._root

    def lookup(self, parent: Directory, name: bytes) -> Directory | Child | None:
        key = (parent.id, name)
        cached = self._young.get(key)
        if cached is not None:
            return cached
        if (cached := self._old.pop(key, None)) is not None:
            self._young[key] = cached
            return cached
        if parent.is_empty:
            return None
        child = self._get(parent.id, name)
        if child is None or not child.directory:
            return child
        directory = self._young[key] = self._load(child.directory)
        return directory

    def own(self, directory: Directory) -> Child:
        child = self._get(directory.parent, directory.name)
        if child is None:
            raise sqlite3.DatabaseError(f"directory {directory.id} is not in its parent")
        return child

    def put_own(self, directory: Directory, child: Child) -> None:
        self._put(directory.parent, directory.name, child)

    def children(self, parent: Directory) -> dict[bytes, Child]:
        if parent.is_empty:
            return {}
        self._settle_rows(parent.id)
        return {row[0]: to_child(row[1:]) for row in self._connection.execute(_GET_ALL, (parent.id,)).fetchall()}

    def children_after(self, parent: Directory, after: bytes | None, limit: int) -> list[tuple[bytes, Child]]:
        self._settle_rows(parent.id)
        rows = self._connection.execute(_GET_SOME, (parent.id, after or b"", limit)).fetchall()
        return [(row[0], to_child(row[1:])) for row in rows]

    def child(self, parent: Directory, name: bytes) -> Child | None:
        return self._get(parent.id, name)

    def known(self, parent: Directory, names: Sequence[bytes]) -> dict[bytes, Child]:
        if parent.is_empty:
            return {}
        self._settle_rows(parent.id)
        known: dict[bytes, Child] = {}
        for first in range(0, len(names), CHUNK):
            some = list(names[first : first + CHUNK])
            # One statement for all: where they are too few for it, the last is asked for again and again.
            some += some[-1:] * (CHUNK - len(some))
            rows = self._connection.execute(_GET_MANY, (parent.id, *some)).fetchall()
            known |= {row[0]: to_child(row[1:]) for row in rows}
        return known

    def holds(self, parent: Directory, count: int) -> bool:
        self._settle_rows(parent.id)
        return bool(self._connection.execute(_COUNT, (parent.id, count)).fetchone()[0] >= count)

    def put(self, parent: Directory, name: bytes, child: Child) -> None:
        self._put(parent.id, name, child)

    def remove(self, parent: Directory, name: bytes) -> None:
        self._put(parent.id, name, None)

    def make(self, parent: Directory, name: bytes) -> Directory:
        made = self._young[parent.id, name] = Directory(self.next_id, parent.id, name)
        self._dirty[made.id] = made
        self.next_id += 1
        return made

    def fill(self, parent: Directory, entries: list[tuple[bytes, Entry]], made: dict[bytes, int]) -> None:
        self._settle_rows(parent.id)
        self._filled += filled(parent.id, entries, made)
        self._filled_in.add(parent.id)
        if len(self._filled) >= CHUNK * FILLED_WIDTH:
            self._write_filled(whole_chunks_only=True)

    def detach(self, directory: Directory) -> None:
        key = (directory.parent, directory.name)
        self._young.pop(key, None)
        self._old.pop(key, None)
        directory.parent = DETACHED
        self._dirty[directory.id] = directory
        self._detached.append(directory.id)

    def touch(self, directories: Iterable[Directory]) -> None:
        dirty = self._dirty
        for directory in directories:
            dirty[directory.id] = directory

    def tombstone(self, parent: Directory, name: bytes) -> int:
        if (at := self._buried.get((parent.id, name))) is not None:
            return at
        row = self._connection.execute("SELECT at FROM tombstones WHERE dir = ? AND name = ?", (parent.id, name)).fetchone()
        return NEVER if row is None else int(row[0])

    def bury(self, parent: Directory, name: bytes, at: int) -> None:
        self._buried[parent.id, name] = at

    def unbury(self, parent: Directory, name: bytes) -> None:
        self._buried.pop((parent.id, name), None)
        self._connection.execute("DELETE FROM tombstones WHERE dir = ? AND name = ?", (parent.id, name))

    def forget_tombstones(self, parent: Directory, until: int) -> None:
        if parent.buried_at > NEVER:
            self._write_tombstones()
            self._connection.execute("DELETE FROM tombstones WHERE dir = ? AND at <= ?", (parent.id, until))

    def note_links(self, noted: Mapping[Inode, bool]) -> None:
        if noted:
            self._notes += 1  # never the number of an earlier note, so that whoever deals with that one leaves this alone
            self._connection.executemany(_NOTE_LINK, ((*inode, gone, self._notes) for inode, gone in noted.items()))
            self.links_noted = True

    def record(self, changes: Changes, at: int) -> None:
        self.number = sqlite_changes.write(self._connection, self.number, changes, at, self._skipped_to)

    def begin_changes(self, last: int, skipped_to: int) -> None:
        """Changes go on behind this number; see `sqlite_changes.begin`."""
        self.last_change, self.number, self._skipped_to = last, last, skipped_to

    def newest(self, directory: Directory) -> Instant | None:
        self._write_entries()
        self._write_directories(NEVER)
        where = {"id": directory.id, "parent": directory.parent, "name": directory.name}
        row = self._connection.execute(_NEWEST, where).fetchone()
        return None if row is None else (row[0], row[1])

    def _load(self, number: int) -> Directory:
        row = self._connection.execute(_GET_DIRECTORY, (number,)).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"directory {number} is missing")
        return to_directory(row)

    def _get(self, directory: int, name: bytes) -> Child | None:
        key = (directory, name)
        if key in self._changed:
            return self._changed[key]
        if directory in self._filled_in:
            self._write_filled()
        row = self._connection.execute(_GET, key).fetchone()
        return None if row is None else to_child(row)

    def _put(self, directory: int, name: bytes, child: Child | None) -> None:
        self._changed[directory, name] = child
        self._changed_in.add(directory)

    def _settle_rows(self, directory: int) -> None:
        """See to it that the rows of a directory in the file are as they are meant to be."""
        if directory in self._changed_in or directory in self._filled_in:
            self._write_entries()

    def _write_entries(self) -> None:
        self._write_filled()  # first: what changed since may belong to the same names
        if self._changed:
            self._remove_entries()
            put = ((*key, *from_child(child)) for key, child in self._changed.items() if child is not None)
            self._connection.executemany(_PUT, put)
            self._changed.clear()
            self._changed_in.clear()

    def _remove_entries(self) -> None:
        gone: dict[int, list[bytes]] = defaultdict(list)
        for (directory, name), child in self._changed.items():
            if child is None:
                gone[directory].append(name)
        for directory, names in gone.items():
            whole = len(names) - len(names) % CHUNK
            for first in range(0, whole, CHUNK):
                self._connection.execute(_REMOVE_MANY, (directory, *names[first : first + CHUNK]))
            self._connection.executemany(_REMOVE_ONE, ((directory, name) for name in names[whole:]))

    def _write_tombstones(self) -> None:
        flat = [value for (directory, name), at in self._buried.items() for value in (directory, name, at)]
        rest = self._write_chunks(_BURY_MANY, flat, CHUNK * TOMBSTONE_WIDTH)
        self._write_chunks(_BURY_ONE, rest, TOMBSTONE_WIDTH)
        self._buried.clear()

    def _write_filled(self, *, whole_chunks_only: bool = False) -> None:
        flat = self._filled
        rest = self._write_chunks(_FILL_MANY, flat, CHUNK * FILLED_WIDTH)
        if whole_chunks_only:
            self._filled = rest
            return
        self._write_chunks(_FILL_ONE, rest, FILLED_WIDTH)
        self._filled = []
        self._filled_in.clear()

    def _write_directories(self, drop_mark: int) -> None:
        flat: list[Any] = []
        for directory in self._dirty.values():
            flat += from_directory(directory, drop_mark)
        rest = self._write_chunks(_PUT_DIRECTORIES, flat, CHUNK * DIRECTORY_WIDTH)
        self._write_chunks(_PUT_DIRECTORY, rest, DIRECTORY_WIDTH)
        self._dirty.clear()

    def _write_chunks(self, statement: str, flat: list[Any], size: int) -> list[Any]:
        """Execute the statement with each `size` values; what remains."""
        whole = len(flat) - len(flat) % size
        for first in range(0, whole, size):
            self._connection.execute(statement, flat[first : first + size])
        return flat[whole:]
