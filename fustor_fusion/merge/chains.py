"""Ways through a tree: the directories from the root down to a path, as far as evidence of a time leads along them."""

from fustor_core.paths import components
from fustor_fusion.merge.names import Names
from fustor_fusion.merge.nodes import Directory, Tree
from fustor_fusion.merge.totals import Chain


class Chains:
    """The chains of one tree, within one commit."""

    def __init__(self, tree: Tree, names: Names) -> None:
        self._tree = tree
        self._names = names

    def known(self, path: bytes, at: int) -> tuple[Chain | None, list[bytes]]:
        """The directories on the way to `path` that are known, and the names that are not; None if newer evidence says that it was none."""
        tree = self._tree
        node = tree.root
        chain = [node]
        names = components(path)
        for depth, name in enumerate(names):
            found = tree.lookup(node, name)
            if isinstance(found, Directory):
                found.settle(node.listed_at)
                if at <= found.floor:
                    return None, []
                chain.append(found)
                node = found
                continue
            if at <= (self._names.absent_since(node, name) if found is None else max(found.at, node.listed_at)):
                return None, []
            return chain, names[depth:]
        return chain, []

    def standing(self, path: bytes) -> Chain:
        """The directories on the way to `path` that there are, by whatever evidence."""
        node = self._tree.root
        chain = [node]
        for name in components(path):
            found = self._tree.lookup(node, name)
            if not isinstance(found, Directory):
                break
            chain.append(found)
            node = found
        return chain

    def made(self, chain: Chain, missing: list[bytes], at: int) -> Chain:
        """The chain with the directories that it is missing, by evidence of `at` for them."""
        for name in missing:
            made = self._names.set_directory(chain, name, at, None)
            assert made is not None  # `known` found nothing that is newer
            chain.append(made)
        return chain

    def reach(self, path: bytes, at: int) -> Chain | None:
        """The directories from the root to `path`, made where they are not known yet; None if newer evidence says that there was none."""
        chain, missing = self.known(path, at)
        return None if chain is None else self.made(chain, missing, at)

    def raise_to(self, chain: Chain, at: int) -> None:
        """All of the chain were there at `at`."""
        for directory in chain:
            if at > directory.at:
                directory.at = at
        self._tree.touch(chain)
