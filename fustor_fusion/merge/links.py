"""Hard links: a change through one name of a file raises no event at its other names, so they are looked at where evidence shows a change.

Two acts. A commit notes each inode of which a name came, went or changed. Later, with all names at hand that are known of it, `to_look`
decides whether they can all be right. What looking finds is evidence like any other: where it changes nothing, nothing is noted, so this
ends as soon as the file rests.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fustor_core.evidence import Entry
from fustor_fusion.merge.nodes import Inode
from fustor_fusion.query import Found


def inode_of(entry: Entry) -> Inode:
    """Which thing an entry is a name of."""
    return entry.mount, entry.inode


@dataclass(frozen=True, slots=True)
class Noted:
    """A note that a store keeps: `gone` says that a name of the inode has gone, `number` grows with each note of it."""

    inode: Inode
    gone: bool
    number: int


class Links:
    """The inodes with several names that one commit has to do with."""

    __slots__ = ("noted",)

    def __init__(self) -> None:
        self.noted: dict[Inode, bool] = {}

    def seen(self, entry: Entry) -> None:
        """A name has come, or has other attributes than before."""
        if entry.nlink > 1:
            self.noted.setdefault(inode_of(entry), False)

    def seen_all(self, entries: Iterable[Entry]) -> None:
        """Many names have come."""
        for inode in [inode_of(entry) for entry in entries if entry.nlink > 1]:
            self.noted.setdefault(inode, False)

    def gone(self, entry: Entry) -> None:
        """A name has gone."""
        if entry.nlink > 1:
            self.noted[inode_of(entry)] = True

    def gone_all(self, entries: Iterable[Entry]) -> None:
        """Many names have gone."""
        self.noted.update([(inode_of(entry), True) for entry in entries if entry.nlink > 1])

    def replaced(self, old: Entry, new: Entry) -> None:
        """A name has come to stand for something else, or to be the only one."""
        if inode_of(old) != inode_of(new) or new.nlink == 1:
            self.gone(old)


def lacks_names(names: Sequence[Found]) -> bool:
    """Whether an inode should have more names than these, which are those known to have company."""
    return not names or any(found.entry is not None and found.entry.nlink > len(names) for found in names)


def to_look(noted: Iterable[Noted], names: Mapping[Inode, Sequence[Found]]) -> list[bytes]:
    """The paths that cannot all be right, to be looked at again.

    All names of a file have the same attributes. Those of one that has lost a name tell of that only once they have been read since.
    """
    paths: list[bytes] = []
    for note in noted:
        known = names.get(note.inode, ())
        alike = len({found.entry for found in known}) <= 1
        if note.gone or not alike:
            paths += [found.path for found in known]
    return paths
