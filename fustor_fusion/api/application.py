"""The HTTP interface of fusion (DESIGN §6): routes, and the one gate that every request passes.

Handlers run on the event loop and only look at memory; whatever reads a store runs in a small pool of threads.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from fustor_core.errors import FustorError
from fustor_core.http import pipes as pipe_shapes
from fustor_core.http.hosts import Hosts
from fustor_core.http.problems import Problem, of_error, of_http
from fustor_core.http.responses import respond
from fustor_core.paths import show
from fustor_fusion.api import answers, changing, finding, parameters, resting, shapes
from fustor_fusion.api.ports import Pipes, Readiness, Roots, Sessions
from fustor_fusion.api.scope import NOT_ENOUGH, RootMoment, Scope
from fustor_fusion.authorization import NOBODY, READ_ANY, READ_VIEW, SEE_PIPES, Authorizer, Needs, Principal
from fustor_fusion.news import first_of
from fustor_fusion.settling import DEFAULT_QUIET
from fustor_fusion.views import InRoot, View, Views

log = logging.getLogger(__name__)

PRINCIPAL: Final = web.RequestKey("principal", Principal)
"""Under this key a request holds who asks, on every route that needs to know."""
_ROUTES: Final = "data is below /v1/views, pipes are at /v1/pipes, sessions at /v1/sessions, fusion itself at /v1/host"
A = TypeVar("A", bound=parameters.Asked)


@dataclass(frozen=True, slots=True)
class Route:
    """A route and what it needs; None if nobody need be known."""

    method: str
    path: str
    handler: Handler
    needs: Needs | None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API answers from. `now` is the wall clock in ns, `quiet` for how many ns what is settled has rested."""

    roots: Roots
    views: Views
    pipes: Pipes
    sessions: Sessions
    readiness: Readiness
    now: Callable[[], int] = time.time_ns
    quiet: int = int(DEFAULT_QUIET * 1e9)


def build(
    parts: Parts,
    *,
    authorizer: Authorizer,
    hosts: Hosts,
    extra: Sequence[Route] = (),
    describe: Callable[[Sequence[Route]], Mapping[str, object]] | None = None,
    threads: int = 4,
) -> web.Application:
    """The application. `extra` routes (the WebSockets of agents) pass the same gate; their handlers find `request[PRINCIPAL]`. What
    `describe` makes of all routes is served as /openapi.json."""
    needs: dict[web.AbstractRoute, Needs | None] = {}
    application = web.Application(middlewares=[_gate(needs, authorizer, hosts)])
    pool = ThreadPoolExecutor(threads, thread_name_prefix="query")

    async def close_pool(_: web.Application) -> AsyncIterator[None]:
        yield
        # Whoever closes the stores next must find nobody reading them.
        await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    application.cleanup_ctx.append(close_pool)
    api = _Api(parts, pool)
    application.on_shutdown.append(api.end)
    routes = [*api.routes(), *extra]
    if describe is not None:
        routes.append(_description(routes, describe))
    for route in routes:
        needs[application.router.add_route(route.method, route.path, route.handler)] = route.needs
    return application


def _description(routes: Sequence[Route], describe: Callable[[Sequence[Route]], Mapping[str, object]]) -> Route:
    """The route of the description, which has itself too."""

    async def serve(_: web.Request) -> web.Response:
        return respond(body)

    route = Route("GET", "/openapi.json", serve, NOBODY)
    body = shapes.encode(describe([*routes, route]))
    return route


def _gate(needs: dict[web.AbstractRoute, Needs | None], authorizer: Authorizer, hosts: Hosts) -> Middleware:
    """Lets a request through to its route if its host, origin and key allow it, and makes a problem document of every error."""

    def admit(request: web.Request) -> None:
        headers, match = request.headers, request.match_info
        hosts.check(headers.get("Host"), headers.get("Origin"))
        if match.http_exception is None:
            # A route that declares no needs is a mistake of ours: the KeyError closes it.
            needed = needs[match.route]
            subject = match[needed.subject] if needed is not None and needed.subject else ""
            principal = authorizer.check(needed, headers.get("Authorization"), subject)
            if principal is not None:
                request[PRINCIPAL] = principal

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            admit(request)
            return await handler(request)
        except Exception as error:
            if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
                # Whoever asked has gone, in the middle of a handshake perhaps: this reaches nobody, and is no fault of the handler.
                return web.Response()
            # One request must not take others with it. Where an answer is on its way already, only the connection can be closed.
            if request.writer.output_size or (isinstance(error, web.HTTPException) and error.status < 400):
                raise
            return _problem(error, request).response()

    return gate


def _problem(error: Exception, request: web.Request) -> Problem:
    match error:
        case Problem():
            return error
        case FustorError():
            if (problem := of_error(error)).status >= 500:
                log.error("a request cannot be answered: %s", error, extra={"route": request.path})
            return problem
        case web.HTTPException():
            return of_http(error, request.method, request.path, _ROUTES)
        case _:
            log.error("a request failed", exc_info=error, extra={"route": request.path})
            return Problem(500, "failed", "fusion failed to answer this; its log has the cause. Trying again may help")


class _Api:
    """The handlers."""

    def __init__(self, parts: Parts, pool: ThreadPoolExecutor) -> None:
        self._parts = parts
        self._pool = pool
        self._ending = asyncio.Event()

    async def end(self, _: web.Application) -> None:
        """Whoever waits for something is answered as it is."""
        self._ending.set()

    def routes(self) -> list[Route]:
        reads = [
            Route("GET", "/livez", self.livez, NOBODY),
            Route("GET", "/readyz", self.readyz, NOBODY),
            Route("GET", "/v1/views", self.views, READ_ANY),
            Route("GET", "/v1/views/{view}/roots", self.roots, READ_VIEW),
            Route("GET", "/v1/views/{view}/stat", self._query(parameters.entry, answers.stat), READ_VIEW),
            Route("GET", "/v1/views/{view}/list", self._query(parameters.listing, answers.children), READ_VIEW),
            Route("GET", "/v1/views/{view}/find", self._query(parameters.search, finding.find), READ_VIEW),
            Route("GET", "/v1/views/{view}/usage", self._query(parameters.one, answers.usage), READ_VIEW),
            Route("GET", "/v1/views/{view}/rest", self.rest, READ_VIEW),
            Route("GET", "/v1/views/{view}/changes", self.changes, READ_VIEW),
            Route("GET", "/v1/pipes", self.pipes, SEE_PIPES),
            Route("GET", "/v1/pipes/{id}", self.pipe, SEE_PIPES),
            Route("GET", "/v1/pipes/{id}/history", self.history, SEE_PIPES),
            Route("GET", "/v1/sessions", self.sessions, SEE_PIPES),
        ]
        return reads + [Route("HEAD", route.path, route.handler, route.needs) for route in reads]

    async def livez(self, _: web.Request) -> web.Response:
        return self._own(shapes.Live(True))

    async def readyz(self, _: web.Request) -> web.Response:
        ready, why = self._parts.readiness()
        if not ready:
            raise Problem(503, "not-ready", why, headers={"Retry-After": "1"})
        return self._own(shapes.Ready(True))

    async def views(self, request: web.Request) -> web.Response:
        parameters.none(request.rel_url.raw_query_string)
        principal = request[PRINCIPAL]
        found = [self._view(name) for name in self._parts.views.names() if principal.may("read", name)]
        return self._own([shapes.ViewShape(view.name, [mount.root for mount in view.mounts]) for view in found])

    async def roots(self, request: web.Request) -> web.Response:
        asked = parameters.whole(request.rel_url.raw_query_string)
        return await self._answer(self._view(request.match_info["view"]), asked, answers.roots)

    async def rest(self, request: web.Request) -> web.Response:
        """Answers when the path rests, or when the time is over that was asked for."""
        asked = parameters.rest(request.rel_url.raw_query_string)
        loop, view, since = asyncio.get_running_loop(), self._view(request.match_info["view"]), self._parts.now()
        deadline = loop.time() + asked.wait / 1e9
        while True:
            judged = await self._judged(view, asked, since)
            # An answer that is not as good as demanded may be a moment later.
            pause = resting.SOONEST if isinstance(judged, Problem) else judged.pause
            left = deadline - loop.time()
            if pause is None or left <= 0 or self._ending.is_set():
                if isinstance(judged, Problem):
                    raise judged
                return respond(judged.body)
            await first_of([self._ending], min(pause, left))

    async def _judged(self, view: View, asked: parameters.RestAsked, since: int) -> resting.Judged | Problem:
        """How the path rests; a Problem where that cannot be said as surely as is demanded."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, resting.judge, self._scope(view, asked), asked, since)
        except Problem as problem:
            if problem.slug != NOT_ENOUGH:
                raise
            return problem

    async def changes(self, request: web.Request) -> web.Response:
        """Answers when there is something in the feed, or when the time is over that was asked for."""
        asked = parameters.feed(request.rel_url.raw_query_string)
        loop, view = asyncio.get_running_loop(), self._view(request.match_info["view"])
        deadline = loop.time() + asked.wait / 1e9
        while True:
            scope = self._scope(view, asked)
            roots = [root for mount in scope.mounts if (root := self._parts.roots.get(mount.root)) is not None]
            news = [root.news.next for root in roots]
            fed = await loop.run_in_executor(self._pool, changing.changes, scope, asked)
            left = deadline - loop.time()
            if fed.some or left <= 0 or self._ending.is_set():
                return respond(fed.body)
            seen_all = fed.following == asked.after
            asked = replace(asked, after=fed.following)
            if seen_all:
                await first_of([self._ending, *news], left)

    def _query(self, parse: Callable[[str], A], answer: Callable[[Scope, A], bytes]) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            asked = parse(request.rel_url.raw_query_string)
            return await self._answer(self._view(request.match_info["view"]), asked, answer)

        return handle

    async def _answer(self, view: View, asked: A, answer: Callable[[Scope, A], bytes]) -> web.Response:
        scope = self._scope(view, asked)
        return respond(await asyncio.get_running_loop().run_in_executor(self._pool, answer, scope, asked))

    def _scope(self, view: View, asked: parameters.Asked) -> Scope:
        """What the view has at the path, and the roots that this touches, as they are at this moment: before anything is read."""
        path, quiet = asked.path, self._parts.quiet if asked.quiet is None else asked.quiet
        place = view.resolve(path)
        if place is None:
            names = ", ".join(show(mount.path) for mount in view.mounts) or "nothing yet"
            raise Problem(404, "no-such-path", f"the view {view.name} has nothing at {show(path)}; it holds {names}")
        mounts = [place.mount] if isinstance(place, InRoot) else view.below(place.place)
        return Scope(view, place, mounts, [self._moment(mount.root) for mount in mounts], self._parts.now(), quiet)

    def _moment(self, root: str) -> RootMoment | None:
        access = self._parts.roots.get(root)
        return None if access is None else RootMoment(access.store, access.live(), access.facts(), access.to_wall(0))

    def _view(self, name: str) -> View:
        view = self._parts.views.get(name, self._parts.roots.names())
        if view is None:
            known = ", ".join(self._parts.views.names())
            raise Problem(404, "no-such-view", f"there is no view {name!r}; there are {known}")
        return view

    async def pipes(self, request: web.Request) -> web.Response:
        parameters.none(request.rel_url.raw_query_string)
        return self._own([pipe_shapes.pipe(each) for each in self._parts.pipes.all()])

    async def pipe(self, request: web.Request) -> web.Response:
        parameters.none(request.rel_url.raw_query_string)
        found = self._parts.pipes.get(request.match_info["id"])
        if found is None:
            raise self._no_such_pipe(request.match_info["id"])
        return self._own(pipe_shapes.pipe(found))

    async def history(self, request: web.Request) -> web.Response:
        parameters.none(request.rel_url.raw_query_string)
        rows = self._parts.pipes.history(request.match_info["id"])
        if rows is None:
            raise self._no_such_pipe(request.match_info["id"])
        return self._own([pipe_shapes.transition(row) for row in rows])

    async def sessions(self, request: web.Request) -> web.Response:
        parameters.none(request.rel_url.raw_query_string)
        return self._own([shapes.session(each) for each in self._parts.sessions.all()])

    def _own(self, data: shapes.Single | shapes.Many) -> web.Response:
        return respond(shapes.own(data, self._parts.now()))

    def _no_such_pipe(self, pipe: str) -> Problem:
        return pipe_shapes.no_such_pipe(pipe, (each.id for each in self._parts.pipes.all()))
