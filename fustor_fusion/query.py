"""What a query asks of a root, and what an answer holds: plain values, no I/O."""

from dataclasses import dataclass
from enum import StrEnum

from fustor_core.evidence import Entry, Kind

Instant = tuple[int, int]
"""A time of a file system: seconds since 1970 and nanoseconds."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries a search wants; what is None is not asked for.

    `name` and `iname` are shell patterns (`fustor_core.globs`) on the last component, `newer` and `older` compare the modification time
    (strictly), depths count from the path that is searched (0 is that path itself).
    """

    name: bytes | None = None
    iname: bytes | None = None
    kinds: frozenset[Kind] | None = None
    min_size: int | None = None
    max_size: int | None = None
    newer: Instant | None = None
    older: Instant | None = None
    uid: int | None = None
    min_depth: int = 0
    max_depth: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One entry as a root knows it. `entry` is None for a directory known only from what lies in it.

    `changed_at` is the stamp at which the entry last changed in this root, `via` by which act that was learnt; `changed_below` that at
    which it or anything below it did, or came, or went. `fresh`: its directory, or if it is one all below it, was listed since an agent
    that follows it began to. `newest` is the latest modification time of a directory and all below it, `listed_at` when something that is
    no directory was last known to be as it is.
    """

    path: bytes
    kind: Kind
    entry: Entry | None
    changed_at: int
    via: str
    changed_below: int = 0
    fresh: bool = False
    newest: Instant | None = None
    listed_at: int = 0


class ChangeKind(StrEnum):
    """What happened at a path. What is gone took everything below it along; where a snapshot listed a directory for the first time, that
    (LISTED) stands for the appearance of all that it holds."""

    APPEARED = "appeared"
    CHANGED = "changed"
    GONE = "gone"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a root. Numbers have no gaps, but for one where commits may have been lost; `at` is the stamp of the commit that made
    it, so later ones have no earlier one."""

    number: int
    at: int
    kind: ChangeKind
    via: str
    path: bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals of a path and all below it. `bytes` is the sum of the sizes of regular files, each name counted; `newest` the latest
    modification time of anything counted; None if nothing counted has attributes."""

    files: int
    directories: int
    others: int
    bytes: int
    allocated: int
    newest: Instant | None


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a root's store itself vouches for a path and all below it.

    `fresh`: every directory there, and on the way there, was listed since the watching that the store was told of began. `unreadable`
    directories there, or on the way there, could not be read; `unreached` of these are the path itself (for what is no directory: the one
    that it is in) and those above it. `listed_at`: when the directory itself was last listed (for anything else: its parent); None if
    never.
    `oldest`: when the one was, of all directories there, that was listed longest ago; None if that is not known.
    """

    fresh: bool
    unreadable: int
    listed_at: int | None
    oldest: int | None = None
    unreached: int = 0
