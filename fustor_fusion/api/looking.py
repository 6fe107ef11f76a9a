"""What makes agents look: refreshing a path, and verifying what fusion claims."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

from aiohttp import web
from msgspec import UNSET, Struct, UnsetType

from fustor_core.errors import NobodyLooks, SessionLost
from fustor_core.http.pipes import condition
from fustor_core.http.problems import Problem
from fustor_core.http.responses import respond
from fustor_core.paths import show
from fustor_core.pipe import PipeState
from fustor_fusion.api import parameters, shapes
from fustor_fusion.api.application import Route
from fustor_fusion.api.ports import Pipes
from fustor_fusion.api.verifying import Lookable, Verification
from fustor_fusion.authorization import READ_VIEW
from fustor_fusion.trust import LiveRoot, Trustworthiness, assess, combine, trust_in
from fustor_fusion.verify import Tally, statement, upper_bound
from fustor_fusion.views import InRoot, View, Views

T = TypeVar("T")

HELD_EVERY: Final = 0.25
"""Seconds between looks at whether an operator has held the pipe that is to look."""


class LookableRoots(Protocol):
    """The roots that there are."""

    def names(self) -> Sequence[str]: ...

    def get(self, name: str) -> Lookable | None: ...


class RefreshShape(Struct, frozen=True):
    """What a refresh looked at, and whether something is there. `unread`: of what was to be looked at, how many directories could not be
    read."""

    path: str
    recursive: bool
    exists: bool
    unread: int
    path_b64: str | UnsetType = UNSET


class ExampleShape(Struct, frozen=True):
    path: str
    kind: str
    path_b64: str | UnsetType = UNSET


class VerifyShape(Struct, frozen=True):
    """What verifying found. `bound`: the share of wrong claims that is not exceeded, with 95 % confidence; 0 of 0 has 1."""

    path: str
    exact: bool
    compared: int
    left_out: int
    wrong: int
    differences: dict[str, int]
    examples: list[ExampleShape]
    bound: float
    statement: str
    path_b64: str | UnsetType = UNSET


def routes(views: Views, roots: LookableRoots, pipes: Pipes) -> list[Route]:
    """The routes that make agents look."""
    looking = _Looking(views, roots, pipes)
    return [
        Route("POST", "/v1/views/{view}/refresh", looking.refresh, READ_VIEW),
        Route("POST", "/v1/views/{view}/verify", looking.verify, READ_VIEW),
    ]


class _Looking:
    """The handlers. One verification runs at a time: it reads as much as the storage bears."""

    def __init__(self, views: Views, roots: LookableRoots, pipes: Pipes) -> None:
        self._views = views
        self._roots = roots
        self._pipes = pipes
        self._verifying = asyncio.Lock()

    async def refresh(self, request: web.Request) -> web.Response:
        """Answers when the agents have looked."""
        asked = parameters.refresh(request.rel_url.raw_query_string)
        places = self._places(request.match_info["view"], asked.path)
        for root, place in places:
            await self._unless_held(root, root.look([place.path], [place.path], recursive=asked.recursive))
        exists, unread = await asyncio.to_thread(_seen, places, recursive=asked.recursive)
        path, encoded = shapes.text(asked.path)
        return await self._answer(RefreshShape(path, asked.recursive, exists, unread, encoded), places)

    async def verify(self, request: web.Request) -> web.Response:
        """Answers when all that was picked has been compared."""
        asked = parameters.verify(request.rel_url.raw_query_string)
        places = self._places(request.match_info["view"], asked.path)
        tally = Tally()
        async with self._verifying:
            for root, place in places:
                tally.add(await self._unless_held(root, Verification(root, place).run(asked.sample)))
        exact = asked.sample is None
        examples = [ExampleShape(text, kind, encoded) for path, kind in tally.examples for text, encoded in [shapes.text(path)]]
        bound = tally.wrong / tally.compared if exact and tally.compared else upper_bound(tally.wrong, tally.compared)
        path, encoded = shapes.text(asked.path)
        figures = (tally.compared, tally.left_out, tally.wrong, dict(tally.kinds), examples, bound, statement(tally, exact=exact))
        return await self._answer(VerifyShape(path, exact, *figures, encoded), places)

    async def _unless_held(self, root: Lookable, work: Coroutine[Any, Any, T]) -> T:
        """What the agent of the root does; NobodyLooks as soon as it does nothing, because its pipe is held or its session has ended."""
        doing = asyncio.ensure_future(work)
        try:
            done: set[asyncio.Future[T]] = set()
            while not done:
                self._check_not_held(root)
                done, _ = await asyncio.wait([doing], timeout=HELD_EVERY)
            return await doing
        except SessionLost as error:
            raise NobodyLooks(f"{error}, so nobody looked: ask again when it is back") from error
        finally:
            doing.cancel()

    def _check_not_held(self, root: Lookable) -> None:
        facts = root.facts()
        pipe = None if facts.pipe is None else self._pipes.get(facts.pipe)
        if pipe is not None and pipe.value is not None and PipeState(pipe.value) & PipeState.PAUSED:
            raise NobodyLooks(f"the pipe {pipe.id} is paused, so nobody can look: `fustor pipe resume {pipe.id}`")

    def _places(self, name: str, path: bytes) -> list[tuple[Lookable, InRoot]]:
        """The roots at or below a path of the view, each with the place in it. Raises Problem."""
        view = self._views.get(name, self._roots.names())
        if view is None:
            raise Problem(404, "no-such-view", f"there is no view {name!r}; there are {', '.join(self._views.names())}")
        found = [(root, place) for place in _in_roots(view, path) if (root := self._roots.get(place.mount.root)) is not None]
        if not found:
            raise Problem(404, "no-such-path", f"the view {name} has no root at or below {show(path)}")
        return found

    async def _answer(self, data: Struct, places: Sequence[tuple[Lookable, InRoot]]) -> web.Response:
        trust = combine(await asyncio.to_thread(_trust, [(root, place, root.live(), root.to_wall(0)) for root, place in places]))
        as_of = None if trust.as_of is None else shapes.wall(trust.as_of)
        meta = shapes.Meta(as_of, trust.complete, [condition(each) for each in trust.conditions], None)
        return respond(shapes.encode({"data": data, "meta": meta}))


def _in_roots(view: View, path: bytes) -> list[InRoot]:
    """The path in each root that it lies in or above."""
    place = view.resolve(path)
    if place is None:
        return []
    return [place] if isinstance(place, InRoot) else [InRoot(mount, b"") for mount in view.below(place.place)]


def _seen(places: Sequence[tuple[Lookable, InRoot]], *, recursive: bool) -> tuple[bool, int]:
    """Whether anything is there, and how many of the directories that were to be looked at could not be read."""
    exists, unread = False, 0
    for root, place in places:
        with root.store.reading() as reading:
            exists = reading.find(place.path) is not None or exists
            trust = reading.trust(place.path)
            unread += trust.unreadable if recursive else trust.unreached
    return exists, unread


def _trust(places: Sequence[tuple[Lookable, InRoot, LiveRoot, int]]) -> list[tuple[str, Trustworthiness]]:
    parts = []
    for root, place, live, epoch in places:
        with root.store.reading() as reading:
            trust = assess(place.path, trust_in(reading, place.path, live), reading.record(), live, epoch.__add__)
            parts.append((place.mount.root, trust))
    return parts
