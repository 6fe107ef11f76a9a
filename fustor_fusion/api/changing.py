"""A page of the feed of changes of a view. Runs in the threads of the query pool."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fustor_core.http.problems import Problem
from fustor_core.paths import is_below
from fustor_core.times import format_wall
from fustor_fusion.api import cursors, shapes
from fustor_fusion.api.parameters import ChangesAsked
from fustor_fusion.api.scope import OpenRoot, OpenScope, Scope
from fustor_fusion.query import Change, ChangeKind
from fustor_fusion.stores import Reading
from fustor_fusion.views import InRoot, view_path

# One request does a bounded amount of work: then its page ends, short or even empty, and the next one goes on.
_MOST_LOOKED_AT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Fed:
    """A page, whether anything is on it, and where the next one begins."""

    body: bytes
    some: bool
    following: cursors.AfterChanges


def changes(scope: Scope, asked: ChangesAsked) -> Fed:
    """The changes at and below a path, as this view learnt of them, from the first behind a cursor."""
    with OpenScope(scope) as opened:
        path = scope.place.path if isinstance(scope.place, InRoot) else b""
        trust = opened.trust(path, asked)
        roots = [(root, root.reading) for root in opened.roots if root.reading is not None]
        places = {root.mount.root: (reading.record().clock, _begin(root, reading, asked.after)) for root, reading in roots}
        rows: list[shapes.ChangeShape] = []
        for root, change in heapq.merge(*(_window(*each, places[each[0].mount.root][1]) for each in roots), key=_when):
            if len(rows) == asked.limit:
                break
            places[root.mount.root] = (places[root.mount.root][0], change.number)
            if _concerns(change, path):
                rows.append(_row(root, change))
        following = cursors.AfterChanges(places)
        return Fed(shapes.answer(rows, trust, cursors.encode(following)), bool(rows), following)


def _begin(root: OpenRoot, reading: Reading, after: cursors.AfterChanges | str | None) -> int:
    """The number behind which the page begins in one root. Raises Problem (410) where changes are missing since the cursor."""
    span = reading.change_span()
    if after is None:
        return span.first - 1
    if isinstance(after, str):
        return span.last
    clock, number = after.places.get(root.mount.root, (reading.record().clock, 0))
    if clock != reading.record().clock or not span.first - 1 <= number <= span.last:
        raise Problem(
            410,
            "gap",
            f"the root {root.mount.root} does not keep all changes since `after`: list what you need anew, and go on with `after=now` from "
            "before that listing",
        )
    return number


def _window(root: OpenRoot, reading: Reading, after: int) -> Iterator[tuple[OpenRoot, Change]]:
    return ((root, change) for change in reading.changes(after, _MOST_LOOKED_AT))


def _when(each: tuple[OpenRoot, Change]) -> int:
    root, change = each
    return change.at + (root.moment.epoch if root.moment is not None else 0)


def _concerns(change: Change, path: bytes) -> bool:
    """Whether it happened at or below the path: what is gone took what was below it along."""
    return is_below(change.path, path) or (change.kind is ChangeKind.GONE and is_below(path, change.path))


def _row(root: OpenRoot, change: Change) -> shapes.ChangeShape:
    path, path_b64 = shapes.text(view_path(root.mount, change.path))
    return shapes.ChangeShape(format_wall(_when((root, change))), change.kind, path, change.via, root.mount.root, path_b64)
