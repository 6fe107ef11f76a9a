"""The work that an outbox holds: what is to be looked at, what is to be listed, and what goes first. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from fustor_core.wire import Via


class Priority(IntEnum):
    """What goes first. LIVE is for checks of single paths; the others are for lists of directories.

    AUDIT is what an audit does as a whole: a shallow one, one that was asked for, and what fusion knew otherwise. ROUND is the deep audit
    that goes round for ever, a few directories at a time. DOUBTFUL are those that could not be read, tried again apart from all others,
    because they may hang. UNWATCHED are those of which no event tells.
    """

    LIVE = 1
    ASKED = 2
    SNAPSHOT = 3
    AUDIT = 4
    ROUND = 5
    DOUBTFUL = 6
    UNWATCHED = 7

    @property
    def via(self) -> Via:
        return _VIAS[self]

    @property
    def audits(self) -> bool:
        """Whether it compares what fusion should know already."""
        return self in (Priority.AUDIT, Priority.ROUND)


_VIAS = {Priority.LIVE: Via.LIVE, Priority.SNAPSHOT: Via.SNAPSHOT, Priority.AUDIT: Via.AUDIT, Priority.ROUND: Via.AUDIT}
_VIAS |= dict.fromkeys((Priority.ASKED, Priority.DOUBTFUL, Priority.UNWATCHED), Via.ASKED)

WALKS = (Priority.UNWATCHED, Priority.SNAPSHOT, Priority.AUDIT, Priority.ROUND)
ALL_WALKS = (Priority.ASKED, *WALKS)
"""Work over many directories, that may have to wait; of what is asked for, lists with all below."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Paths to look at, with the times (ns) of their marks. `look` is the number of the look that asked for them, 0 for none. With `first`
    they go before others."""

    paths: Mapping[bytes, int]
    look: int = 0
    priority: Priority = Priority.LIVE
    first: bool = False


@dataclass(frozen=True, slots=True)
class Lists:
    """Directories to list, with all below if `recursive`. `since` is the time (ns) of the mark that they stem from, 0 where they hold
    nothing back. With `glance` they are only looked at, and those that have moved are to be listed then."""

    directories: tuple[bytes, ...]
    recursive: bool
    priority: Priority
    since: int = 0
    look: int = 0
    glance: bool = False


Work = Checks | Lists
