"""What fusion answers over HTTP (DESIGN §6), as typed values: the reading side of its JSON. Pure.

Fields that a newer fusion adds are ignored, so both sides may be updated in any order.
"""

import base64
import stat
from functools import lru_cache
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from fustor_core.evidence import Kind
from fustor_core.times import parse_instant
from fustor_fusion.query import Instant

_T = TypeVar("_T")
_TYPE_BITS: Final = {Kind.FILE: stat.S_IFREG, Kind.DIRECTORY: stat.S_IFDIR, Kind.SYMLINK: stat.S_IFLNK, Kind.OTHER: 0}


class Condition(Struct, frozen=True):
    """Why an answer or a pipe is not wholly to be trusted, and what to do about it."""

    type: str
    since: str | None
    message: str
    remedy: str


class Meta(Struct, frozen=True):
    """How far to trust an answer. `as_of`: every change that finished before it is in the answer; None where fusion cannot say.
    `next`: give it as `after` for the next page."""

    as_of: str | None
    complete: bool
    conditions: list[Condition]
    next: str | None = None


class Answer(Struct, Generic[_T], frozen=True):
    """An answer, and how far to trust it."""

    data: _T
    meta: Meta


class Problem(Struct, frozen=True):
    """An RFC 9457 problem document."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""

    @property
    def slug(self) -> str:
        """The stable name of the problem: `no-such-path`."""
        return self.type.rpartition(":")[2]


class Entry(Struct, frozen=True):
    """One thing in a view. Attributes that are not known (yet) are None. `mode` has the file type bits, `allocated` is in bytes."""

    path: str
    name: str
    type: Kind
    size: int | None = None
    allocated: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    nlink: int | None = None
    inode: str | None = None
    mtime: str | None = None
    ctime: str | None = None
    settled: bool | None = None
    writing: bool | None = None
    changed_at: str | None = None
    via: str | None = None
    root: str | None = None
    path_b64: str | UnsetType = UNSET

    @property
    def raw_path(self) -> bytes:
        """The path in the view, as its bytes are on disk."""
        return raw(self.path, self.path_b64)

    @property
    def raw_name(self) -> bytes:
        return self.raw_path.rpartition(b"/")[2] or b"/"

    @property
    def modified(self) -> Instant | None:
        return None if self.mtime is None else _instant(self.mtime)

    @property
    def status_changed(self) -> Instant | None:
        return None if self.ctime is None else _instant(self.ctime)

    @property
    def is_directory(self) -> bool:
        return self.type is Kind.DIRECTORY

    @property
    def full_mode(self) -> int:
        """The mode; where it is not known, the type bits that the kind stands for."""
        return _TYPE_BITS[self.type] if self.mode is None else self.mode


class Usage(Struct, frozen=True):
    """Totals of `path` and all below it. `bytes`: the sizes of regular files, each name counted."""

    path: str
    files: int
    directories: int
    others: int
    bytes: int
    allocated: int
    newest_change: str | None = None
    path_b64: str | UnsetType = UNSET


class Rest(Struct, frozen=True):
    """Whether a path is there and rests, with all below it. `confirmed`: settled, and nothing is missing that had happened before this was
    asked. `files_written` are being written; `settles_at` is when it will be settled if nothing happens."""

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


class Change(Struct, frozen=True):
    """Something that happened at a path: `at` is when fusion learnt of it, `kind` is appeared, changed, gone or listed."""

    at: str
    kind: str
    path: str
    via: str
    root: str
    path_b64: str | UnsetType = UNSET


class Refreshed(Struct, frozen=True):
    """A path that was looked at, whether something is there, and how many directories could not be read for it."""

    path: str
    recursive: bool
    exists: bool
    unread: int = 0
    path_b64: str | UnsetType = UNSET


class WrongClaim(Struct, frozen=True):
    """A path of which fusion claimed something else than is there; `kind` says in what."""

    path: str
    kind: str
    path_b64: str | UnsetType = UNSET


class Verified(Struct, frozen=True):
    """How many entries were compared with what is there, and how many claims were wrong, by kind. `bound`: the share of wrong ones that is
    not exceeded with 95 % confidence, or where all were compared (`exact`) the share itself."""

    path: str
    exact: bool
    compared: int
    left_out: int
    wrong: int
    differences: dict[str, int]
    examples: list[WrongClaim]
    bound: float
    statement: str
    path_b64: str | UnsetType = UNSET


class SourcePath(Struct, frozen=True):
    """Where an agent has the source of a root; `boot` is its kernel's boot id, by which a client knows that it runs on the same host."""

    agent: str
    boot: str
    path: str
    path_b64: str | UnsetType = UNSET


class DriftPlace(Struct, frozen=True):
    """A directory of a view in which audits found entries that were not known (`missing`), known ones that were gone (`extra`), and others
    than known (`changed`); the last at `at`."""

    path: str
    missing: int
    extra: int
    changed: int
    at: str
    path_b64: str | UnsetType = UNSET

    @property
    def raw_path(self) -> bytes:
        return raw(self.path, self.path_b64)


class DriftFound(Struct, frozen=True):
    """What audits found otherwise than it was known, and the directories in which most of it was."""

    missing: int = 0
    extra: int = 0
    changed: int = 0
    places: list[DriftPlace] = []


class Root(Struct, frozen=True):
    """A root, as one view has it mounted."""

    root: str
    mount: str
    complete: bool
    as_of: str | None
    conditions: list[Condition]
    snapshot_at: str | None
    audit_at: str | None
    entries: int
    bytes: int
    agents: list[str]
    leader: str | None
    paths: list[SourcePath] = msgspec.field(default_factory=list)
    drift: DriftFound = DriftFound()


class View(Struct, frozen=True):
    """A view, and the names of its roots."""

    view: str
    roots: list[str]


def _instant(text: str) -> Instant:
    """What `parse_instant` reads, faster in the form that fusion writes: a search reads one or two for every entry that it is sent."""
    if len(text) != 30 or text[19] != ".":
        return parse_instant(text)
    return _midnight(text[:10]) + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19]), int(text[20:29])


@lru_cache(maxsize=4096)
def _midnight(date: str) -> int:
    return parse_instant(date)[0]


def raw(text: str, encoded: str | UnsetType) -> bytes:
    """The bytes of a path: those in base64 where it is not UTF-8."""
    return text.encode() if encoded is UNSET else base64.b64decode(encoded)
