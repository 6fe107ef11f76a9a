"""The feed of changes in the SQLite file: its last so many rows, numbered without gaps."""

import sqlite3
from typing import Final

from fustor_fusion.merge.changes import KEPT, Changes
from fustor_fusion.query import Change, ChangeKind
from fustor_fusion.stores import ChangeSpan
from fustor_fusion.stores.sqlite_rows import from_via, to_via

_KINDS = {ChangeKind.APPEARED: 1, ChangeKind.CHANGED: 2, ChangeKind.GONE: 3, ChangeKind.LISTED: 4}
_KIND_OF = {code: kind for kind, code in _KINDS.items()}


def span(connection: sqlite3.Connection) -> ChangeSpan:
    """The first number that is kept, and the last."""
    first, last = connection.execute("SELECT min(number), max(number) FROM changes").fetchone()
    return ChangeSpan(1, 0) if last is None else ChangeSpan(first, last)


def read(connection: sqlite3.Connection, after: int, limit: int) -> list[Change]:
    """At most `limit` changes behind the number."""
    rows = connection.execute("SELECT number, at, kind, via, path FROM changes WHERE number > ? ORDER BY number LIMIT ?", (after, limit))
    return [Change(number, at, _KIND_OF[kind], to_via(via), path) for number, at, kind, via, path in rows]


SKIPPED: Final = 1_000_000
"""Numbers that are left out after a power loss."""


def begin(connection: sqlite3.Connection) -> tuple[int, int]:
    """The number behind which changes go on, and up to which `SKIPPED` are nobody's.

    If the file was not closed in good order, the last commits may have been lost, and their changes told to somebody: their numbers are not
    given to others.
    """
    last, skipped_to, clean = connection.execute("SELECT last_change, skipped_to, clean FROM meta").fetchone()
    if not clean and last != skipped_to:
        last = skipped_to = last + SKIPPED
        connection.execute("UPDATE meta SET last_change = ?, skipped_to = ?", (last, skipped_to))
    return last, skipped_to


def write(connection: sqlite3.Connection, last: int, changes: Changes, at: int, skipped_to: int) -> int:
    """Add the changes of a commit behind the number `last`; the new last number. `SKIPPED` numbers up to `skipped_to` are nobody's."""
    if not changes.count:
        return last
    last += changes.count
    first = last - len(changes.made) + 1
    rows = ((number, at, _KINDS[kind], from_via(via), path) for number, (kind, via, path) in enumerate(changes.made, start=first))
    connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?)", rows)
    drop_to = last - KEPT
    if drop_to < skipped_to:
        drop_to -= SKIPPED
    if drop_to > 0:
        connection.execute("DELETE FROM changes WHERE number <= ?", (drop_to,))
    return last
