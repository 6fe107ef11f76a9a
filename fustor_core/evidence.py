"""Evidence: what an agent saw, and when (DESIGN §2).

`at` is a stamp: nanoseconds on the view clock, taken before the system call that read, unique within a root (its low bits carry the agent's
slot). Paths are relative to the root (`fustor_core.paths`).
"""

import stat
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from fustor_core.errors import MalformedInput
from fustor_core.paths import check_names, check_path

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Nanoseconds = Annotated[int, Meta(ge=0, lt=1_000_000_000)]
Stamp = Natural


class Kind(StrEnum):
    """What an entry is, as queries name it; the finer kinds (fifo, device) are in its mode."""

    FILE = "file"
    DIRECTORY = "dir"
    SYMLINK = "symlink"
    OTHER = "other"


_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


def kind_of(mode: int) -> Kind:
    """The kind that the file type bits of `mode` stand for."""
    return _KINDS.get(stat.S_IFMT(mode), Kind.OTHER)


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """The attributes of one thing in a root, as `lstat` gives them.

    `mode` has the file type bits. `allocated` is in bytes. Times are seconds and nanoseconds apart, because beyond the year 2262 they
    overflow one 64-bit integer. `inode` is the unsigned number folded into 64 signed bits. `mount` is 0 on the file system of the root
    itself, the device number of a nested mount that is followed, and -1 for a mount point below which nothing is followed.
    """

    mode: Natural
    size: Natural
    allocated: Natural
    uid: Natural
    gid: Natural
    nlink: Natural
    inode: Int64
    mtime: Int64
    mtime_ns: Nanoseconds
    ctime: Int64
    ctime_ns: Nanoseconds
    mount: Int64 = 0

    @property
    def kind(self) -> Kind:
        return kind_of(self.mode)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)


class Listing(Struct, frozen=True, array_like=True, tag=1):
    """`path` held exactly `entries` at `at`.

    A huge directory travels in parts with the same path and `at`; the one with `last` completes it.
    """

    path: bytes
    at: Stamp
    entries: dict[bytes, Entry]
    part: Natural = 0
    last: bool = True


class Same(Struct, frozen=True, array_like=True, tag=2):
    """The listing of `path` at `at` has this digest (`listing_digest`)."""

    path: bytes
    at: Stamp
    digest: bytes


class Seen(Struct, frozen=True, array_like=True, tag=3):
    """`path` was `entry` at `at`."""

    path: bytes
    at: Stamp
    entry: Entry


class Gone(Struct, frozen=True, array_like=True, tag=4):
    """`path`, and all below it, was absent at `at`; its parent was a directory."""

    path: bytes
    at: Stamp


class Unreadable(Struct, frozen=True, array_like=True, tag=5):
    """The directory `path` could not be read at `at`: known children stay, and it is not complete."""

    path: bytes
    at: Stamp
    reason: str


Evidence = Listing | Same | Seen | Gone | Unreadable


def check_evidence(evidence: Evidence) -> None:
    """Refuse evidence that no root can give (a path outside of it, impossible names, a root that is gone or no directory)."""
    check_path(evidence.path)
    match evidence:
        case Listing(entries=entries):
            check_names(entries)
        case Seen(path=b"", entry=entry) if not entry.is_directory:
            raise MalformedInput("the root of a tree can only be a directory")
        case Gone(path=b""):
            raise MalformedInput("a root is never reported as gone: that is a fault of the source")
        case _:
            pass
