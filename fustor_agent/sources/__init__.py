"""The port to what an agent reads. A source reads on whichever thread calls it and returns evidence; it never waits for anybody else."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from fustor_core.errors import FustorError
from fustor_core.evidence import Evidence
from fustor_core.wire import Condition, Identity

PERMISSION_DENIED = "permission denied"
"""The reason why something is `Unreadable` that an operator can do most about."""


class Stamps(Protocol):
    """Where the times of evidence come from (`fustor_core.clock.Stamper`)."""

    def take(self) -> int:
        """A stamp that nobody else has, of the present time less the `staleness` of the source. To be taken before the system call that
        reads."""

    def drop(self, at: int) -> None:
        """Nothing with this stamp will be sent."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a reading found. `evidence` is complete in itself; `directories` (paths) are those in it that can be listed, `strangers` the
    ones among them that are not watched although the source watches: they are to be listed with all below."""

    evidence: list[Evidence]
    directories: list[bytes] = field(default_factory=list)
    strangers: list[bytes] = field(default_factory=list)


class CannotWatch(FustorError):
    """Nothing of the source can be watched; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Source(Protocol):
    """Somewhere entries live. Readings raise `RootGone` when the root is not what it was, and nothing else: what cannot be read is evidence
    too."""

    def open(self) -> AbstractContextManager[Identity]:
        """Hold the root open, with what it is; RootGone or ConfigurationError if it cannot be."""

    @property
    def place(self) -> bytes:
        """The path of the root on this host; empty for a source that has none."""

    @property
    def staleness(self) -> float:
        """How many seconds old what the source tells may be (an attribute cache). Whoever makes the stamps subtracts it; the source does
        not."""

    @property
    def remote_writers(self) -> bool:
        """Whether other hosts write there too, of which nothing is noticed here: only listings vouch for such a root then."""

    @property
    def excludes(self) -> list[str]:
        """What is left out, as text that is equal for two agents exactly if they leave out the same."""

    def list(self, path: bytes, stamps: Stamps) -> Look:
        """List one directory (if the source watches: watched before it is read). What is no readable directory is reported as what it
        is."""

    def check(self, paths: Sequence[bytes], stamps: Stamps) -> Look:
        """Look at each path as it is at this moment; for an ancestor that is missing or no directory, that ancestor is reported instead."""

    def verify(self) -> None:
        """Raise RootGone unless the path of the root still leads to the tree that is held open. What was read before this returned is of
        that tree."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What a look at directories alone brought: those that have `moved` since they were last listed, and those `below` which others are
    known, to be looked at next; after so many `looks`."""

    looks: int = 0
    moved: list[bytes] = field(default_factory=list)
    below: list[bytes] = field(default_factory=list)


@runtime_checkable
class Remembering(Source, Protocol):
    """A source that remembers how each directory looked when it was last listed."""

    def glance(self, directory: bytes) -> Glance:
        """Which of the directories in `directory` have moved since, and below which of them others are known. The root is in itself."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """What watching brought. `paths` may have changed; `trees` appeared or were lost sight of, and are to be listed with all below.
    `writing`: files that are being written from here on, are not any more (False), or of which that is not known any more (None). With it,
    everything has been noticed that happened before `to` (local ns); `more` is at hand."""

    paths: list[bytes] = field(default_factory=list)
    trees: list[bytes] = field(default_factory=list)
    overflowed: bool = False
    writing: Mapping[bytes, bool | None] = field(default_factory=dict)
    to: int = 0
    more: bool = False


@runtime_checkable
class Watchable(Protocol):
    """A source that can say what changed, as it changes."""

    def watch(self) -> AbstractContextManager[int]:
        """Begin to watch what is listed from now on; gives the descriptor that becomes readable when there is something to notice.
        Raises CannotWatch."""

    def notice(self) -> Noticed:
        """Take the next events without waiting, so many that it is done in a moment."""

    def unwatched(self, most: int | None = None) -> list[bytes]:
        """The directories whose watch was refused; listing one tries again. Where there are more than `most`, the root stands for all."""

    def conditions(self) -> list[Condition]:
        """What keeps the watching from being whole at the moment (refused watches), with the remedy."""
