"""The port to where fusion keeps one root: what is known, as evidence left it, and up to where each agent's evidence is committed.

An implementation agrees with the meaning of evidence (DESIGN §2) for any evidence, in any order, repeated, split in any way into batches.
The contract suite in tests/contract runs on every implementation.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from fustor_core.errors import FustorError, StoreDamaged
from fustor_core.evidence import Evidence, Listing
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.doubts import Doubt
from fustor_fusion.merge.drift import Drifts
from fustor_fusion.merge.held import Held
from fustor_fusion.merge.links import Noted
from fustor_fusion.merge.nodes import Inode
from fustor_fusion.merge.sweep import Sweep
from fustor_fusion.query import Change, Filter, Found, Trust, Usage


class OutOfSequence(FustorError):
    """The batch does not follow the last committed one of its agent: open a new session."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One frame of one session, to be committed whole or not at all.

    `watching_since`: what this agent lists from that stamp on is followed live, so it counts as fresh (None for an agent that does not
    lead).
    `begins`, `ends`: a snapshot or an audit begins or ends with this frame; where one begins, `watching_since` becomes the root's.
    `clean_to`: see `fustor_core.wire.Batch`. `errors`: by the slot of each agent that serves the root, how far (ns) its stamps may be off;
    empty where there is only one.
    """

    agent: str
    run: str
    session: str
    sequence: int
    via: Via
    evidence: Sequence[Evidence] = ()
    clean_to: int = 0
    watching_since: int | None = None
    begins: Via | None = None
    ends: Via | None = None
    errors: Mapping[int, int] = field(default_factory=dict)

    @property
    def weight(self) -> int:
        """About how much work it is, in pieces of evidence about one name; what a listing of a directory has is filled in faster."""
        return len(self.evidence) + sum(len(one.entries) for one in self.evidence if isinstance(one, Listing)) // 8


MOST_TOGETHER: Final = 1_000
"""The weight of contributions from which no more are put into a commit: others wait for the whole of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a contribution.

    `problem`: it was out of sequence and nothing of it was applied. `stale`: paths whose evidence was at or below the drop mark, to be read
    again. `unlike`: directories of which a `Same` did not match, to be listed. `doubts`: what contradicts another agent within the error of
    the clocks. `held`: what the guard holds back; its paths are in `RootStore.held`.
    """

    problem: OutOfSequence | None = None
    stale: list[bytes] = field(default_factory=list)
    unlike: list[bytes] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    held: list[Evidence] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of a slice of a large listing. `ended`: that listing has been applied, or is not to be; `held`, `doubts`: see
    `Outcome`."""

    ended: bool = False
    held: list[Evidence] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """What the store remembers of an agent. `slot` is never given to another; `highest` is its highest committed stamp."""

    agent: str
    slot: int
    run: str
    session: str
    sequence: int
    highest: int
    clean_to: int
    identity: Identity | None
    entries: int
    """Entries in the root when the agent last ended a snapshot: how large a loss is measured against."""


@dataclass(frozen=True, slots=True)
class RootRecord:
    """What the store remembers of the root as a whole; stamps on the view clock `clock`, 0 where something never happened.

    `high_water`: no stamp above it was ever given out or committed. `as_of`: every change before it is in the store, for the whole root, as
    it was when the root was last wholly fresh. `writes`: commits since the store is new. `lost`: how many entries the guard counts as lost
    lately, the last of them at `lost_at`.
    """

    clock: str
    high_water: int
    drop_mark: int
    watching_since: int
    watched_by: str
    snapshot_at: int
    audit_at: int
    as_of: int
    writes: int
    lost: int = 0
    lost_at: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, and the opaque cursor after which the next ones follow (None at the end)."""

    entries: list[Found]
    next: str | None


@dataclass(frozen=True, slots=True)
class ChangeSpan:
    """The numbers of the changes that are kept, first and last; where there never was one, 1 and 0."""

    first: int
    last: int


class Reading(Protocol):
    """One consistent state of a root, read by one thread."""

    def record(self) -> RootRecord: ...

    def agents(self) -> list[AgentRecord]: ...

    def find(self, path: bytes) -> Found | None:
        """The entry at `path`; None if the root holds nothing there."""

    def children(self, path: bytes, after: bytes | None, limit: int) -> list[Found]:
        """At most `limit` entries of the directory, by name in byte order, from the first behind `after`; none for what is no directory."""

    def search(self, path: bytes, wanted: Filter, after: str | None, limit: int) -> Page:
        """At most `limit` (1 or more) entries at and below `path` that match, in no promised order, each once over all pages.

        `after` is the `next` of the page before, good across commits; MalformedInput if it is none.
        """

    def usage(self, path: bytes) -> Usage | None: ...

    def drifts(self) -> Drifts:
        """What audits have found otherwise than it was known, since the store is new."""

    def trust(self, path: bytes) -> Trust: ...

    def oldest_listing(self, path: bytes, most: int) -> int | None:
        """When the directory was listed that, of those at and below `path` (or what is above, if it is none), was listed longest ago. None
        where one never was, or there are more than `most` entries to look through."""

    def unlisted(self, limit: int) -> list[bytes]:
        """At most `limit` directories that have to be listed and can be read, but were not since the watching began."""

    def change_span(self) -> ChangeSpan: ...

    def changes(self, after: int, limit: int) -> list[Change]:
        """At most `limit` of the changes that are kept, from the first behind the number `after`."""

    def links(self, limit: int) -> list[Noted]:
        """At most `limit` inodes of which the other names are to be looked at, as they were noted."""

    def names_of(self, inodes: Collection[Inode], *, single: bool) -> dict[Inode, list[Found]]:
        """The names that are known of each, among entries with more than one link; with `single` among the others, which takes a scan of
        the root. Directories have none."""


class RootStore(Protocol):
    """Where one root is kept. Writes come from one thread at a time; readings from any."""

    @property
    def damage(self) -> StoreDamaged | None:
        """What a commit or a reading has found to be wrong with it, until it is opened anew. Safe to ask from any thread."""

    def open_session(self, agent: str, run: str, session: str, identity: Identity, now: int) -> AgentRecord:
        """Begin a session, durably; the record as it was *before* (`run`, `session` empty and `sequence` 0 for a new agent).

        Gives the agent its slot if it has none, and puts it at sequence 0 of `session`, so that frames of any earlier session are out of
        sequence.
        """

    def accept(self, agent: str, identity: Identity) -> None:
        """From here on the root is this to that agent, durably, whatever it was before."""

    def commit(self, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        """Commit what each contribution brings, all in one transaction, in the given order; what became of each.

        `now` is the view clock, `drop_to` the drop mark after this (ignored where it would fall). Raises StoreUnavailable, with nothing
        applied, if it cannot be made durable, and ValueError for a part of a listing: parts are joined before.
        """

    @property
    def sweeping(self) -> Collection[Sweep]:
        """The listings of large directories that have been committed and are still being applied (`fustor_fusion.merge.sweep`): one that
        is lost with the process leaves its directory as not listed. Safe to ask from any thread."""

    def sweep(self, limit: int, now: int) -> Swept:
        """Apply a slice of one of these, of about `limit` names, in a transaction of its own. Raises like `commit`."""

    def reading(self) -> AbstractContextManager[Reading]:
        """Read the last committed state, from any thread, without waiting for a writer."""

    @property
    def last_change(self) -> int:
        """The number of the last committed change. Safe to ask from any thread."""

    @property
    def links_noted(self) -> bool:
        """Whether `Reading.links` may have something. Safe to ask from any thread."""

    @property
    def held(self) -> Collection[Held]:
        """What the guard holds back, until it has been looked at again (`fustor_fusion.merge.guard`). Safe to ask from any thread."""

    def due_held(self, now: int) -> list[Held]:
        """What of it is to be looked at again at `now`. Safe to ask from any thread."""

    def forget_held(self, done: Sequence[Held]) -> None:
        """These have been looked at again, and what was found is committed; what was held back anew since is kept."""

    def hurry_held(self, now: int) -> None:
        """What is held back is due to be looked at again at `now`, whatever the guard's delay."""

    def forget_links(self, done: Sequence[Noted]) -> None:
        """These notes have been dealt with; one that was made anew since is kept."""

    def purge(self, limit: int) -> bool:
        """Remove up to `limit` rows that removed directories left behind; whether there are more."""

    def close(self) -> None: ...
