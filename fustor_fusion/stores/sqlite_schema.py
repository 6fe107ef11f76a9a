"""The SQLite file of a root: its tables, their versions, and whether a file can be used. docs/store.md describes it for people."""

import sqlite3
from collections.abc import Sequence
from secrets import token_hex

from fustor_core.errors import StoreDamaged

APPLICATION_ID = 0x46757374  # "Fust", so that file(1) and we can tell what the file is
PAGE_SIZE = 4096

VERSION_1 = (
    """
    CREATE TABLE meta (
        clock TEXT NOT NULL, high_water INTEGER NOT NULL, drop_mark INTEGER NOT NULL,
        watching_since INTEGER NOT NULL, watched_by TEXT NOT NULL,
        snapshot_at INTEGER NOT NULL, audit_at INTEGER NOT NULL, as_of INTEGER NOT NULL, writes INTEGER NOT NULL,
        epoch INTEGER NOT NULL, next_id INTEGER NOT NULL, clean INTEGER NOT NULL)
    """,
    """
    CREATE TABLE agents (
        slot INTEGER PRIMARY KEY, agent TEXT NOT NULL UNIQUE, run TEXT NOT NULL, session TEXT NOT NULL, sequence INTEGER NOT NULL,
        highest INTEGER NOT NULL, clean_to INTEGER NOT NULL, identity TEXT, entries INTEGER NOT NULL)
    """,
    # Sums of bytes have no declared type: where they pass 2^63 they are kept as text, which an INTEGER column would round to a float.
    """
    CREATE TABLE dirs (
        id INTEGER PRIMARY KEY, parent INTEGER, name BLOB NOT NULL,
        at INTEGER, stated_at INTEGER, floor INTEGER, listed_at INTEGER, buried_at INTEGER,
        unreadable_at INTEGER, unreadable TEXT, digest BLOB,
        files INTEGER NOT NULL, directories INTEGER NOT NULL, others INTEGER NOT NULL, bytes NOT NULL, allocated NOT NULL,
        newest INTEGER, newest_ns INTEGER,
        to_list INTEGER NOT NULL, fresh INTEGER NOT NULL, epoch INTEGER NOT NULL, watched INTEGER NOT NULL, followed INTEGER NOT NULL,
        unreadable_below INTEGER NOT NULL, filled_at INTEGER, filled_via INTEGER)
    """,
    "CREATE INDEX dirs_by_floor ON dirs (floor) WHERE floor IS NOT NULL",
    """
    CREATE TABLE entries (
        dir INTEGER NOT NULL, name BLOB NOT NULL, child INTEGER, at INTEGER,
        mode INTEGER, size INTEGER, allocated INTEGER, uid INTEGER, gid INTEGER, nlink INTEGER, inode INTEGER,
        mtime INTEGER, mtime_ns INTEGER, ctime INTEGER, ctime_ns INTEGER, mount INTEGER,
        changed_at INTEGER, via INTEGER,
        PRIMARY KEY (dir, name)) WITHOUT ROWID
    """,
    # The names of what has several. Directories count their own `..` links, so they are left out.
    "CREATE INDEX entries_by_inode ON entries (inode, mount) WHERE nlink > 1 AND child IS NULL",
    """
    CREATE TABLE links (
        mount INTEGER NOT NULL, inode INTEGER NOT NULL, gone INTEGER NOT NULL, number INTEGER NOT NULL,
        PRIMARY KEY (mount, inode)) WITHOUT ROWID
    """,
    "CREATE TABLE tombstones (dir INTEGER NOT NULL, name BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (dir, name)) WITHOUT ROWID",
    "CREATE INDEX tombstones_by_at ON tombstones (at)",
    "CREATE TABLE detached (id INTEGER PRIMARY KEY)",
    "CREATE TABLE acts (via INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO acts VALUES (1, 'live'), (2, 'asked'), (3, 'snapshot'), (4, 'audit')",
    """
    INSERT INTO dirs (id, parent, name, files, directories, others, bytes, allocated,
                      to_list, fresh, epoch, watched, followed, unreadable_below)
    VALUES (1, 0, x'', 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0)
    """,
    "INSERT INTO entries (dir, name, child) VALUES (0, x'', 1)",
)

VERSION_2 = (
    "ALTER TABLE dirs ADD COLUMN changed_below INTEGER",
    # When it was is not known: nothing has been settled for longer than since the newest evidence.
    "UPDATE dirs SET changed_below = (SELECT high_water FROM meta)",
)

# Written as a whole, and at most a hundred rows; the one of `/`, which is no path in a root, has the sums.
VERSION_3 = (
    """
    CREATE TABLE drift (
        path BLOB PRIMARY KEY, missing INTEGER NOT NULL, extra INTEGER NOT NULL, changed INTEGER NOT NULL,
        at INTEGER NOT NULL) WITHOUT ROWID
    """,
)

VERSION_4 = (
    "ALTER TABLE meta ADD COLUMN last_change INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE meta ADD COLUMN skipped_to INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, via INTEGER NOT NULL, path BLOB NOT NULL)
    """,
    "CREATE TABLE change_kinds (kind INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO change_kinds VALUES (1, 'appeared'), (2, 'changed'), (3, 'gone'), (4, 'listed')",
)

VERSION_5 = (
    """
    CREATE TABLE held (
        path BLOB PRIMARY KEY, since INTEGER NOT NULL, clean_to INTEGER NOT NULL, extent INTEGER NOT NULL,
        mount INTEGER, inode INTEGER) WITHOUT ROWID
    """,
)

VERSION_6 = (
    "ALTER TABLE meta ADD COLUMN lost INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE meta ADD COLUMN lost_at INTEGER NOT NULL DEFAULT 0",
)

MIGRATIONS: tuple[Sequence[str], ...] = (VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6)
"""What makes each version of the schema from the one before; the first makes it from nothing."""


def prepare(connection: sqlite3.Connection, path: str, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the file to the newest version of the schema, or raise StoreDamaged saying what it is instead; nothing in it is ever deleted.

    A file that was not closed in good order is checked first: after a crash it is better to know than to answer from what is broken.
    """
    application, version, tables = (
        connection.execute(f"SELECT * FROM {source}").fetchone()[0]
        for source in ("pragma_application_id", "pragma_user_version", "(SELECT count(*) FROM sqlite_schema)")
    )
    if application != APPLICATION_ID and (tables or application or version):
        raise StoreDamaged(f"{path} is a SQLite file of something else than Fustor: name another file for this root")
    if version > len(migrations):
        raise StoreDamaged(
            f"{path} has version {version} of the schema and this Fustor knows up to {len(migrations)}: "
            "run the newer Fustor again, or `fustor fusion rebuild`, which sets the file aside"
        )
    if version:
        _check(connection, path)
    else:
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
    connection.execute("PRAGMA journal_mode=WAL")
    for number, statements in enumerate(migrations[version:], start=version + 1):
        _migrate(connection, number, statements)


def damaged(path: str, what: str) -> StoreDamaged:
    """What to tell of a file that cannot be read."""
    return StoreDamaged(
        f"{path} is damaged ({what}); nothing was deleted: restore it from a backup, or run `fustor fusion rebuild`, "
        "which sets it aside and lets the agents fill a new one"
    )


def _check(connection: sqlite3.Connection, path: str) -> None:
    clean = connection.execute("SELECT clean FROM meta").fetchone()
    if clean is None:
        raise damaged(path, "its table `meta` is empty")
    if clean[0]:
        return
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(path, " ".join(verdict.split()))


def _migrate(connection: sqlite3.Connection, number: int, statements: Sequence[str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement)
        if number == 1:
            connection.execute("INSERT INTO meta VALUES (?, 0, 0, 0, '', 0, 0, 0, 0, 0, 2, 0)", (token_hex(8),))
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
