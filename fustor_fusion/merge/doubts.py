"""Where evidence of two agents contradicts within what their clocks may be off: which of them is newer, the stamps cannot tell.

The newest stamp wins all the same; but the path is in doubt until an agent has looked again. Pure, and only reads the tree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fustor_core.clock import slot_of
from fustor_core.evidence import Entry, Evidence, Gone, Listing, Seen
from fustor_core.paths import components, join
from fustor_fusion.merge.nodes import NEVER, Directory, Tree


@dataclass(frozen=True, slots=True)
class Doubt:
    """A path that is to be looked at again; listed with all below where `tree`. What is stamped later than `until` is newer than both that
    contradict each other, what changed before `since` is not in doubt."""

    path: bytes
    since: int
    until: int
    tree: bool = False


class Doubts:
    """What is in doubt by the evidence of one contribution. `errors`: by slots of agents, how far (ns) their stamps may be off; empty where
    nobody can contradict."""

    def __init__(self, tree: Tree, absent_since: Callable[[Directory, bytes], int]) -> None:
        self._tree = tree
        self._absent_since = absent_since
        self._found: dict[bytes, Doubt] = {}
        self.errors: Mapping[int, int] = {}

    def take(self) -> list[Doubt]:
        """What has been found in doubt since the last call."""
        found, self._found = self._found, {}
        return list(found.values())

    def weigh(self, evidence: Evidence) -> None:
        """Compare with what is known. To be called before the evidence is applied."""
        match evidence:
            case Seen(path, at, entry):
                self._weigh_name(path, at, entry)
            case Gone(path, at):
                self._weigh_name(path, at, None)
            case Listing(path, at, entries):
                self._weigh_listing(path, at, entries)

    def weigh_name_in(self, parent: Directory, path: bytes, name: bytes, at: int, entry: Entry | None) -> None:
        """Compare what a listing of `at` says of one name with what is known; None: that it is absent."""
        if self._is_close(parent.at, at):
            self._compare(parent, path, name, at, entry)

    def _weigh_name(self, path: bytes, at: int, entry: Entry | None) -> None:
        if not path:
            if entry is not None and self._tree.own(self._tree.root).entry != entry:
                self._note(path, self._tree.root.stated_at, at)
            return
        above, _, name = path.rpartition(b"/")
        # Of nothing in a directory is there newer evidence than of the directory.
        if (parent := self._directory(above, path, at, exists=entry is not None)) and self._is_close(parent.at, at):
            self._compare(parent, path, name, at, entry)

    def _weigh_listing(self, path: bytes, at: int, entries: Mapping[bytes, Entry]) -> None:
        directory = self._directory(path, path, at, exists=True)
        if directory is None or not self._is_close(directory.at, at):
            return
        children = self._tree.children(directory)
        if not children and max(directory.listed_at, directory.buried_at) == NEVER:
            return  # a first listing: nobody has said anything of what is in it
        for name in children.keys() | entries.keys():
            child, entry = children.get(name), entries.get(name)
            if child is None or entry is None or child.entry != entry:
                self._compare(directory, join(path, name), name, at, entry)

    def _directory(self, path: bytes, of: bytes, at: int, *, exists: bool) -> Directory | None:
        """The directory at `path`, by evidence of the path `of`. Where none is known, that itself may contradict, if `of` is said to
        exist."""
        node = self._tree.root
        for name in components(path):
            found = self._tree.lookup(node, name)
            if not isinstance(found, Directory):
                if exists:
                    self._note(of, self._absent_since(node, name) if found is None else max(found.at, node.listed_at), at, tree=True)
                return None
            found.settle(node.listed_at)
            if at <= found.floor:
                if exists:
                    self._note(of, found.floor, at, tree=True)
                return None
            node = found
        return node

    def _compare(self, parent: Directory, path: bytes, name: bytes, at: int, entry: Entry | None) -> None:
        """`entry` was at `path` at `at`; None: nothing was."""
        found = self._tree.lookup(parent, name)
        if isinstance(found, Directory):
            found.settle(parent.listed_at)
            if entry is None or not entry.is_directory:
                self._note(path, found.at, at, tree=True)
            elif self._tree.own(found).entry != entry:
                self._note(path, found.stated_at, at)
        elif found is not None:
            if found.entry != entry:
                self._note(path, max(found.at, parent.listed_at), at, tree=entry is not None and entry.is_directory)
        elif entry is not None:
            self._note(path, self._absent_since(parent, name), at, tree=entry.is_directory)

    def _is_close(self, known: int, at: int) -> bool:
        """Whether anything that is known up to `known` can be within the error."""
        return at - known <= 2 * max(self.errors.values())

    def _note(self, path: bytes, known: int, at: int, *, tree: bool = False) -> None:
        one, other = self.errors.get(slot_of(known)), self.errors.get(slot_of(at))
        if known == NEVER or one is None or other is None or slot_of(known) == slot_of(at) or abs(at - known) > one + other:
            return
        before = self._found.get(path)
        since, until = min(at, known) - one - other, max(at, known) + one + other
        if before is not None:
            since, until, tree = min(since, before.since), max(until, before.until), tree or before.tree
        self._found[path] = Doubt(path, since, until, tree)
