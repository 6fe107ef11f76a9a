"""What a piece of evidence changes in a tree: the newest evidence about a path wins, and nothing else decides (DESIGN §2).

The outcome depends on the set of evidence alone, not on its order, its repetition, or how it is split into commits;
`changed_at` and `via` excepted.
"""

import stat
from enum import Enum, auto

from fustor_core.digest import listing_digest, sorted_digest
from fustor_core.evidence import Entry, Evidence, Gone, Listing, Same, Seen, Unreadable
from fustor_core.paths import split
from fustor_core.wire import Via
from fustor_fusion.merge.chains import Chains
from fustor_fusion.merge.changes import Changes
from fustor_fusion.merge.doubts import Doubts
from fustor_fusion.merge.drift import DriftKind, FoundDrift
from fustor_fusion.merge.guard import Guard
from fustor_fusion.merge.links import Links
from fustor_fusion.merge.names import Names
from fustor_fusion.merge.nodes import NEVER, Child, Directory, Tree
from fustor_fusion.merge.sweep import Sweep, Sweeps, is_lost
from fustor_fusion.merge.sweeping import Sweeping, SweepStep
from fustor_fusion.merge.totals import Chain, Delta, Totals, is_followed


class Verdict(Enum):
    """What became of a piece of evidence. UNLIKE: a `Same` that is unlike what is known, so that the directory is to be listed. HELD: the
    guard holds it back, and nothing has changed. SWEPT: it is to be applied little by little (`fustor_fusion.merge.sweep`)."""

    APPLIED = auto()
    UNLIKE = auto()
    HELD = auto()
    SWEPT = auto()


class Merge:
    """Evidence applied to one tree within one commit. `via` and `followed_since` are of the contribution that is being applied.

    `followed_since`: a listing from that stamp on makes its directory fresh; None if no listing of this contribution does.
    """

    def __init__(self, tree: Tree, epoch: int, guard: Guard, sweeps: Sweeps) -> None:
        self._tree = tree
        self._guard = guard
        self.totals = Totals(tree, epoch)
        self.followed_since: int | None = None
        self._names = Names(tree, self.totals, guard, sweeps)
        self._chains = Chains(tree, self._names)
        self._sweeps = sweeps
        self.doubts = Doubts(tree, self._names.absent_since)

    @property
    def links(self) -> Links:
        """Which hard links this commit has to do with."""
        return self._names.links

    @property
    def drift(self) -> FoundDrift:
        """What audits found otherwise in this commit."""
        return self._names.drift

    @property
    def changes(self) -> Changes:
        """What this commit changes."""
        return self._names.changes

    @property
    def via(self) -> Via:
        return self._names.via

    @via.setter
    def via(self, via: Via) -> None:
        self._names.via = via

    def apply(self, evidence: Evidence) -> Verdict:
        """Apply one piece of evidence, wholly or not at all."""
        self._guard.begin()
        if isinstance(evidence, Listing):
            return self._listing(evidence)
        self._weigh(evidence)
        match evidence:
            case Same(path, at, digest):
                return Verdict.APPLIED if self._same(path, at, digest) else Verdict.UNLIKE
            case Seen(path, at, entry):
                return Verdict.APPLIED if self._seen(path, at, entry) else Verdict.HELD
            case Gone(path, at):
                return Verdict.APPLIED if self._gone(path, at) else Verdict.HELD
            case Unreadable(path, at, reason):
                self._unreadable(path, at, reason)
        return Verdict.APPLIED

    def sweep(self, sweep: Sweep, limit: int) -> SweepStep:
        """Go on with the application of a large listing, by about so many names."""
        self._guard.begin()
        return Sweeping(self._tree, self._chains, self._names, self._guard, self.doubts, self.totals, self.listed).step(sweep, limit)

    def _weigh(self, evidence: Evidence) -> None:
        if self.doubts.errors:
            self.doubts.weigh(evidence)

    def _gone(self, path: bytes, at: int) -> bool:
        directory, name = split(path)
        if (chain := self._chains.reach(directory, at)) is None:
            return True
        if not self._names.set_absent(chain, name, at, alone=True):
            return False
        self._chains.raise_to(chain, at)
        return True

    def _seen(self, path: bytes, at: int, entry: Entry) -> bool:
        if not path:
            root = self._tree.root
            if at > root.stated_at:
                root.at, root.stated_at = max(root.at, at), at
                self._names.state([root], entry, at)
            return True
        directory, name = split(path)
        if (chain := self._chains.reach(directory, at)) is None:
            return True
        if entry.is_directory:
            self._names.set_directory(chain, name, at, entry)
        elif not self._names.set_leaf(chain, name, at, entry, at, alone=True):
            return False
        self._chains.raise_to(chain, at)
        return True

    def _listing(self, listing: Listing) -> Verdict:
        path, at, entries = listing.path, listing.at, listing.entries
        chain, missing = self._chains.known(path, at)
        if path in self._sweeps.paths or (chain is not None and not missing and self._is_swept(chain[-1], listing)):
            if chain is not None and not missing:
                self.totals.set_watched(chain, False)
            return Verdict.SWEPT
        self._weigh(listing)
        if chain is None:
            return Verdict.APPLIED
        chain = self._chains.made(chain, missing, at)
        directory = chain[-1]
        if at >= directory.at and directory.is_empty:
            self._chains.raise_to(chain, at)
            self._fill(chain, at, entries)
        elif not self._refill(chain, at, entries):
            return Verdict.HELD
        self.listed(chain, at)
        return Verdict.APPLIED

    def _is_swept(self, directory: Directory, listing: Listing) -> bool:
        """Whether to apply the listing would take long."""
        if directory.is_empty and listing.at >= directory.at:
            return False
        is_large = len(listing.entries) >= self._sweeps.large or self._has_many(directory)
        return is_large and self._sweeps.has_room(len(listing.entries))

    def _has_many(self, directory: Directory) -> bool:
        """Whether it holds many names itself."""
        large = self._sweeps.large
        return directory.files + directory.directories + directory.others > large and self._tree.holds(directory, large)

    def _same(self, path: bytes, at: int, digest: bytes) -> bool:
        chain, missing = self._chains.known(path, at)
        if chain is None:
            return True  # dead: there is nothing to compare with, and nothing to ask for
        directory = chain[-1]
        if missing or self._digest(directory) != digest:
            return False
        newest_here = at >= directory.at
        self._chains.raise_to(chain, at)
        if not newest_here:
            children = self._tree.children(directory)
            self._merge_listing(chain, at, {name: child.entry for name, child in children.items() if child.entry is not None}, children)
        self.listed(chain, at)
        return True

    def _unreadable(self, path: bytes, at: int, reason: str) -> None:
        chain, missing = self._chains.known(path, at)
        if chain is None or missing:
            return
        directory = chain[-1]
        if at <= max(directory.listed_at, directory.unreadable_at):
            return
        if directory.unreadable is None:
            delta = Delta()
            delta.unreadable = 1
            self.totals.add(chain, delta)
        directory.unreadable_at, directory.unreadable = at, reason
        self._tree.touch([directory])
        self.totals.set_watched(chain, False)

    def _fill(self, chain: Chain, at: int, entries: dict[bytes, Entry]) -> None:
        """The first listing of a directory, or of an empty one: nothing to compare with."""
        directory = chain[-1]
        ordered = sorted(entries.items())
        below = [(name, entry) for name, entry in ordered if entry.mode & 0o170000 == stat.S_IFDIR]
        delta = Delta()
        leaves = [entry for _, entry in ordered if entry.mode & 0o170000 != stat.S_IFDIR] if below else [*entries.values()]
        delta.leaves(leaves, 1)
        self.links.seen_all(leaves)
        made = {name: self._fill_directory(directory, name, at, entry, delta) for name, entry in below}
        self._tree.fill(directory, ordered, made)
        self._names.came_all(directory, ordered, made)
        directory.filled_at, directory.filled_via = at, self.via
        directory.digest = sorted_digest(ordered)
        self.totals.add(chain, delta)
        if ordered:
            self.totals.changed(chain, at)
            if self.via is Via.AUDIT:
                self.drift.note(chain, DriftKind.MISSING, len(ordered))
            self._names.note_filled(chain, [name for name, _ in ordered])

    def _fill_directory(self, parent: Directory, name: bytes, at: int, entry: Entry, delta: Delta) -> int:
        """Make a directory that is in a first listing, and count it; its id."""
        made = self._tree.make(parent, name)
        made.at = made.stated_at = made.changed_below = at
        made.floor = self._names.absent_since(parent, name)
        made.followed = is_followed(entry)
        self._names.came(parent, name, entry)
        own = Delta()
        own.own(entry, 1)
        self.totals.add([made], own)
        delta.directories += 1
        delta.own(entry, 1)
        return made.id

    def _refill(self, chain: Chain, at: int, entries: dict[bytes, Entry]) -> bool:
        """A listing of a directory of which something is known; False where it is held back."""
        directory = chain[-1]
        # No older than anything known of the directory: afterwards it holds exactly this.
        digest = listing_digest(entries) if at >= directory.at else None
        if digest is None or directory.digest != digest:
            children = self._tree.children(directory)
            lost = {name: child for name, child in children.items() if is_lost(child, entries.get(name))}
            if self._guard.holds_listing(chain, at, entries, lost, len(children)):
                return False
            self._chains.raise_to(chain, at)
            self._merge_listing(chain, at, entries, children)
        else:
            self._chains.raise_to(chain, at)
        if digest is not None:
            directory.digest = digest
        return True

    def _merge_listing(self, chain: Chain, at: int, entries: dict[bytes, Entry], children: dict[bytes, Child]) -> None:
        directory = chain[-1]
        # Where nothing known is newer, a directory with the same attributes needs no look: its parent's `listed_at` stands for its times.
        overtaken = at < directory.at
        own_at = NEVER if at > directory.listed_at else at
        gone = children.keys() - entries.keys()
        if gone:
            self._names.set_all_absent(chain, {name: children[name] for name in gone}, at)
        for name, entry in entries.items():
            child = children.get(name)
            if child is not None and child.entry == entry and not (overtaken and child.directory):
                continue
            if entry.is_directory:
                self._names.set_directory(chain, name, at, entry)
            else:
                self._names.set_leaf(chain, name, at, entry, own_at, alone=False)

    def listed(self, chain: Chain, at: int) -> None:
        """Note that the last directory of the chain has been listed; names that are not there were absent then."""
        tree, directory = self._tree, chain[-1]
        if at > directory.listed_at:
            directory.listed_at = at
            if directory.buried_at > NEVER:
                tree.forget_tombstones(directory, at)
                if directory.buried_at <= at:
                    directory.buried_at = NEVER
            tree.touch([directory])
        if at > directory.unreadable_at:
            self._names.now_readable(chain)
            if self.followed_since is not None and at >= self.followed_since:
                self.totals.set_watched(chain, True)

    def _digest(self, directory: Directory) -> bytes | None:
        """The digest of a directory's children; None while the attributes of one are not known."""
        if directory.digest is None:
            entries: dict[bytes, Entry] = {}
            for name, child in self._tree.children(directory).items():
                if child.entry is None:
                    return None
                entries[name] = child.entry
            directory.digest = listing_digest(entries)
            self._tree.touch([directory])
        return directory.digest
