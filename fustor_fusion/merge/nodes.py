"""The tree that the merge works on: directories, their children, their tombstones, and the port through which a store holds them.

Times are stamps; `NEVER` (-1) stands for one that is not known, so that every stamp is later.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from fustor_core.evidence import Entry
from fustor_core.wire import Via
from fustor_fusion.query import Instant

if TYPE_CHECKING:
    from fustor_fusion.merge.changes import Changes

NEVER = -1
ROOT_ID = 1


@dataclass(slots=True, eq=False)
class Directory:
    """What is known of one directory as a whole.

    `at` is the newest evidence about it or anything below it. `stated_at` belongs to its attributes, `listed_at` to its newest listing.
    `floor` is the newest time at which it was known to be absent or no directory: evidence from below that is not newer is dead. What a
    listing of the parent says is not repeated here: a directory whose `at` is not newer than its parent's `listed_at` was in that
    listing (`settle`). `buried_at` is no older than the newest tombstone in it. `digest` is that of its children, where it is known.

    The totals count all below and the directory itself. `newest` is the latest modification time among all of these. Of `to_list`
    directories that must be listed, `fresh` were, since the watching number `epoch` began; `watched` says whether this one was,
    `followed` whether it must be: a mount point that is not crossed need not.
    Children without a change of their own (`Child.changed_at`) have been as they are since `filled_at`, learnt by `filled_via`.
    `changed_below` is when the directory or anything below it last changed, came or went.
    """

    id: int
    parent: int
    name: bytes
    at: int = NEVER
    stated_at: int = NEVER
    floor: int = NEVER
    listed_at: int = NEVER
    buried_at: int = NEVER
    unreadable_at: int = NEVER
    unreadable: str | None = None
    digest: bytes | None = None
    files: int = 0
    directories: int = 1
    others: int = 0
    bytes: int = 0
    allocated: int = 0
    newest: Instant | None = None
    to_list: int = 0
    fresh: int = 0
    epoch: int = 0
    watched: bool = False
    followed: bool = True
    unreadable_below: int = 0
    filled_at: int = NEVER
    filled_via: Via | None = None
    changed_below: int = NEVER

    @property
    def is_empty(self) -> bool:
        return self.files == 0 and self.others == 0 and self.directories == 1

    def settle(self, parent_listed_at: int) -> None:
        """Take over what the newest listing of the parent says of a directory without newer evidence: it was there, with its attributes."""
        if self.at < parent_listed_at:
            self.at = self.stated_at = parent_listed_at

    def fresh_in(self, epoch: int) -> int:
        """How many of the directories that must be listed were, in this epoch: what was counted in an earlier one is void."""
        return self.fresh if self.epoch == epoch else 0

    def watched_in(self, epoch: int) -> bool:
        """Whether this directory itself was listed in this epoch by an agent that follows it live."""
        return self.watched and self.epoch == epoch


class Child(Struct, frozen=True, gc=False):
    """What is stored under one name of a directory.

    `directory` is the id of the child directory; 0 for anything else. `at` is the newest evidence about anything else; `NEVER` if it is no
    newer than the parent's listing (a directory has its own times). `entry` is None for a directory known only from what lies in it.
    `changed_at` and `via` are None where the parent's `filled_at` and `filled_via` stand for them.
    """

    directory: int
    at: int
    entry: Entry | None
    changed_at: int | None = None
    via: Via | None = None


Inode = tuple[int, int]
"""Which thing a name stands for: `Entry.mount` and `Entry.inode`."""


class Tree(Protocol):
    """Where a merge reads and writes. A Directory that it hands out stays the same object until the commit ends."""

    @property
    def root(self) -> Directory: ...

    def lookup(self, parent: Directory, name: bytes) -> Directory | Child | None:
        """What is stored under `name`: a Directory, a Child that is none, or None."""

    def own(self, directory: Directory) -> Child:
        """What is stored of a directory in its parent; of the root, too."""

    def put_own(self, directory: Directory, child: Child) -> None: ...

    def children(self, parent: Directory) -> dict[bytes, Child]:
        """All children, in a dict of the caller's own."""

    def children_after(self, parent: Directory, after: bytes | None, limit: int) -> list[tuple[bytes, Child]]:
        """At most `limit` children by name in byte order, from the first behind `after`."""

    def child(self, parent: Directory, name: bytes) -> Child | None:
        """What is stored under `name`, whether or not it is a directory."""

    def known(self, parent: Directory, names: Sequence[bytes]) -> dict[bytes, Child]:
        """What is stored under these names, of those under which something is."""

    def holds(self, parent: Directory, count: int) -> bool:
        """Whether the directory has so many children, or more."""

    def put(self, parent: Directory, name: bytes, child: Child) -> None: ...

    def remove(self, parent: Directory, name: bytes) -> None: ...

    def make(self, parent: Directory, name: bytes) -> Directory:
        """A new directory, with an id that none ever had; its Child is put by the caller."""

    def fill(self, parent: Directory, entries: list[tuple[bytes, Entry]], made: dict[bytes, int]) -> None:
        """Put all children of a directory that has none, sorted by name; `made` are the ids of those that are directories.

        Their times, `changed_at` and `via` are left to the directory.
        """

    def detach(self, directory: Directory) -> None:
        """Forget a directory whose Child has been removed, and everything below it, sooner or later."""

    def touch(self, directories: Iterable[Directory]) -> None:
        """These have been changed and are to be kept."""

    def tombstone(self, parent: Directory, name: bytes) -> int:
        """When `name` was last known to be absent; NEVER if there is no tombstone."""

    def bury(self, parent: Directory, name: bytes, at: int) -> None: ...

    def unbury(self, parent: Directory, name: bytes) -> None: ...

    def forget_tombstones(self, parent: Directory, until: int) -> None:
        """Drop the tombstones of a directory that are not newer."""

    def note_links(self, noted: Mapping[Inode, bool]) -> None:
        """Remember that other names of these have to be looked at; True where a name of it has gone (`fustor_fusion.merge.links`)."""

    @property
    def links_noted(self) -> bool:
        """Whether any such are remembered."""

    def record(self, changes: "Changes", at: int) -> None:
        """Add what the commit changes to the feed; `at` is its time."""

    def newest(self, directory: Directory) -> Instant | None:
        """The latest modification time of the directory itself, its children, and (by their `newest`) its directories."""
