"""The JSON of the API (DESIGN §6), field by field. Pure.

Names and paths are bytes: where they are not UTF-8, the text is only for reading, and `path_b64` has the bytes.
"""

import base64
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from fustor_core.evidence import Kind
from fustor_core.http.pipes import ConditionShape, PipeShape, TransitionShape, condition
from fustor_core.times import format_instant, format_wall
from fustor_fusion.api.ports import RootFacts, SessionView, SourcePath
from fustor_fusion.merge.drift import NO_DRIFT, Drifts
from fustor_fusion.query import ChangeKind, Found, Usage
from fustor_fusion.settling import Settling
from fustor_fusion.stores import RootRecord
from fustor_fusion.trust import Trustworthiness
from fustor_fusion.views import Mount, Synthetic, view_path

encode: Final = msgspec.json.Encoder().encode
wall: Final = format_wall
_INODES: Final = 2**64 - 1
MOST_DRIFT_PLACES: Final = 20


class Meta(Struct, frozen=True):
    as_of: str | None
    complete: bool
    conditions: list[ConditionShape]
    next: str | None


class EntryShape(Struct, frozen=True, gc=False):
    path: str
    name: str
    type: Kind
    size: int | None
    allocated: int | None
    mode: int | None
    uid: int | None
    gid: int | None
    nlink: int | None
    inode: str | None
    mtime: str | None
    ctime: str | None
    settled: bool | None
    writing: bool | None
    changed_at: str | None
    via: str | None
    root: str | None
    path_b64: str | UnsetType = UNSET


class UsageShape(Struct, frozen=True, gc=False):
    path: str
    files: int
    directories: int
    others: int
    bytes: int
    allocated: int
    newest_change: str | None
    path_b64: str | UnsetType = UNSET


class RestShape(Struct, frozen=True, gc=False):
    """`confirmed`: settled, and nothing is missing that had happened before this was asked."""

    path: str
    exists: bool
    settled: bool | None
    confirmed: bool
    files_written: int
    changed_at: str | None
    settles_at: str | None
    files: int
    bytes: int
    path_b64: str | UnsetType = UNSET


class ChangeShape(Struct, frozen=True, gc=False):
    at: str
    kind: ChangeKind
    path: str
    via: str
    root: str
    path_b64: str | UnsetType = UNSET


class SourceShape(Struct, frozen=True, gc=False):
    agent: str
    boot: str
    path: str
    path_b64: str | UnsetType = UNSET


class DriftPlaceShape(Struct, frozen=True, gc=False):
    path: str
    missing: int
    extra: int
    changed: int
    at: str
    path_b64: str | UnsetType = UNSET


class DriftShape(Struct, frozen=True):
    missing: int
    extra: int
    changed: int
    places: list[DriftPlaceShape]


class RootShape(Struct, frozen=True):
    root: str
    mount: str
    complete: bool
    as_of: str | None
    conditions: list[ConditionShape]
    snapshot_at: str | None
    audit_at: str | None
    entries: int
    bytes: int
    agents: Sequence[str]
    leader: str | None
    paths: list[SourceShape]
    drift: DriftShape


class ViewShape(Struct, frozen=True):
    view: str
    roots: list[str]


class SessionShape(Struct, frozen=True, gc=False):
    session: str
    agent: str
    pipe: str
    root: str
    role: str
    state: str
    since: str
    last_heard: str
    acknowledged: int
    remote: str


class Live(Struct, frozen=True):
    live: bool


class Ready(Struct, frozen=True):
    ready: bool


Single: TypeAlias = EntryShape | UsageShape | RestShape | PipeShape | Live | Ready
Many: TypeAlias = (
    Sequence[EntryShape]
    | Sequence[ChangeShape]
    | Sequence[RootShape]
    | Sequence[ViewShape]
    | Sequence[PipeShape]
    | Sequence[TransitionShape]
    | Sequence[SessionShape]
)


class Answer(Struct, frozen=True):
    data: Single | Many
    meta: Meta


def answer(data: Single | Many, trust: Trustworthiness, following: str | None = None) -> bytes:
    """An answer from roots, with how far to trust it and the cursor of the next page."""
    as_of = None if trust.as_of is None else format_wall(trust.as_of)
    return encode(Answer(data, Meta(as_of, trust.complete, [condition(each) for each in trust.conditions], following)))


def own(data: Single | Many, now: int) -> bytes:
    """An answer from what fusion itself knows at the moment."""
    return encode(Answer(data, Meta(format_wall(now), True, [], None)))


def text(path: bytes) -> tuple[str, str | UnsetType]:
    """A path as text to read, and its bytes in base64 where the text cannot stand for them."""
    try:
        return path.decode(), UNSET
    except UnicodeDecodeError:
        return path.decode("utf-8", "replace"), base64.b64encode(path).decode()


class Shaper:
    """Shows what a root holds as the view has it. `epoch` is the wall-clock ns of stamp 0, `settling` judges what rests; there is none
    where nobody ever reported the root."""

    def __init__(self, mount: Mount, epoch: int, settling: Settling | None) -> None:
        self._root = mount.root
        self._path = mount.path
        self._above = mount.path + b"/" if mount.place else mount.path
        self._epoch = epoch
        self._settling = settling

    def __call__(self, found: Found) -> EntryShape:
        path, path_b64 = text(self._above + found.path if found.path else self._path)
        name = path[path.rfind("/") + 1 :] or "/"
        changed_at = format_wall(found.changed_at + self._epoch) if found.changed_at else None
        known, still = found.entry, None if self._settling is None else self._settling.of(found)
        settled, writing = (None, None) if still is None else (still.settled, still.writing)
        if known is None:
            unknown = (None,) * 9
            return EntryShape(path, name, found.kind, *unknown, settled, writing, changed_at, found.via or None, self._root, path_b64)
        return EntryShape(
            path,
            name,
            found.kind,
            known.size,
            known.allocated,
            known.mode,
            known.uid,
            known.gid,
            known.nlink,
            str(known.inode & _INODES),
            format_instant(known.mtime, known.mtime_ns),
            format_instant(known.ctime, known.ctime_ns),
            settled,
            writing,
            changed_at,
            found.via or None,
            self._root,
            path_b64,
        )


def synthetic(directory: Synthetic) -> EntryShape:
    """A directory that only the view has: nothing is known of it but that it is there."""
    path, path_b64 = text(directory.view_path)
    unknown = (None,) * 14
    return EntryShape(path, path.rpartition("/")[2] or "/", Kind.DIRECTORY, *unknown, path_b64)


def usage(path: bytes, totals: Usage) -> UsageShape:
    newest = None if totals.newest is None else format_instant(*totals.newest)
    shown, path_b64 = text(path)
    return UsageShape(shown, totals.files, totals.directories, totals.others, totals.bytes, totals.allocated, newest, path_b64)


def root(
    mount: Mount, trust: Trustworthiness, totals: Usage, record: RootRecord | None, facts: RootFacts, epoch: int, drifts: Drifts = NO_DRIFT
) -> RootShape:
    as_of = None if trust.as_of is None else format_wall(trust.as_of)
    snapshot_at = format_wall(record.snapshot_at + epoch) if record is not None and record.snapshot_at else None
    audit_at = format_wall(record.audit_at + epoch) if record is not None and record.audit_at else None
    return RootShape(
        mount.root,
        text(mount.path)[0],
        trust.complete,
        as_of,
        [condition(each) for each in trust.conditions],
        snapshot_at,
        audit_at,
        totals.files + totals.directories + totals.others,
        totals.bytes,
        facts.agents,
        facts.leader,
        [_source(each) for each in facts.paths],
        _drift(mount, drifts, epoch),
    )


def _drift(mount: Mount, drifts: Drifts, epoch: int) -> DriftShape:
    total, places = drifts.total, []
    for path, drift in drifts.worst(MOST_DRIFT_PLACES):
        shown, path_b64 = text(view_path(mount, path))
        places.append(DriftPlaceShape(shown, drift.missing, drift.extra, drift.changed, format_wall(drift.at + epoch), path_b64))
    return DriftShape(total.missing, total.extra, total.changed, places)


def session(view: SessionView) -> SessionShape:
    since, last_heard = format_wall(view.since), format_wall(view.last_heard)
    return SessionShape(
        view.session, view.agent, view.pipe, view.root, view.role, view.state, since, last_heard, view.acknowledged, view.remote
    )


def _source(source: SourcePath) -> SourceShape:
    shown, path_b64 = text(source.path)
    return SourceShape(source.agent, source.boot, shown, path_b64)
