"""The guard against a mass loss that is none (DESIGN §3): evidence by which a root would lose too much at once is held back, which is as if
it had not been seen yet. Its path is looked at again after a while, and what that look finds is applied.

Pure, and of one commit, like `totals`. A chain is the list of directories from the root down to the one in which something changes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from fustor_core.evidence import Entry
from fustor_fusion.merge.held import Extent, Held, folded, is_covered
from fustor_fusion.merge.links import inode_of
from fustor_fusion.merge.losses import Losses
from fustor_fusion.merge.nodes import Child, Directory, Inode, Tree
from fustor_fusion.merge.totals import Chain


@dataclass(frozen=True, slots=True)
class GuardRules:
    """When evidence is held back: where a root of more than `min_entries` entries would lose more than the share `max_loss` of them within
    `window`, or a nested mount as a whole. `delay` is how long what is held back waits for its second look. Times are in ns. With a
    `max_loss` of 1 nothing is held back."""

    max_loss: float = 0.5
    min_entries: int = 1000
    window: int = 60_000_000_000
    delay: int = 30_000_000_000


DEFAULT_RULES = GuardRules()


class Guard:
    """Decides within one commit at `now` what is held back, beside what is `held` already; `losses` is what the root has lost lately."""

    def __init__(self, tree: Tree, rules: GuardRules, losses: Losses, held: Mapping[bytes, Held], now: int) -> None:
        self._tree = tree
        self._rules = rules
        self._losses = losses
        self._held = held
        self._now = now
        self._waiting = {each.inode for each in held.values() if each.inode is not None}
        self._seen: set[Inode] = set()
        self._last: tuple[Extent, Inode | None] = (Extent.ITSELF, None)
        self.confirmed = False
        """A second look has said that what the present evidence takes is a loss."""
        self._last_turn = False
        losses.forget(now - rules.window)

    # What the merge tells

    def begin(self, *, confirmed: bool = False) -> None:
        """Another piece of evidence is applied, of which it may be known that what it takes is a loss."""
        self.confirmed = confirmed

    def begin_last_turn(self) -> None:
        """All evidence of the commit has been tried; what was held back is tried once more."""
        self._last_turn = True

    def gone(self, parent: Directory, name: bytes, entry: Entry | None, weight: int) -> None:
        """What stood under a name has gone, with all below it: so many entries."""
        if not self.confirmed:
            self._losses.lose(_inode(entry), (parent.id, name), weight, self._now)

    def came(self, parent: int, name: bytes, entry: Entry, *, live: bool) -> None:
        """Something new stands under a name."""
        inode = inode_of(entry)
        self._losses.come(inode, (parent, name), self._now, live=live)
        if inode in self._waiting:
            self._seen.add(inode)

    # What the merge asks

    def holds(self, chain: Chain, name: bytes, found: Directory | Child, at: int) -> bool:
        """Whether evidence of `at`, by which `found` goes from the last directory of the chain, is held back."""
        parent = chain[-1]
        if isinstance(found, Child):
            entry, weight = found.entry, 1
        else:
            entry, weight = self._tree.own(found).entry, entries_in(found) if at > found.floor else 0
        # That its mount point is none any more may be said behind it.
        nested = entry is not None and entry.mount > 0
        whole_mount = nested and not (self._last_turn and entry is not None and entry.mount == self._mount(parent))
        if self._too_much(weight) and not self._losses.counts(_inode(entry), (parent.id, name), weight):
            weight = 0
        return self._decides(chain, name, at, Extent.ITSELF, weight, _inode(entry), whole_mount=whole_mount)

    def holds_listing(self, chain: Chain, at: int, entries: Mapping[bytes, Entry], lost: Mapping[bytes, Child], known: int) -> bool:
        """Whether a listing of `at` is held back. By it the last directory of the chain holds `entries`; of the children that were `known`
        of it, `lost` go, or all that is below them."""
        if not lost:
            return False
        whole_mount = self._is_whole_mount(chain, entries, known, lost.values())
        weight, largest = 0, None
        if self._too_much(entries_in(chain[-1])):
            weight, largest = self._weigh(chain, at, entries, lost)
        return self._decides(chain, None, at, Extent.LISTING, weight, largest, whole_mount=whole_mount)

    def _decides(
        self, chain: Chain, name: bytes | None, at: int, extent: Extent, weight: int, inode: Inode | None, *, whole_mount: bool
    ) -> bool:
        if not (self._too_much(weight) or (whole_mount and self._rules.max_loss < 1)):
            return False
        if self._was_looked_at_again(_names(chain, name), at):
            self._confirm()
            return False
        self._last = extent, inode
        return True

    def _confirm(self) -> None:
        """A second look says that it is a loss: it is none that what comes after is measured against."""
        self._losses.clear()
        self.confirmed = True

    def _too_much(self, weight: int) -> bool:
        lost = self._losses.count
        size = entries_in(self._tree.root) + lost
        return bool(weight) and size > self._rules.min_entries and lost + weight > self._rules.max_loss * size

    def _weigh(self, chain: Chain, at: int, entries: Mapping[bytes, Entry], lost: Mapping[bytes, Child]) -> tuple[int, Inode | None]:
        """How many entries go by a listing, and which is the largest; renamed within the directory is not gone."""
        directory = chain[-1]
        here = {inode_of(entry) for entry in entries.values()}
        total, most, largest = 0, 0, None
        for name, child in lost.items():
            inode, weight = _inode(child.entry), self._weight_of(directory, name, child, at)
            if inode in here or not self._losses.counts(inode, (directory.id, name), weight):
                continue
            if self._was_looked_at_again(_names(chain, name), at):
                self._confirm()
                continue
            total += weight
            if weight > most:
                most, largest = weight, inode
        return total, largest

    def _weight_of(self, directory: Directory, name: bytes, child: Child, at: int) -> int:
        found = self._tree.lookup(directory, name) if child.directory else None
        if isinstance(found, Directory):
            return entries_in(found) if at > found.floor else 0
        return int(at > max(child.at, directory.listed_at))

    def _is_whole_mount(self, chain: Chain, entries: Mapping[bytes, Entry], known: int, lost: Collection[Child]) -> bool:
        """Whether what goes is all that a nested mount holds: its mount point has gone, or holds something else."""
        foreign = {child.entry.mount for child in lost if child.entry is not None and child.entry.mount > 0}
        if not foreign:
            return False
        own = self._mount(chain[-1])
        if foreign != {own}:
            return True
        top = len(chain) == 1 or self._mount(chain[-2]) != own
        return top and len(lost) == known and all(entry.mount != own for entry in entries.values())

    def _mount(self, directory: Directory) -> int:
        entry = self._tree.own(directory).entry
        return 0 if entry is None else entry.mount

    def _was_looked_at_again(self, names: list[bytes], at: int) -> bool:
        """Whether evidence of `at` about this path, or what is below, comes from a look after the delay."""
        if not self._held:
            return False
        above = (self._held.get(b"/".join(names[:depth])) for depth in range(len(names) + 1))
        return any(each is not None and at > each.since + self._rules.delay for each in above)

    # What remains held

    def hold(self, path: bytes, clean_to: int) -> Held:
        """What is to be remembered of the evidence that was held back last."""
        extent, inode = self._last
        return Held(path, self._now, clean_to, extent, inode)

    def after(self, more: Sequence[Held]) -> Mapping[bytes, Held]:
        """What is held after the commit, that holds `more` back."""
        if not more and not self._seen:
            return self._held
        together = dict(self._held)
        for path, each in self._held.items():
            if each.inode in self._seen:
                together[path] = replace(each, since=min(each.since, self._now - self._rules.delay))
        fresh = [each for each in more if not is_covered(each, together)]
        together.update((each.path, each) for each in fresh)
        return folded(together, self._now) if fresh else together


def _names(chain: Chain, name: bytes | None) -> list[bytes]:
    names = [directory.name for directory in chain[1:]]
    return names if name is None else [*names, name]


def entries_in(directory: Directory) -> int:
    """How many entries go with a directory: itself and all below it."""
    return directory.files + directory.directories + directory.others


def _inode(entry: Entry | None) -> Inode | None:
    return None if entry is None else inode_of(entry)
