"""What an agent answers for itself: that it lives, and what its pipes do. For whoever stands before this host while fusion cannot be
reached."""

from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from fustor_agent.pipe import AgentPipe
from fustor_core.clock import wall
from fustor_core.errors import FustorError
from fustor_core.http import pipes as shapes
from fustor_core.http.hosts import Hosts
from fustor_core.http.problems import Problem, of_error, of_http
from fustor_core.rows import to_row
from fustor_core.state import LifecycleState
from fustor_core.times import format_wall

_encode = msgspec.json.Encoder().encode


def build(pipes: Mapping[str, AgentPipe], host: str) -> web.Application:
    """The application for an agent that listens on `host`. Nothing can be changed through it, so nobody needs a key."""
    api = _Api(pipes)
    application = web.Application(middlewares=[_gate(Hosts(host))])
    for path, handler in (
        ("/livez", api.livez),
        ("/readyz", api.readyz),
        ("/v1/pipes", api.pipes),
        ("/v1/pipes/{id}", api.pipe),
        ("/v1/pipes/{id}/history", api.history),
    ):
        application.router.add_get(path, handler)
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

    def __init__(self, pipes: Mapping[str, AgentPipe]) -> None:
        self._pipes = {pipe.id: pipe for pipe in pipes.values()}

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

    def _found(self, request: web.Request) -> AgentPipe:
        pipe = self._pipes.get(request.match_info["id"])
        if pipe is None:
            known = ", ".join(self._pipes)
            raise Problem(404, "no-such-pipe", f"there is no pipe {request.match_info['id']!r} (the form is AGENT:PIPE); there are {known}")
        return pipe


def _shape(pipe: AgentPipe) -> shapes.PipeShape:
    return shapes.pipe(shapes.view_of(pipe.machine, "agent", pipe.report()))


def _answer(data: object) -> web.Response:
    meta = {"as_of": format_wall(wall()), "complete": True, "conditions": [], "next": None}
    return web.Response(body=_encode({"data": data, "meta": meta}), content_type="application/json")
