"""A search over a part of a view: first the directories of the view itself and the tops of its roots, by path, then what lies in each
root, by mount.

The top of a root is found here and not by its store, because its name is that of the mount.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fustor_core import globs
from fustor_core.evidence import Kind
from fustor_core.paths import components
from fustor_fusion.api import cursors, shapes
from fustor_fusion.api.answers import IMPLIED, entry_at
from fustor_fusion.api.parameters import FindAsked
from fustor_fusion.api.scope import OpenRoot, OpenScope, Scope
from fustor_fusion.query import Filter, Found
from fustor_fusion.stores import Reading
from fustor_fusion.views import InRoot, Synthetic

# One request does a bounded amount of work: then its page ends, short or even empty, and the next one goes on.
_MOST_CALLS: Final = 100
_MOST_LOOKED_AT: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Top:
    """A directory of the view itself, or the top of a root. `depth` counts from what is searched."""

    path: bytes
    depth: int
    found: Found
    row: shapes.EntryShape
    empty: bool


@dataclass(frozen=True, slots=True)
class _Tree:
    """What is to be searched in one root."""

    root: OpenRoot
    reading: Reading
    path: bytes
    wanted: Filter

    @property
    def place(self) -> bytes:
        return self.root.mount.place


def find(scope: Scope, asked: FindAsked) -> bytes:
    """A page of the entries at and below a path that match, in no promised order; a page may be shorter than its limit and have a next
    one."""
    with OpenScope(scope) as opened:
        place = scope.place
        trust = opened.trust(place.path if isinstance(place, InRoot) else b"", asked)
        if isinstance(place, InRoot):
            entry_at(opened.roots[0], place, trust)
        page = _Page(asked)
        following = page.fill(list(_tops(opened)), list(_trees(opened, _stores_part(asked))))
        return shapes.answer(page.rows, trust, None if following is None else cursors.encode(following))


class _Page:
    """One page as it fills."""

    def __init__(self, asked: FindAsked) -> None:
        self.rows: list[shapes.EntryShape] = []
        self._asked = asked
        self._calls = 0
        self._looked_at = 0

    def fill(self, tops: Sequence[_Top], trees: Sequence[_Tree]) -> cursors.FindCursor | None:
        """Fill the page, and say where the next one begins; None at the end."""
        after = self._asked.after
        if after is None or isinstance(after, cursors.AfterDirectory):
            following = self._take_tops([top for top in tops if after is None or top.path > after.path])
            if following is not None and (following.path != tops[-1].path or trees):
                return following
        trees = [tree for tree in trees if _is_ahead(tree, after)]
        for tree in trees:
            cursor = after.cursor if isinstance(after, cursors.Inside) and after.place == tree.place else None
            rest = self._take_tree(tree, cursor)
            if rest is not None:
                return cursors.Inside(tree.place, rest)
            if self._ended and tree is not trees[-1]:
                return cursors.AfterRoot(tree.place)
        return None

    @property
    def _ended(self) -> bool:
        # What the store found is sifted here once more. The last rows of a page would then cost a call each: half a page is a page too.
        enough = self._asked.limit if self._asked.empty is None and self._asked.settled is None else (self._asked.limit + 1) // 2
        return len(self.rows) >= enough or self._calls >= _MOST_CALLS or self._looked_at >= _MOST_LOOKED_AT

    def _take_tops(self, tops: Sequence[_Top]) -> cursors.AfterDirectory | None:
        matches = _matcher(self._asked.wanted)
        for top in tops:
            if matches(top) and self._asked.empty in (None, top.empty) and self._asked.settled in (None, top.row.settled):
                self.rows.append(top.row)
                if self._ended:
                    return cursors.AfterDirectory(top.path)
        return None

    def _take_tree(self, tree: _Tree, cursor: str | None) -> str | None:
        """Take from one root until the page ends; the store's cursor if there is more."""
        while True:
            page = tree.reading.search(tree.path, tree.wanted, cursor, self._asked.limit - len(self.rows))
            self._calls += 1
            self._looked_at += len(page.entries)
            for found in page.entries:
                if self._asked.empty is None or _is_empty(tree.reading, found) is self._asked.empty:
                    row = tree.root.shape(found)
                    if self._asked.settled in (None, row.settled):
                        self.rows.append(row)
            cursor = page.next
            if cursor is None or self._ended:
                return cursor


def _is_ahead(tree: _Tree, after: cursors.FindCursor | None) -> bool:
    match after:
        case cursors.Inside(place=place):
            return tree.place >= place
        case cursors.AfterRoot(place=place):
            return tree.place > place
        case _:
            return True


def _tops(opened: OpenScope) -> Iterator[_Top]:
    """By path, the directories that are found without their stores."""
    place = opened.scope.place
    if isinstance(place, InRoot):
        if not place.path:
            yield _root_top(opened.roots[0], 0)
        return
    start = len(components(place.place))
    found = [_own_top(each, len(components(each.place)) - start) for each in opened.scope.view.synthetic_below(place.place)]
    found += [_root_top(root, len(components(root.mount.place)) - start) for root in opened.roots]
    yield from sorted(found, key=lambda top: top.path)


def _own_top(directory: Synthetic, depth: int) -> _Top:
    return _Top(directory.view_path, depth, IMPLIED, shapes.synthetic(directory), empty=not directory.names)


def _root_top(root: OpenRoot, depth: int) -> _Top:
    found = (root.reading.find(b"") if root.reading is not None else None) or IMPLIED
    empty = root.reading is None or _is_empty(root.reading, found)
    return _Top(root.mount.path, depth, found, root.shape(found), empty)


def _trees(opened: OpenScope, wanted: Filter) -> Iterator[_Tree]:
    """By mount, what the stores have to search. What a store calls depth 0 is deeper in the view, and the top of a root was found
    already."""
    place = opened.scope.place
    if isinstance(place, InRoot) and place.path:
        [root] = opened.roots
        if root.reading is not None:
            yield _Tree(root, root.reading, place.path, wanted)
        return
    start = len(components(place.place)) if isinstance(place, Synthetic) else len(components(place.mount.place))
    for root in opened.roots:
        depth = len(components(root.mount.place)) - start
        deepest = None if wanted.max_depth is None else wanted.max_depth - depth
        if root.reading is not None and (deepest is None or deepest > 0):
            yield _Tree(root, root.reading, b"", replace(wanted, min_depth=max(1, wanted.min_depth - depth), max_depth=deepest))


def _stores_part(asked: FindAsked) -> Filter:
    """What a store can sift: of the empty ones only files and directories are wanted."""
    if not asked.empty:
        return asked.wanted
    kinds = (asked.wanted.kinds or frozenset(Kind)) & {Kind.FILE, Kind.DIRECTORY}
    return replace(asked.wanted, kinds=kinds, max_size=0 if kinds == {Kind.FILE} else asked.wanted.max_size)


def _is_empty(reading: Reading, found: Found) -> bool:
    """As `find -empty` has it: a regular file without bytes, or a directory without entries."""
    if found.kind is Kind.DIRECTORY:
        return not reading.children(found.path, None, 1)
    return found.kind is Kind.FILE and found.entry is not None and found.entry.size == 0


def _matcher(wanted: Filter) -> Callable[[_Top], bool]:
    """Whether a directory found here is wanted; of attributes that are not known nothing is true."""
    patterns = [globs.compile(wanted.name)] if wanted.name is not None else []
    if wanted.iname is not None:
        patterns.append(globs.compile(wanted.iname, ignore_case=True))
    of_attributes = (wanted.min_size, wanted.max_size, wanted.newer, wanted.older, wanted.uid)

    def matches(top: _Top) -> bool:
        name = top.path.rpartition(b"/")[2] or b"/"
        if wanted.kinds is not None and top.found.kind not in wanted.kinds:
            return False
        if top.depth < wanted.min_depth or (wanted.max_depth is not None and top.depth > wanted.max_depth):
            return False
        if not all(pattern(name) for pattern in patterns):
            return False
        return all(each is None for each in of_attributes) or _attributes_match(wanted, top.found)

    return matches


def _attributes_match(wanted: Filter, found: Found) -> bool:
    entry = found.entry
    if entry is None:
        return False
    mtime = (entry.mtime, entry.mtime_ns)
    checks = (
        wanted.min_size is None or entry.size >= wanted.min_size,
        wanted.max_size is None or entry.size <= wanted.max_size,
        wanted.newer is None or mtime > wanted.newer,
        wanted.older is None or mtime < wanted.older,
        wanted.uid is None or entry.uid == wanted.uid,
    )
    return all(checks)
