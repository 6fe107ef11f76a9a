"""A walk over entries that come in any order, as GNU find walks a tree from the top: what -prune cuts off is not met. Pure."""

from contextlib import suppress
from dataclasses import replace

from fustor_fusion.expression.evaluate import evaluator
from fustor_fusion.expression.tree import Expression
from fustor_fusion.expression.visit import Quit, Surroundings, Visit


class Walk:
    """One evaluation of an expression over a tree. Where it prunes, all directories are shown to `scout` before anything to `meet`."""

    def __init__(self, expression: Expression, around: Surroundings) -> None:
        self._min_depth = expression.min_depth
        self._meet = evaluator(expression.root, around)
        self._scout = evaluator(expression.root, replace(around, write=_nowhere))
        self._cut: set[bytes] = set()

    def scout(self, visit: Visit) -> None:
        """Find out whether the directory is pruned; nothing is printed."""
        if visit.depth < self._min_depth:
            return
        # Where the walk will quit is not known before it is made.
        with suppress(Quit):
            self._scout(visit)
        if visit.pruned:
            self._cut.add(visit.path)

    def meet(self, visit: Visit) -> bool:
        """Evaluate the entry and perform its actions, unless it lies below a directory that is pruned. Whether it matches; raises Quit."""
        if visit.depth < self._min_depth or (self._cut and self._is_cut_off(visit)):
            return False
        matches = self._meet(visit)
        if visit.pruned and visit.entry.is_directory:
            self._cut.add(visit.path)
        return matches

    def _is_cut_off(self, visit: Visit) -> bool:
        above = visit.path
        for depth in range(visit.depth - 1, -1, -1):
            above = above.rpartition(b"/")[0] if depth else visit.start
            if above in self._cut:
                return True
        return False


def _nowhere(_: bytes) -> None:
    pass
