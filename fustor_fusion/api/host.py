"""`GET /v1/host`: fusion as a process, and the agents that it knows: what a diagnosis needs beside pipes and roots."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from aiohttp import web
from msgspec import Struct

from fustor_core.clock import wall
from fustor_core.http.responses import respond
from fustor_core.times import format_wall
from fustor_fusion.api import parameters, shapes
from fustor_fusion.api.application import Route
from fustor_fusion.authorization import SEE_PIPES


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """An agent that has reported to this fusion. `clock_error` (s) is how far its idea of the view clock may be off; None while it has no
    session."""

    agent: str
    version: str
    connected: bool
    clock_error: float | None


class AgentShape(Struct, frozen=True):
    agent: str
    version: str
    connected: bool
    clock_error: float | None


class HostShape(Struct, frozen=True):
    """`now` is the wall clock of fusion's host; `free` and `size` (bytes) are those of the file system that holds its data, None without
    one."""

    version: str
    now: str
    data: str
    free: int | None
    size: int | None
    agents: list[AgentShape]


def routes(data: Path | None, agents: Callable[[], Sequence[AgentFacts]]) -> list[Route]:
    """The route; `data` is the directory of the stores, if they are kept in one."""

    async def host(request: web.Request) -> web.Response:
        parameters.none(request.rel_url.raw_query_string)
        known = [AgentShape(each.agent, each.version, each.connected, each.clock_error) for each in agents()]
        space = None if data is None else await asyncio.to_thread(shutil.disk_usage, data)
        free, size = (None, None) if space is None else (space.free, space.total)
        now = wall()
        shape = HostShape(version("fustor"), format_wall(now), str(data or ""), free, size, known)
        return respond(shapes.encode({"data": shape, "meta": shapes.Meta(format_wall(now), True, [], None)}))

    return [Route("GET", "/v1/host", host, SEE_PIPES)]
