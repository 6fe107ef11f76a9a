"""Rows of the SQLite file as values, and back. NULL stands for what is not known, or for what another row already says."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import astuple

from fustor_core.evidence import Entry
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.drift import Drift, Drifts
from fustor_fusion.merge.held import Extent, Held
from fustor_fusion.merge.nodes import NEVER, Child, Directory
from fustor_fusion.stores import AgentRecord, RootRecord

# What sqlite3 hands out, and takes: the one place where columns are not typed.
Row = tuple[Any, ...]

_VIA_CODES: dict[Via | None, int | None] = {None: None, Via.LIVE: 1, Via.ASKED: 2, Via.SNAPSHOT: 3, Via.AUDIT: 4}
_VIA_OF = {code: via for via, code in _VIA_CODES.items()}

ATTRIBUTES = "mode, size, allocated, uid, gid, nlink, inode, mtime, mtime_ns, ctime, ctime_ns, mount"
CHILD = f"child, at, changed_at, via, {ATTRIBUTES}"
CHILD_WIDTH = 16
UNKNOWN = (None,) * 12
FILLED = f"dir, name, child, {ATTRIBUTES}"
FILLED_VALUES = f"(?, ?, nullif(?, 0), {', '.join('?' * 12)})"
FILLED_WIDTH = 15

DIRECTORY = (
    "id, parent, name, at, stated_at, floor, listed_at, buried_at, unreadable_at, unreadable, digest, "
    "files, directories, others, bytes, allocated, newest, newest_ns, "
    "to_list, fresh, epoch, watched, followed, unreadable_below, filled_at, filled_via, changed_below"
)
DIRECTORY_WIDTH = 27
DETACHED = NEVER
"""`Directory.parent` of one that no longer hangs in the tree; NULL in its row."""

_LARGEST = 2**63 - 1

DRIFT = "path, missing, extra, changed, at"
_ALL_DRIFT = b"/"

RECORD = "clock, high_water, drop_mark, watching_since, watched_by, snapshot_at, audit_at, as_of, writes, lost, lost_at"
HELD = "path, since, clean_to, extent, mount, inode"
AGENT = "agent, slot, run, session, sequence, highest, clean_to, identity, entries"


def from_via(via: Via) -> int | None:
    """The code of an act (`acts`)."""
    return _VIA_CODES[via]


def to_via(code: int) -> Via:
    """The act with this code."""
    via = _VIA_OF[code]
    assert via is not None  # only NULL stands for none
    return via


def to_child(row: Row) -> Child:
    """A Child from the columns of CHILD."""
    child, at, changed_at, via = row[:4]
    entry = None if row[4] is None else Entry(*row[4:])
    return Child(child or 0, NEVER if at is None else at, entry, changed_at, _VIA_OF[via])


def from_child(child: Child) -> Row:
    """The columns of CHILD."""
    attributes = UNKNOWN if child.entry is None else astuple(child.entry)
    return (child.directory or None, None if child.at == NEVER else child.at, child.changed_at, _VIA_CODES[child.via], *attributes)


def filled(directory: int, entries: list[tuple[bytes, Entry]], made: dict[bytes, int]) -> list[Any]:
    """The columns of FILLED of all children, one behind the other: so they are bound in few, large statements.

    `child` is 0 where there is none, and names are bytearrays: sqlite3 looks for an adapter of every value that is no number, text or
    bytearray, of None as well, which takes longer than storing the row.
    """
    flat: list[Any] = []
    if made:
        for name, entry in entries:
            flat += (directory, bytearray(name), made.get(name, 0), *astuple(entry))
    else:
        for name, entry in entries:
            flat += (directory, bytearray(name), 0, *astuple(entry))
    return flat


def to_directory(row: Row) -> Directory:
    """A Directory from the columns of DIRECTORY."""
    number, parent, name, *times = row[:9]
    at, stated_at, floor, listed_at, buried_at, unreadable_at = (NEVER if time is None else time for time in times)
    newest = None if row[16] is None else (row[16], row[17])
    return Directory(
        number, DETACHED if parent is None else parent, name, at, stated_at, floor, listed_at, buried_at, unreadable_at, row[9], row[10],
        row[11], row[12], row[13], int(row[14]), int(row[15]), newest, row[18], row[19], row[20], bool(row[21]), bool(row[22]), row[23],
        NEVER if row[24] is None else row[24], _VIA_OF[row[25]], NEVER if row[26] is None else row[26],
    )  # fmt: skip


def from_directory(d: Directory, drop_mark: int) -> Row:
    """The columns of DIRECTORY. A floor or a tombstone that no evidence can reach any more is left out."""
    newest, newest_ns = (None, None) if d.newest is None else d.newest
    return (
        d.id, None if d.parent == DETACHED else d.parent, d.name, _stamp(d.at), _stamp(d.stated_at),
        None if d.floor <= drop_mark else d.floor, _stamp(d.listed_at), None if d.buried_at <= drop_mark else d.buried_at,
        _stamp(d.unreadable_at), d.unreadable, d.digest, d.files, d.directories, d.others, _sum(d.bytes), _sum(d.allocated),
        newest, newest_ns, d.to_list, d.fresh, d.epoch, d.watched, d.followed, d.unreadable_below,
        _stamp(d.filled_at), _VIA_CODES[d.filled_via], _stamp(d.changed_below),
    )  # fmt: skip


def to_record(row: Row) -> RootRecord:
    """A RootRecord from the columns of RECORD."""
    return RootRecord(*row)


def from_record(record: RootRecord) -> Row:
    """The columns of RECORD."""
    return dataclasses.astuple(record)


def to_agent(row: Row) -> AgentRecord:
    """An AgentRecord from the columns of AGENT."""
    agent, slot, run, session, sequence, highest, clean_to, identity, entries = row
    known = None if identity is None else msgspec.json.decode(identity, type=Identity)
    return AgentRecord(agent, slot, run, session, sequence, highest, clean_to, known, entries)


def from_agent(agent: AgentRecord) -> Row:
    """The columns of AGENT."""
    identity = None if agent.identity is None else msgspec.json.encode(agent.identity).decode()
    return (
        agent.agent, agent.slot, agent.run, agent.session, agent.sequence, agent.highest, agent.clean_to, identity, agent.entries,
    )  # fmt: skip


def to_held(row: Row) -> Held:
    """A Held from the columns of HELD."""
    path, since, clean_to, extent, mount, inode = row
    return Held(path, since, clean_to, Extent(extent), None if inode is None else (mount, inode))


def from_held(held: Held) -> Row:
    """The columns of HELD."""
    return (held.path, held.since, held.clean_to, held.extent, *(held.inode or (None, None)))


def _stamp(at: int) -> int | None:
    return None if at == NEVER else at


def _sum(value: int) -> int | str:
    return value if value <= _LARGEST else str(value)


def to_drifts(rows: Iterable[Row]) -> Drifts:
    """What all rows of DRIFT say together."""
    places = {path: Drift(*counts) for path, *counts in rows}
    return Drifts(places.pop(_ALL_DRIFT, Drift()), places)


def from_drifts(drifts: Drifts) -> list[Row]:
    """All rows of DRIFT."""
    return [(path, *astuple(drift)) for path, drift in {**drifts.places, _ALL_DRIFT: drifts.total}.items()]
