"""What an agent answers for itself: that it lives, what its pipes do, and what they are to do. For whoever stands before this host while
fusion cannot be reached."""

import hmac
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from fustor_agent.intent import NothingThere, NotPossible
from fustor_agent.pipe import AgentPipe
from fustor_core.clock import wall
from fustor_core.errors import Forbidden, FustorError, Unidentified
from fustor_core.http import acting, metrics
from fustor_core.http import pipes as shapes
from fustor_core.http.hosts import Hosts, is_loopback
from fustor_core.http.metering import PipeMeter
from fustor_core.http.problems import Problem, of_error, of_http
from fustor_core.http.responses import respond
from fustor_core.rows import to_row
from fustor_core.state import LifecycleState
from fustor_core.times import format_wall

_encode = msgspec.json.Encoder().encode
_VERBS: Final = {verb.value: verb for verb in acting.VERBS}


def build(pipes: Mapping[str, AgentPipe], host: str, key: str | None) -> web.Application:
    """The application for an agent that listens on `host`.

    Who may reach it may read it; to steer a pipe takes the key that the agent has for fusion. Without one only this machine may, and only
    where nobody else can reach the port.
    """
    api = _Api(pipes, key, steerable=key is not None or is_loopback(host))
    application = web.Application(middlewares=[_gate(Hosts(host))])
    for path, handler in (
        ("/livez", api.livez),
        ("/readyz", api.readyz),
        ("/metrics", api.metrics),
        ("/v1/pipes", api.pipes),
        ("/v1/pipes/{id}", api.pipe),
        ("/v1/pipes/{id}/history", api.history),
    ):
        application.router.add_get(path, handler)
    application.router.add_post("/v1/pipes/{id}/{verb}", api.act)
    return application


def _gate(hosts: Hosts) -> Middleware:
    """Lets a request in if it is meant for this server, and makes a problem document of every error."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            hosts.check(request.headers.get("Host"), request.headers.get("Origin"))
            return await handler(request)
        except Problem as problem:
            return problem.response()
        except FustorError as error:
            return of_error(error).response()
        except web.HTTPException as error:
            return of_http(error, request.method, request.path, "pipes are at /v1/pipes").response()

    return gate


class _Api:
    """The handlers."""

    def __init__(self, pipes: Mapping[str, AgentPipe], key: str | None, *, steerable: bool) -> None:
        self._key = key
        self._steerable = steerable
        self._pipes = {pipe.id: pipe for pipe in pipes.values()}
        self._meters = {pipe.id: _metered(pipe) for pipe in pipes.values()}
        self._refusals = {pipe.id: metrics.Refusals(pipe.machine) for pipe in pipes.values()}

    async def livez(self, _: web.Request) -> web.Response:
        return _answer({"live": True})

    async def readyz(self, _: web.Request) -> web.Response:
        """Ready when every pipe is at work."""
        idle = [name for name, pipe in self._pipes.items() if pipe.machine.snapshot.state.lifecycle is not LifecycleState.ACTIVE]
        if idle:
            raise Problem(503, "not-ready", f"not at work: {', '.join(idle)}; /v1/pipes says why", headers={"Retry-After": "1"})
        return _answer({"ready": True})

    async def pipes(self, _: web.Request) -> web.Response:
        return _answer([_shape(pipe) for pipe in self._pipes.values()])

    async def pipe(self, request: web.Request) -> web.Response:
        return _answer(_shape(self._found(request)))

    async def history(self, request: web.Request) -> web.Response:
        return _answer([shapes.transition(to_row(change)) for change in self._found(request).machine.history()])

    async def metrics(self, _: web.Request) -> web.Response:
        views = [_view(pipe) for pipe in self._pipes.values()]
        refusals = {name: refusals.count() for name, refusals in self._refusals.items()}
        body = metrics.exposition(metrics.of_pipes(views, self._meters, refusals, wall()))
        return respond(body, metrics.CONTENT_TYPE)

    async def act(self, request: web.Request) -> web.Response:
        """Take what an operator wants; 202, for the pipe does it when it can."""
        self._check_key(request.headers.get("Authorization"))
        pipe, verb = self._found(request), _VERBS.get(request.match_info["verb"])
        if verb is None:
            raise Problem(
                404, "no-such-verb", f"a pipe does not understand {request.match_info['verb']!r}; it understands {', '.join(_VERBS)}"
            )
        asked = acting.parse(verb, request.rel_url.raw_query_string)
        try:
            await pipe.act(asked.verb, reason=asked.reason, after_halt=asked.after_halt, path=asked.path, shallow=asked.shallow)
        except NotPossible as error:
            raise acting.not_possible(str(error), error.allowed) from error
        except NothingThere as error:
            raise acting.refusal(acting.NO_SUCH_PATH, str(error)) from error
        return _answer(_shape(pipe), status=202)

    def _check_key(self, authorization: str | None) -> None:
        if not self._steerable:
            raise Forbidden("without a key nothing is steered over a network: give the agent a key, or ask on its host", code="key-missing")
        if self._key is None:
            return
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(text.strip().encode("utf-8", "surrogateescape"), self._key.encode()):
            raise Unidentified(
                "this needs the key that the agent has for fusion: send it as `Authorization: Bearer KEY`", code="key-missing"
            )

    def _found(self, request: web.Request) -> AgentPipe:
        pipe = self._pipes.get(request.match_info["id"])
        if pipe is None:
            raise shapes.no_such_pipe(request.match_info["id"], self._pipes)
        return pipe


def _metered(pipe: AgentPipe) -> PipeMeter:
    """A meter of the pipe from its first step on."""
    meter = PipeMeter()
    for change in pipe.machine.history():
        meter.take(to_row(change))
    pipe.machine.subscribe(lambda change: meter.take(to_row(change)))
    return meter


def _view(pipe: AgentPipe) -> shapes.PipeView:
    return shapes.view_of(pipe.machine, "agent", pipe.report())


def _shape(pipe: AgentPipe) -> shapes.PipeShape:
    return shapes.pipe(_view(pipe))


def _answer(data: object, status: int = 200) -> web.Response:
    meta = {"as_of": format_wall(wall()), "complete": True, "conditions": [], "next": None}
    return respond(_encode({"data": data, "meta": meta}), status=status)
