"""The answers of a view: each takes what was asked, reads the stores, and gives the bytes of the JSON. They run in the threads of the
query pool."""

from collections.abc import Iterable

from fustor_core.evidence import Kind
from fustor_core.http.problems import Problem
from fustor_core.paths import show
from fustor_fusion.api import cursors, shapes
from fustor_fusion.api.parameters import Asked, ListAsked
from fustor_fusion.api.ports import RootFacts
from fustor_fusion.api.scope import OpenRoot, OpenScope, Scope, members
from fustor_fusion.query import Found, Usage
from fustor_fusion.trust import Trustworthiness
from fustor_fusion.views import InRoot, Synthetic

IMPLIED = Found(b"", Kind.DIRECTORY, None, 0, "")
"""A root of which nothing was seen yet: its mount is there all the same."""
_NOTHING = Usage(0, 0, 0, 0, 0, None)
_DIRECTORY = Usage(0, 1, 0, 0, 0, None)


def stat(scope: Scope, asked: Asked) -> bytes:
    """One entry."""
    with OpenScope(scope) as opened:
        if isinstance(scope.place, Synthetic):
            return shapes.answer(shapes.synthetic(scope.place), opened.trust(b"", asked))
        [root] = opened.roots
        trust = opened.trust(scope.place.path, asked)
        return shapes.answer(root.shape(entry_at(root, scope.place, trust)), trust)


def children(scope: Scope, asked: ListAsked) -> bytes:
    """A page of what a directory holds, by name in byte order."""
    with OpenScope(scope) as opened:
        if isinstance(scope.place, Synthetic):
            return _synthetic_children(opened, scope.place, asked)
        [root] = opened.roots
        trust = opened.trust(scope.place.path, asked)
        found = entry_at(root, scope.place, trust)
        if found.kind is not Kind.DIRECTORY:
            where = show(scope.place.view_path)
            raise Problem(400, "not-a-directory", f"{where} is no directory ({found.kind}): ask for it with `stat`", members(trust))
        page = root.reading.children(found.path, asked.after, asked.limit + 1) if root.reading is not None else []
        following = None
        if len(page) > asked.limit:
            page.pop()
            following = cursors.encode(cursors.AfterName(page[-1].path.rpartition(b"/")[2]))
        return shapes.answer([root.shape(each) for each in page], trust, following)


def usage(scope: Scope, asked: Asked) -> bytes:
    """The totals of a path and all below it; the directories of the view itself count as directories."""
    with OpenScope(scope) as opened:
        if isinstance(scope.place, Synthetic):
            trust = opened.trust(b"", asked)
            above = [_DIRECTORY] * len(scope.view.synthetic_below(scope.place.place))
            return shapes.answer(shapes.usage(scope.place.view_path, _sum([*above, *map(_whole, opened.roots)])), trust)
        [root] = opened.roots
        trust = opened.trust(scope.place.path, asked)
        totals = _whole(root) if not scope.place.path else root.reading.usage(scope.place.path) if root.reading is not None else None
        if totals is None:
            raise no_such_path(scope.place, trust)
        return shapes.answer(shapes.usage(scope.place.view_path, totals), trust)


def roots(scope: Scope, asked: Asked) -> bytes:
    """The roots of a view."""
    with OpenScope(scope) as opened:
        trust = opened.trust(b"", asked)
        return shapes.answer([_root(each) for each in opened.roots], trust)


def entry_at(root: OpenRoot, place: InRoot, trust: Trustworthiness) -> Found:
    """What the root holds at `place`. Raises Problem (404) if that is nothing."""
    found = root.reading.find(place.path) if root.reading is not None else None
    if found is None and place.path:
        raise no_such_path(place, trust)
    return found or IMPLIED


def no_such_path(place: InRoot, trust: Trustworthiness) -> Problem:
    """Nothing is known at `place`: how far that can be trusted is said too."""
    unsure = "" if trust.complete else "; but what is known of it is not complete: see conditions"
    return Problem(404, "no-such-path", f"the root {place.mount.root} holds nothing at {show(place.view_path)}{unsure}", members(trust))


def _synthetic_children(opened: OpenScope, place: Synthetic, asked: ListAsked) -> bytes:
    trust = opened.trust(b"", asked)
    names = [name for name in place.names if asked.after is None or name > asked.after]
    page = [_named(opened, place, name) for name in names[: asked.limit]]
    following = cursors.encode(cursors.AfterName(names[asked.limit - 1])) if len(names) > asked.limit else None
    return shapes.answer(page, trust, following)


def _named(opened: OpenScope, place: Synthetic, name: bytes) -> shapes.EntryShape:
    """What a directory of the view holds by this name: a root, or a further directory of the view."""
    below = opened.scope.view.resolve(place.view_path + b"/" + name)
    if isinstance(below, Synthetic):
        return shapes.synthetic(below)
    for root in opened.roots:
        if below is not None and root.mount == below.mount:
            return root.shape((root.reading.find(b"") if root.reading is not None else None) or IMPLIED)
    raise AssertionError("a view names only directories of its own and roots")


def _whole(root: OpenRoot) -> Usage:
    """The totals of a root; the directory where it is mounted counts even if nothing of the root is known."""
    totals = root.reading.usage(b"") if root.reading is not None else None
    return totals or _DIRECTORY


def _sum(parts: Iterable[Usage]) -> Usage:
    total = _NOTHING
    for part in parts:
        newest = max((each for each in (total.newest, part.newest) if each is not None), default=None)
        total = Usage(
            total.files + part.files,
            total.directories + part.directories,
            total.others + part.others,
            total.bytes + part.bytes,
            total.allocated + part.allocated,
            newest,
        )
    return total


def _root(root: OpenRoot) -> shapes.RootShape:
    if root.moment is None or root.reading is None:
        return shapes.root(root.mount, root.trust(b""), _NOTHING, None, RootFacts(), 0)
    totals = root.reading.usage(b"") or _NOTHING
    reading, moment = root.reading, root.moment
    return shapes.root(root.mount, root.trust(b""), totals, reading.record(), moment.facts, moment.epoch, reading.drifts())
