"""Answers from the SQLite file: one read transaction of a connection that only reads."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from fustor_core import globs
from fustor_core.evidence import Kind
from fustor_core.globs import Literal
from fustor_core.paths import components, join
from fustor_fusion.merge.drift import Drifts
from fustor_fusion.merge.links import Noted
from fustor_fusion.merge.nodes import NEVER, ROOT_ID, Child, Directory, Inode
from fustor_fusion.query import Change, Filter, Found
from fustor_fusion.stores import AgentRecord, ChangeSpan, Page, RootRecord, sqlite_changes
from fustor_fusion.stores.answers import Below, all_fresh, kind_of, lacks, matcher
from fustor_fusion.stores.cursors import ScanCursor, WalkCursor, decode, encode
from fustor_fusion.stores.reading import TreeReading, Way
from fustor_fusion.stores.sqlite_rows import AGENT, CHILD, DIRECTORY, DRIFT, RECORD, to_agent, to_child, to_directory, to_drifts, to_record

SCAN_FROM_PART = 16
"""A walk costs about as much for one entry as a scan of the table for this many: below a sixteenth of the root, the walk is faster."""

_CHILD_OF = f"SELECT {CHILD} FROM entries WHERE dir = ? AND name = ?"
_RANGE = f"SELECT name, {CHILD} FROM entries WHERE dir = ? AND name > ? ORDER BY name LIMIT ?"
_DIRECTORY = f"SELECT {DIRECTORY} FROM dirs WHERE id = ?"
_BELOW = (
    "SELECT id, changed_below, newest, newest_ns, to_list, fresh, epoch, unreadable_below FROM dirs "
    "WHERE id IN (SELECT value FROM json_each(?))"
)
_NAMES_OF = f"SELECT dir, name, {CHILD} FROM entries WHERE inode = ? AND mount = ? AND nlink > 1 AND child IS NULL"
_SINGLE_NAMES = f"SELECT dir, name, {CHILD} FROM entries WHERE inode IN (SELECT value FROM json_each(?)) AND nlink <= 1 AND child IS NULL"

_KIND_TESTS = {
    Kind.FILE: "(mode & 61440) = 32768",
    Kind.DIRECTORY: "child IS NOT NULL",
    Kind.SYMLINK: "(mode & 61440) = 40960",
    Kind.OTHER: "(mode & 61440) NOT IN (16384, 32768, 40960)",
}


class SqliteReading(TreeReading):
    """A Reading of what was committed when it began."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Read at once: in SQLite it is the first look, not BEGIN, that settles which commit is seen.
        *record, self._epoch = self._one(f"SELECT {RECORD}, epoch FROM meta", ())
        self._record = to_record(tuple(record))

    def record(self) -> RootRecord:
        return self._record

    def drifts(self) -> Drifts:
        return to_drifts(self._connection.execute(f"SELECT {DRIFT} FROM drift"))

    def agents(self) -> list[AgentRecord]:
        return [to_agent(row) for row in self._connection.execute(f"SELECT {AGENT} FROM agents ORDER BY slot")]

    def epoch(self) -> int:
        return int(self._epoch)

    def child(self, directory: int, name: bytes) -> Child | None:
        row = self._connection.execute(_CHILD_OF, (directory, name)).fetchone()
        return None if row is None else to_child(row)

    def directory(self, number: int) -> Directory:
        return to_directory(self._one(_DIRECTORY, (number,)))

    def below(self, numbers: Sequence[int]) -> dict[int, Below]:
        below = {}
        for number, changed, newest, newest_ns, to_list, fresh, epoch, unreadable in self._connection.execute(
            _BELOW, (json.dumps(numbers),)
        ):
            counted = fresh if epoch == self._epoch else 0
            below[number] = Below(
                NEVER if changed is None else changed,
                all_fresh(self._epoch, counted, to_list, unreadable),
                None if newest is None else (newest, newest_ns),
                lacks(counted, to_list, unreadable),
            )
        return below

    def range(self, directory: int, after: bytes | None, limit: int) -> list[tuple[bytes, Child]]:
        rows = self._connection.execute(_RANGE, (directory, after or b"", limit)).fetchall()
        return [(row[0], to_child(row[1:])) for row in rows]

    def change_span(self) -> ChangeSpan:
        return sqlite_changes.span(self._connection)

    def changes(self, after: int, limit: int) -> list[Change]:
        return sqlite_changes.read(self._connection, after, limit)

    def links(self, limit: int) -> list[Noted]:
        rows = self._connection.execute("SELECT mount, inode, gone, number FROM links ORDER BY number LIMIT ?", (limit,))
        return [Noted((mount, inode), bool(gone), number) for mount, inode, gone, number in rows]

    def names_of(self, inodes: Collection[Inode], *, single: bool) -> dict[Inode, list[Found]]:
        places, entry = Places(self._connection, ROOT_ID, b""), self.directories()
        names: dict[Inode, list[Found]] = {}
        for directory, name, child in self._single_names(inodes) if single else self._linked_names(inodes):
            if child.entry is not None and (place := places.find(directory)) is not None:
                names.setdefault((child.entry.mount, child.entry.inode), []).append(entry(join(place[0], name), child, directory))
        return names

    def _linked_names(self, inodes: Collection[Inode]) -> Iterator[tuple[int, bytes, Child]]:
        for mount, inode in inodes:
            for row in self._connection.execute(_NAMES_OF, (inode, mount)):
                yield row[0], row[1], to_child(row[2:])

    def _single_names(self, inodes: Collection[Inode]) -> Iterator[tuple[int, bytes, Child]]:
        wanted, numbers = set(inodes), json.dumps([inode for _, inode in inodes])
        for row in self._connection.execute(_SINGLE_NAMES, (numbers,)):
            child = to_child(row[2:])
            if child.entry is not None and (child.entry.mount, child.entry.inode) in wanted:
                yield row[0], row[1], child

    def search(self, path: bytes, wanted: Filter, after: str | None, limit: int) -> Page:
        cursor = None if after is None else decode(after)
        if isinstance(cursor, WalkCursor):
            return self.search_by_walk(path, wanted, cursor, limit)
        way = self.way(path)
        if cursor is None and not self._is_large(way):
            return self.search_by_walk(path, wanted, None, limit)
        if way.child is None or way.missing:
            return Page([], None)  # it was a directory when the search began
        return self._search_by_scan(path, way, wanted, cursor, limit)

    def _is_large(self, way: Way) -> bool:
        if way.missing:
            return False
        here, root = self.directory(way.directory), self.directory(ROOT_ID)
        return (here.files + here.directories + here.others) * SCAN_FROM_PART >= root.files + root.directories + root.others

    def _search_by_scan(self, path: bytes, way: Way, wanted: Filter, cursor: ScanCursor | None, limit: int) -> Page:
        matches = matcher(wanted)
        entry = self.directories()
        places = Places(self._connection, way.directory, path)
        # The entry of `path` itself lies in a directory that is not below it.
        itself = (way.parent, components(path)[-1] if path else b"")
        page: list[Found] = []
        last = cursor
        for directory, name, child in self._scan(wanted, cursor):
            here = places.find(directory)
            if (directory, name) == itself:
                place, depth = path, 0
            elif here is None:
                continue
            else:
                place, depth = join(here[0], name), here[1] + 1
            deepest = depth if wanted.max_depth is None else wanted.max_depth
            if not wanted.min_depth <= depth <= deepest or not matches(name, kind_of(child), child.entry):
                continue
            if len(page) == limit:
                return Page(page, None if last is None else encode(last))
            page.append(entry(place, child, directory))
            last = ScanCursor(directory, name)
        return Page(page, None)

    def _scan(self, wanted: Filter, cursor: ScanCursor | None) -> Iterator[tuple[int, bytes, Child]]:
        conditions, values = _conditions(wanted)
        if cursor is not None:
            conditions.append("(dir, name) > (?, ?)")
            values += (cursor.directory, cursor.name)
        where = "WHERE " + " AND ".join(conditions) if conditions else ""
        for row in self._connection.execute(f"SELECT dir, name, {CHILD} FROM entries {where} ORDER BY dir, name", values):
            yield row[0], row[1], to_child(row[2:])

    def _one(self, statement: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        if row is None:
            raise sqlite3.DatabaseError(f"a row is missing: {statement} {values}")
        return row


class Places:
    """Where directories are, below one of them: paths and depths, by their numbers. What was detached is nowhere."""

    def __init__(self, connection: sqlite3.Connection, base: int, path: bytes) -> None:
        self._connection = connection
        self._known: dict[int, tuple[bytes, int] | None] = {base: (path, 0)}

    def find(self, directory: int) -> tuple[bytes, int] | None:
        climbed: list[tuple[int, bytes]] = []
        number: int | None = directory
        while number is not None and number not in self._known:
            row = self._connection.execute("SELECT parent, name FROM dirs WHERE id = ?", (number,)).fetchone()
            if row is None:
                break
            climbed.append((number, row[1]))
            number = row[0]
        place = None if number is None else self._known.get(number)
        for below, name in reversed(climbed):
            place = None if place is None else (join(place[0], name), place[1] + 1)
            self._known[below] = place
        return place


def _conditions(wanted: Filter) -> tuple[list[str], list[Any]]:
    """What SQL can decide faster than the matcher, which decides in the end: these may let too much through, and never too little."""
    conditions: list[str] = []
    values: list[Any] = []
    if wanted.name is not None:
        _add_literal(conditions, values, wanted.name)
    if wanted.iname is not None and (piece := _caseless_piece(wanted.iname)):
        conditions.append("CAST(name AS TEXT) LIKE ? ESCAPE '\\'")
        values.append("%" + "".join(f"\\{c}" if c in "%_\\" else c for c in piece) + "%")
    if wanted.kinds is not None:
        conditions.append("(" + (" OR ".join(_KIND_TESTS[kind] for kind in sorted(wanted.kinds)) or "0") + ")")
    for column, comparison, value in (("size", ">=", wanted.min_size), ("size", "<=", wanted.max_size), ("uid", "=", wanted.uid)):
        if value is not None:
            conditions.append(f"{column} {comparison} ?")
            values.append(value)
    for comparison, instant in ((">", wanted.newer), ("<", wanted.older)):
        if instant is not None:
            conditions.append(f"(mtime, mtime_ns) {comparison} (?, ?)")
            values += instant
    return conditions, values


def _add_literal(conditions: list[str], values: list[Any], pattern: bytes) -> None:
    literal = globs.prefilter(pattern)
    match literal.kind:
        case Literal.EXACT:
            conditions.append("name = ?")
        case Literal.PREFIX:
            conditions.append(f"substr(name, 1, {len(literal.text)}) = ?")
        case Literal.SUFFIX:
            conditions.append(f"substr(name, -{len(literal.text)}) = ?")
        case Literal.INFIX:
            conditions.append("instr(name, ?)")
        case Literal.NONE:
            return
    values.append(literal.text)


def _caseless_piece(pattern: bytes) -> str:
    """The longest part of a pattern's literal that LIKE compares without case as `fnmatch` does.

    Not k, s and i: there are letters beyond ASCII that are another case of them, which LIKE does not know.
    """
    text = globs.prefilter(pattern).text.decode("latin-1")
    pieces = "".join(c if c.isascii() and c not in "kKsSiI" else "\0" for c in text).split("\0")
    return max(pieces, key=len)
