"""What becomes of one name in a directory: it is absent, a leaf (anything that is no directory), or a directory, at a time.

A chain is the list of directories from the root down to the one that holds the name.
"""

from collections.abc import Mapping, Sequence

from fustor_core.evidence import Entry
from fustor_core.wire import Via
from fustor_fusion.merge.changes import Changes
from fustor_fusion.merge.drift import DriftKind, FoundDrift
from fustor_fusion.merge.guard import Guard, entries_in
from fustor_fusion.merge.links import Links
from fustor_fusion.merge.nodes import NEVER, Child, Directory, Tree
from fustor_fusion.merge.sweep import Sweeps
from fustor_fusion.merge.totals import Chain, Delta, Totals, is_followed
from fustor_fusion.query import ChangeKind


class Names:
    """Names of one tree, within one commit. `via` is the act by which the evidence that is being applied came to be.

    What is said of a name `alone`, and not in a listing, is held back here where the guard wants that; then nothing is changed.
    """

    def __init__(self, tree: Tree, totals: Totals, guard: Guard, sweeps: Sweeps) -> None:
        self._tree = tree
        self._totals = totals
        self._guard = guard
        self._sweeps = sweeps
        self.via = Via.LIVE
        self.links = Links()
        self.drift = FoundDrift()
        self.changes = Changes()

    def absent_since(self, parent: Directory, name: bytes) -> int:
        """When a name that is not there was last known to be absent."""
        if parent.buried_at <= parent.listed_at:
            return parent.listed_at
        return max(parent.listed_at, self._tree.tombstone(parent, name))

    def set_absent(self, chain: Chain, name: bytes, at: int, *, alone: bool) -> bool:
        """False where that is held back."""
        tree, parent = self._tree, chain[-1]
        found = tree.lookup(parent, name)
        if isinstance(found, Directory):
            found.settle(parent.listed_at)
            if alone and self._guard.holds(chain, name, found, at):
                return False
            if at <= found.at:
                self._was_no_directory([*chain, found], at)
                return True
            self._detach(chain, found, at)
        elif found is not None:
            if at <= max(found.at, parent.listed_at):
                return True
            if alone and self._guard.holds(chain, name, found, at):
                return False
            self._remove_leaf(chain, name, found, at)
        elif at <= self.absent_since(parent, name):
            return True
        # Of a listing its own time says that a name was absent.
        if alone and at > parent.listed_at:
            tree.bury(parent, name, at)
            parent.buried_at = max(parent.buried_at, at)
            tree.touch([parent])
        return True

    def set_all_absent(self, chain: Chain, children: Mapping[bytes, Child], at: int) -> None:
        """A listing of `at` has none of these children. Where a large directory is emptied they are many: what holds no others goes at
        once."""
        parent = chain[-1]
        leaves = []
        for name, child in children.items():
            if child.directory:
                self.set_absent(chain, name, at, alone=False)
            elif child.entry is not None and at > max(child.at, parent.listed_at):
                leaves.append((name, child.entry))
        if leaves:
            self._remove_leaves(chain, leaves, at)

    def set_leaf(self, chain: Chain, name: bytes, at: int, entry: Entry, own_at: int, *, alone: bool) -> bool:
        """False where that is held back. `own_at` is NEVER where `at` is about to become the time of the parent's listing, which then
        stands for it."""
        tree, parent = self._tree, chain[-1]
        found = tree.lookup(parent, name)
        delta = Delta()
        if isinstance(found, Directory):
            found.settle(parent.listed_at)
            if alone and self._guard.holds(chain, name, found, at):
                return False
            if at <= found.at:
                self._was_no_directory([*chain, found], at)
                return True
            self._detach(chain, found, at)
        elif found is not None:
            if at <= max(found.at, parent.listed_at):
                return True
            if found.entry == entry:
                tree.put(parent, name, Child(0, own_at, entry, found.changed_at, found.via))
                return True
            if found.entry is not None:
                delta.leaf(found.entry, -1)
                self.links.replaced(found.entry, entry)
            self._note_drift(chain, DriftKind.CHANGED)
        else:
            if at > self.absent_since(parent, name):
                self.came(parent, name, entry)
                self._add_leaves(chain, [(name, entry)], at, own_at)
                self.changes.note(ChangeKind.APPEARED, chain, name, self.via)
            return True
        if not isinstance(found, Child) or found.entry is None or found.entry.inode != entry.inode:
            self.came(parent, name, entry)
        delta.leaf(entry, 1)
        self.links.seen(entry)
        tree.put(parent, name, Child(0, own_at, entry, at, self.via))
        parent.digest = None
        self._totals.add(chain, delta)
        self._changed(ChangeKind.CHANGED if isinstance(found, Child) else ChangeKind.APPEARED, chain, name, at)
        return True

    def set_all_leaves(self, chain: Chain, entries: Mapping[bytes, Entry], at: int) -> None:
        """A listing of `at` has these. Where little was known of a large directory they are many: what is new goes in at once."""
        parent = chain[-1]
        known = self._tree.known(parent, [*entries])
        new = []
        for name, entry in entries.items():
            if name in known:
                self.set_leaf(chain, name, at, entry, at, alone=False)
            elif at > self.absent_since(parent, name):
                new.append((name, entry))
        if new:
            if self.via is not Via.SNAPSHOT:
                for name, entry in new:
                    self.came(parent, name, entry)
            self._add_leaves(chain, new, at, at)
            self.note_filled(chain, [name for name, _ in new])

    def note_filled(self, chain: Chain, names: Sequence[bytes]) -> None:
        """All these have been found in the last directory of the chain."""
        if self.via is Via.SNAPSHOT:  # a change for each of millions of entries would tell nobody anything, and push out what does
            self.changes.note(ChangeKind.LISTED, chain[:-1], chain[-1].name, self.via)
        else:
            self.changes.note_all(ChangeKind.APPEARED, chain, names, self.via)

    def came(self, parent: Directory, name: bytes, entry: Entry) -> None:
        """Something new stands under a name."""
        self._guard.came(parent.id, name, entry, live=self.via in (Via.LIVE, Via.ASKED))

    def came_all(self, directory: Directory, entries: list[tuple[bytes, Entry]], made: dict[bytes, int]) -> None:
        """All these have, in a directory that was empty; those of `made` have been told of. What a walk finds may have been there for long,
        and is the bulk of what arrives."""
        if self.via in (Via.LIVE, Via.ASKED):
            for name, entry in entries:
                if name not in made:
                    self.came(directory, name, entry)

    def set_directory(self, chain: Chain, name: bytes, at: int, entry: Entry | None) -> Directory | None:
        """The directory that is there after this, None if newer evidence denies it; `entry` is None where only its existence is known."""
        parent = chain[-1]
        found = self._tree.lookup(parent, name)
        if isinstance(found, Directory):
            found.settle(parent.listed_at)
            if at > found.at:
                found.at = at
                self._tree.touch([found])
            if entry is not None and at > max(found.stated_at, found.floor):
                found.stated_at = at
                self.state([*chain, found], entry, at)
            return found
        floor = self.absent_since(parent, name) if found is None else max(found.at, parent.listed_at)
        if at <= floor:
            return None
        if found is not None:
            self._remove_leaf(chain, name, found, at)
        self._unbury(parent, name)
        return self._make(chain, name, at, floor, entry)

    def _make(self, chain: Chain, name: bytes, at: int, floor: int, entry: Entry | None) -> Directory:
        tree, parent = self._tree, chain[-1]
        made = tree.make(parent, name)
        self._note_drift(chain, DriftKind.MISSING)
        made.at, made.floor, made.stated_at = at, floor, NEVER if entry is None else at
        tree.put(parent, name, Child(made.id, NEVER, entry, at, self.via))
        if entry is not None:
            self.came(parent, name, entry)
        delta = Delta()
        delta.own(entry, 1)
        made.followed = is_followed(entry)
        self._totals.add([made], delta)
        delta.directories = 1
        self._totals.add(chain, delta)
        made.changed_below = at
        self._changed(ChangeKind.APPEARED, chain, name, at)
        parent.digest = None
        return made

    def state(self, chain: Chain, entry: Entry | None, at: int) -> None:
        """Give the last directory of the chain other attributes; None takes away what is not known any more."""
        directory = chain[-1]
        own = self._tree.own(directory)
        self._tree.touch([directory])
        if own.entry == entry:
            return
        if own.entry is not None:
            self._note_drift(chain[:-1] or chain, DriftKind.CHANGED)
        delta = Delta()
        delta.own(own.entry, -1)
        delta.own(entry, 1)
        if len(chain) > 1 and entry is not None and (own.entry is None or own.entry.inode != entry.inode):
            self.came(chain[-2], directory.name, entry)
        if directory.watched_in(self._totals.epoch):
            delta.fresh = delta.to_list
        directory.followed = is_followed(entry)
        self._tree.put_own(directory, Child(directory.id, NEVER, entry, at, self.via))
        self._totals.add(chain, delta)
        self._totals.changed(chain, at)
        self.changes.note(ChangeKind.CHANGED, chain[:-1], directory.name, self.via)
        if len(chain) > 1:
            chain[-2].digest = None
            self._sweeps.changed(chain[-2].id, (directory.name,), at)

    def _add_leaves(self, chain: Chain, leaves: Sequence[tuple[bytes, Entry]], at: int, own_at: int) -> None:
        """Put these where nothing is; the caller tells of it."""
        parent, entries = chain[-1], [entry for _, entry in leaves]
        self._note_drift(chain, DriftKind.MISSING, len(leaves))
        delta = Delta()
        delta.leaves(entries, 1)
        self.links.seen_all(entries)
        for name, entry in leaves:
            self._unbury(parent, name)
            self._tree.put(parent, name, Child(0, own_at, entry, at, self.via))
        parent.digest = None
        self._totals.add(chain, delta)
        self._totals.changed(chain, at)
        self._sweeps.changed(parent.id, [name for name, _ in leaves], at)

    def _remove_leaf(self, chain: Chain, name: bytes, found: Child, at: int) -> None:
        assert found.entry is not None  # only a directory can be known without attributes
        self._remove_leaves(chain, [(name, found.entry)], at)

    def _remove_leaves(self, chain: Chain, leaves: Sequence[tuple[bytes, Entry]], at: int) -> None:
        parent, entries = chain[-1], [entry for _, entry in leaves]
        self._note_drift(chain, DriftKind.EXTRA, len(leaves))
        delta = Delta()
        delta.leaves(entries, -1)
        self.links.gone_all(entries)
        for name, entry in leaves:
            self._guard.gone(parent, name, entry, 1)
            self._tree.remove(parent, name)
        parent.digest = None
        self._totals.add(chain, delta)
        self._totals.changed(chain, at)
        names = [name for name, _ in leaves]
        self._sweeps.changed(parent.id, names, at)
        self.changes.note_all(ChangeKind.GONE, chain, names, self.via)

    def _detach(self, chain: Chain, directory: Directory, at: int) -> None:
        self._note_drift(chain, DriftKind.EXTRA, directory.files + directory.directories + directory.others)
        delta = Delta()
        delta.below(directory, self._totals.epoch)
        self._totals.forget(directory)
        self._guard.gone(chain[-1], directory.name, self._tree.own(directory).entry, entries_in(directory))
        self._tree.remove(chain[-1], directory.name)
        self._tree.detach(directory)
        chain[-1].digest = None
        self._totals.add(chain, delta)
        self._changed(ChangeKind.GONE, chain, directory.name, at)

    def _changed(self, kind: ChangeKind, chain: Chain, name: bytes, at: int) -> None:
        self._totals.changed(chain, at)
        self._sweeps.changed(chain[-1].id, (name,), at)
        self.changes.note(kind, chain, name, self.via)

    def _note_drift(self, chain: Chain, kind: DriftKind, entries: int = 1) -> None:
        if self.via is Via.AUDIT:
            self.drift.note(chain, kind, entries)

    def _unbury(self, parent: Directory, name: bytes) -> None:
        if parent.buried_at > NEVER:
            self._tree.unbury(parent, name)

    def _was_no_directory(self, chain: Chain, at: int) -> None:
        """The last directory of the chain exists by newer evidence, but did not at `at`: what is known from before is gone."""
        tree, directory = self._tree, chain[-1]
        if at <= directory.floor:
            return
        directory.floor = at
        tree.touch([directory])
        if directory.stated_at <= at:
            directory.stated_at = NEVER
            self.state(chain, None, directory.at)
        for name, child in tree.children(directory).items():
            if not child.directory:
                if max(child.at, directory.listed_at) <= at:
                    self._remove_leaf(chain, name, child, at)
                continue
            below = tree.lookup(directory, name)
            assert isinstance(below, Directory)
            below.settle(directory.listed_at)
            if below.at <= at:
                self._detach(chain, below, at)
            else:
                self._was_no_directory([*chain, below], at)
        tree.forget_tombstones(directory, at)
        self._forget_listing(chain, at)

    def _forget_listing(self, chain: Chain, at: int) -> None:
        """A listing, or the failure of one, of what was there before says nothing of what is there now."""
        directory = chain[-1]
        if directory.listed_at <= at:
            directory.listed_at = NEVER
            self._totals.set_watched(chain, False)
        if directory.unreadable_at <= at:
            self.now_readable(chain)

    def now_readable(self, chain: Chain) -> None:
        directory = chain[-1]
        if directory.unreadable is None:
            return
        directory.unreadable_at, directory.unreadable = NEVER, None
        delta = Delta()
        delta.unreadable = -1
        self._totals.add(chain, delta)
