"""Reads what an open directory holds, and turns it into entries."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from stat import S_IFDIR, S_ISDIR

from fustor_agent.sources.fs.excludes import Excludes
from fustor_agent.sources.fs.identity import folded
from fustor_agent.sources.fs.opening import Opened, Tree
from fustor_agent.sources.fs.plain import ReadPlain, fastest
from fustor_core.evidence import Entry, Listing
from fustor_core.paths import LONGEST_PATH, is_below, join

_BILLION = 1_000_000_000
_LARGEST = 2**63 - 1
_TYPE = 0o170000
_BLOCK = 512
"""What st_blocks counts in, whatever the file system's own blocks are."""
_ENCODING = sys.getfilesystemencoding()
_SORTED_AT_ONCE = 20_000
"""Names that are sorted in one step: all other threads wait for that, two thirds of a second where a million are in no order."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is read of a tree, and what is left out: by pattern, and the directories in which the program keeps its own data."""

    tree: Tree
    excludes: Excludes
    own: frozenset[tuple[int, int]] = frozenset()
    own_paths: tuple[bytes, ...] = ()
    read_plain: ReadPlain = fastest

    def covers(self, directory: bytes) -> bool:
        """Whether `directory`, or any directory above it, is left out."""
        return self.excludes.covers(directory) or any(is_below(directory, own) for own in self.own_paths)

    def key(self, status: os.stat_result) -> int:
        """Which directory this is: no two that exist at the same time have the same key, and on the root's own device it is a small
        number."""
        return status.st_ino + (status.st_dev - self.tree.standing.device << 64)

    def leaves_out_directory(self, path: bytes, status: os.stat_result) -> bool:
        """Whether the directory `path` is left out; the directories above it are not."""
        return (status.st_dev, status.st_ino) in self.own or self.excludes.leaves_out(path, directory=True)


@dataclass(slots=True)
class Contents:
    """What a directory held. `keys` has those of its entries that are directories which can be entered, `mounts` the names of those that
    are not because something else is mounted there; `too_deep` says that some cannot, because their paths are longer than any that can be
    told."""

    entries: dict[bytes, Entry] = field(default_factory=dict)
    keys: dict[bytes, int] = field(default_factory=dict)
    mounts: list[bytes] = field(default_factory=list)
    too_deep: bool = False


class _LeftOut(Exception):
    """A directory that is not to be seen."""


def entry_of(status: os.stat_result, mount: int = 0) -> Entry:
    """The attributes in `status` as an entry."""
    mode, inode, _, nlink, uid, gid, size, *_ = status
    mtime, ctime = status.st_mtime_ns // _BILLION, status.st_ctime_ns // _BILLION
    mtime_ns, ctime_ns = status.st_mtime_ns % _BILLION, status.st_ctime_ns % _BILLION
    return Entry(mode, size, status.st_blocks * _BLOCK, uid, gid, nlink, folded(inode), mtime, mtime_ns, ctime, ctime_ns, mount)


def names_in(descriptor: int) -> list[bytes]:
    """Every name in the directory, as the bytes that it is, in order: digests and stores want them in order, and sorting is cheap only
    where there is little to sort."""
    names = [name.encode(_ENCODING, "surrogateescape") for name in os.listdir(descriptor)]
    if len(names) <= _SORTED_AT_ONCE:
        return sorted(names)
    return list(merge(*(sorted(names[first : first + _SORTED_AT_ONCE]) for first in range(0, len(names), _SORTED_AT_ONCE))))


def read_contents(scope: Scope, opened: Opened, path: bytes, names: Sequence[bytes]) -> Contents:
    """What the open directory `path` holds under `names`; OSError if that cannot be told of every one that is still there."""
    names = scope.excludes.candidates(path, names)
    descriptor, own = opened
    home = scope.tree.home_of(descriptor, own)
    contents = Contents()
    entries, device, stat = contents.entries, own.st_dev, os.stat
    # The one loop that everything waits for: entries are built in place, because a call for each would add a fifth to its time.
    for name in scope.read_plain(descriptor, names, device, home, Entry, entries):
        try:
            status = stat(name, dir_fd=descriptor, follow_symlinks=False)
            mode, inode, its_device, nlink, uid, gid, size, _, mtime, ctime = status
            mount = home
            if mode & _TYPE == S_IFDIR or its_device != device:
                mount = _enter(scope, contents, descriptor, path, name, status)
        except FileNotFoundError:
            continue  # removed since the names were read: that it is gone is as true as that it was there, and the event follows
        except _LeftOut:
            continue
        entries[name] = Entry(
            mode,
            size,
            status.st_blocks * 512,
            uid,
            gid,
            nlink,
            inode if inode <= _LARGEST else folded(inode),
            mtime,  # type: ignore[arg-type] # by position these are whole seconds, which typeshed takes for floats
            status.st_mtime_ns % 1_000_000_000,
            ctime,  # type: ignore[arg-type]
            status.st_ctime_ns % 1_000_000_000,
            mount,
        )
    if scope.excludes.tell_kinds:
        for name in [name for name, entry in entries.items() if not entry.is_directory]:
            if scope.excludes.leaves_out(join(path, name), directory=False):
                del entries[name]
    return contents


def _enter(scope: Scope, contents: Contents, descriptor: int, above: bytes, name: bytes, status: os.stat_result) -> int:
    """The mount number of a directory, or of a file from elsewhere, that is called `name` in `above`; notes it if it can be listed."""
    mount = scope.tree.mount_number(descriptor, name, status)
    if S_ISDIR(status.st_mode):
        path = join(above, name)
        if scope.leaves_out_directory(path, status):
            raise _LeftOut
        if len(path) > LONGEST_PATH:
            contents.too_deep = True
        elif mount >= 0:
            contents.keys[name] = scope.key(status)
        else:
            contents.mounts.append(name)
    return mount


def in_parts(path: bytes, at: int, entries: dict[bytes, Entry], size: int) -> Iterator[Listing]:
    """The listing of `path`, in as many parts as it takes to have at most `size` entries in each."""
    if len(entries) <= size:
        yield Listing(path, at, entries)
        return
    rest = iter(entries.items())
    last = (len(entries) - 1) // size
    for part in range(last + 1):
        yield Listing(path, at, dict(islice(rest, size)), part, part == last)
