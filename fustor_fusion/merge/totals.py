"""Totals of directories, exact after every piece of evidence: each change is added to the directory and all above it.

A chain is the list of directories from the root down to the one in which something changes.
"""

import stat
from collections.abc import Sequence

from fustor_core.evidence import Entry
from fustor_fusion.merge.nodes import Directory, Tree
from fustor_fusion.query import Instant

# The type bits of a mode, compared in place: a call for each entry is what costs most in a first listing.
_TYPE, _REGULAR = 0o170000, stat.S_IFREG

UNFOLLOWED = -1
"""`Entry.mount` of a mount point below which nothing is followed: it need not be listed to be complete."""


Chain = list[Directory]


class Delta:
    """What is to be added to the totals of a chain. `raised` is the latest modification time that came, `lowered` the latest that went."""

    __slots__ = ("allocated", "bytes", "directories", "files", "fresh", "lowered", "others", "raised", "to_list", "unreadable")

    def __init__(self) -> None:
        self.files = self.directories = self.others = self.bytes = self.allocated = self.to_list = self.fresh = self.unreadable = 0
        self.raised: Instant | None = None
        self.lowered: Instant | None = None

    def leaf(self, entry: Entry, sign: int) -> None:
        """Count something that is no directory in (1) or out (-1)."""
        if is_regular(entry):
            self.files += sign
            self.bytes += sign * entry.size
        else:
            self.others += sign
        self._attributes(entry, sign)

    def leaves(self, entries: list[Entry], sign: int) -> None:
        """Count many things that are no directories in or out, at once: first listings are the bulk of what arrives."""
        sizes = [entry.size for entry in entries if entry.mode & _TYPE == _REGULAR]
        self.files += sign * len(sizes)
        self.others += sign * (len(entries) - len(sizes))
        self.bytes += sign * sum(sizes)
        self.allocated += sign * sum([entry.allocated for entry in entries])
        self._instant(latest(entries), sign)

    def own(self, entry: Entry | None, sign: int) -> None:
        """Count what a directory itself brings, by its attributes, in (1) or out (-1)."""
        self.to_list += sign * is_followed(entry)
        if entry is not None:
            self._attributes(entry, sign)

    def below(self, directory: Directory, epoch: int) -> None:
        """Count a directory out, with all below it."""
        self.files -= directory.files
        self.directories -= directory.directories
        self.others -= directory.others
        self.bytes -= directory.bytes
        self.allocated -= directory.allocated
        self.to_list -= directory.to_list
        self.fresh -= directory.fresh_in(epoch)
        self.unreadable -= directory.unreadable_below
        self.lowered = _later(self.lowered, directory.newest)

    def _attributes(self, entry: Entry, sign: int) -> None:
        self.allocated += sign * entry.allocated
        self._instant((entry.mtime, entry.mtime_ns), sign)

    def _instant(self, instant: Instant | None, sign: int) -> None:
        if sign > 0:
            self.raised = _later(self.raised, instant)
        else:
            self.lowered = _later(self.lowered, instant)


class Totals:
    """The sums of one commit in one tree; `epoch` numbers the watching that freshness is counted for."""

    def __init__(self, tree: Tree, epoch: int) -> None:
        self._tree = tree
        self.epoch = epoch
        self._stale: dict[int, tuple[int, Directory]] = {}

    def add(self, chain: Chain, delta: Delta) -> None:
        """Add what changed in the last directory of the chain to all of the chain."""
        self._tree.touch(chain)
        # A file that is written changes these two alone.
        size, allocated = delta.bytes, delta.allocated
        if size or allocated:
            for directory in chain:
                directory.bytes += size
                directory.allocated += allocated
        if delta.files or delta.directories or delta.others:
            for directory in chain:
                directory.files += delta.files
                directory.directories += delta.directories
                directory.others += delta.others
        if delta.to_list or delta.fresh or delta.unreadable:
            self._add_trust(chain, delta)
        if delta.lowered is not None:
            self._lower(chain, delta.lowered)
        if delta.raised is not None:
            self._raise(chain, delta.raised)

    def changed(self, chain: Chain, at: int) -> None:
        """Something in the last directory of the chain, or that directory itself, came to be as it is by evidence of `at`."""
        for directory in reversed(chain):
            if directory.changed_below >= at:
                return  # and so is that of those above
            directory.changed_below = at

    def _add_trust(self, chain: Chain, delta: Delta) -> None:
        for directory in chain:
            directory.to_list += delta.to_list
            directory.unreadable_below += delta.unreadable
            if delta.fresh:
                self._begin_epoch(directory, self.epoch)
                directory.fresh += delta.fresh

    def set_watched(self, chain: Chain, watched: bool) -> None:
        """Record whether the last directory of the chain has been listed by an agent that follows it live."""
        directory = chain[-1]
        if directory.watched_in(self.epoch) == watched:
            return
        self._begin_epoch(directory, self.epoch)
        directory.watched = watched
        delta = Delta()
        delta.fresh = (1 if watched else -1) * directory.followed
        self.add(chain, delta)

    def forget(self, directory: Directory) -> None:
        """A directory is about to go: nothing about it needs to be looked up."""
        self._stale.pop(directory.id, None)

    def put_off(self, chain: Chain) -> None:
        """The latest modification times of the chain are looked up by a later commit (`look_up`); until then they may be too late."""
        for directory in chain:
            self._stale.pop(directory.id, None)

    def look_up(self, chain: Chain) -> None:
        """The latest modification times of the chain are looked up, however they are known."""
        for depth, directory in enumerate(chain):
            self._stale[directory.id] = (depth, directory)

    def finish(self) -> None:
        """Look up the latest modification time again where what had it has gone; deepest first, for each looks at those below."""
        for _, directory in sorted(self._stale.values(), key=lambda marked: -marked[0]):
            if not self._is_newest(directory):
                directory.newest = self._tree.newest(directory)
                self._tree.touch([directory])
        self._stale.clear()

    def _is_newest(self, directory: Directory) -> bool:
        """Whether nothing below a directory is later than that itself, as mostly where something has gone from it: to look at all that it
        holds takes long where that is much."""
        own = self._tree.own(directory).entry
        return own is not None and (own.mtime, own.mtime_ns) == directory.newest

    def _begin_epoch(self, directory: Directory, epoch: int) -> None:
        if directory.epoch != epoch:
            directory.epoch, directory.fresh, directory.watched = epoch, 0, False

    def _lower(self, chain: Chain, instant: Instant) -> None:
        # Until `finish`, `newest` of a marked directory is an upper bound, and never later than that of the directory above.
        for depth in range(len(chain) - 1, -1, -1):
            directory = chain[depth]
            if directory.newest is not None and directory.newest > instant:
                return
            self._stale[directory.id] = (depth, directory)

    def _raise(self, chain: Chain, instant: Instant) -> None:
        for directory in reversed(chain):
            if directory.newest is not None and directory.newest > instant:
                return
            directory.newest = instant
            self._stale.pop(directory.id, None)  # as late as anything that was there: no need to look


def is_followed(entry: Entry | None) -> bool:
    """Whether a directory with these attributes must be listed; one of which nothing is known must."""
    return entry is None or entry.mount != UNFOLLOWED


def is_regular(entry: Entry) -> bool:
    """Whether this is a regular file: of those alone sizes are summed."""
    return entry.mode & _TYPE == _REGULAR


def latest(entries: Sequence[Entry]) -> Instant | None:
    """The latest modification time; None of nothing."""
    if not entries:
        return None
    seconds = max([entry.mtime for entry in entries])
    return seconds, max([entry.mtime_ns for entry in entries if entry.mtime == seconds])


def _later(one: Instant | None, other: Instant | None) -> Instant | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other)
