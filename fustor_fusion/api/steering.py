"""Steering pipes through fusion: each verb travels to the agent whose pipe it is, and is accepted when the agent has recorded it.
`confirm` is for fusion itself, which remembers what the roots are."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from fustor_core.clock import wall
from fustor_core.errors import Unreachable
from fustor_core.http import acting
from fustor_core.http import pipes as pipe_shapes
from fustor_core.http.pipes import PipeView
from fustor_core.http.responses import respond
from fustor_core.wire import ROOT_GONE, Done, Verb
from fustor_fusion.api import shapes
from fustor_fusion.api.application import Route
from fustor_fusion.api.ports import Pipes
from fustor_fusion.authorization import OPERATE

log = logging.getLogger(__name__)

_ACCEPTED: Final = 202
SHOWN_WITHIN: Final = 5.0
"""Seconds after which an agent whose root is gone has shown what stands in its place, if anything does."""
LOOK_EVERY: Final = 0.1

Confirm = Callable[[str], Awaitable[bool]]
"""An operator says that what this pipe shows is meant; False if nothing waits for that."""


class Commands(Protocol):
    """The way to the agents."""

    async def command(
        self, agent: str, pipe: str, verb: Verb, *, reason: str, after_halt: bool, path: bytes = b"", shallow: bool = False
    ) -> Done:
        """What the agent answers. Raises Unreachable where it is away."""


def routes(pipes: Pipes, commands: Commands, confirm: Confirm) -> list[Route]:
    """`POST /v1/pipes/{id}/VERB`, one for each verb, and `POST /v1/pipes/{id}/confirm`."""

    def taking(verb: Verb) -> Handler:
        async def take(request: web.Request) -> web.Response:
            return await _take(pipes, commands, request.match_info["id"], acting.parse(verb, request.rel_url.raw_query_string))

        return take

    async def take_confirm(request: web.Request) -> web.Response:
        return await _confirm(pipes, confirm, request.match_info["id"], acting.parse_reason(request.rel_url.raw_query_string))

    verbs = [Route("POST", f"/v1/pipes/{{id}}/{verb.value}", taking(verb), OPERATE) for verb in acting.VERBS]
    return [*verbs, Route("POST", "/v1/pipes/{id}/confirm", take_confirm, OPERATE)]


def _found(pipes: Pipes, pipe: str) -> PipeView:
    view = pipes.get(pipe)
    if view is None:
        raise pipe_shapes.no_such_pipe(pipe, (each.id for each in pipes.all()))
    return view


async def _take(pipes: Pipes, commands: Commands, pipe: str, act: acting.Act) -> web.Response:
    view = _found(pipes, pipe)
    if view.side == "fusion":
        raise acting.not_possible(f"{pipe} is fusion's own pipe: it starts and stops with its process", ())
    agent, _, name = pipe.partition(":")
    try:
        done = await commands.command(
            agent, name, act.verb, reason=act.reason, after_halt=act.after_halt, path=act.path, shallow=act.shallow
        )
    except Unreachable as error:
        raise acting.refusal("agent-away", str(error)) from error
    if done.problem:
        raise acting.refusal(done.code, done.problem, done.allowed)
    # The agent has told of itself before it answered, so this is the pipe with what is wanted of it.
    return _accepted(pipes.get(pipe) or view)


async def _confirm(pipes: Pipes, confirm: Confirm, pipe: str, reason: str) -> web.Response:
    view = _found(pipes, pipe)
    deadline = asyncio.get_running_loop().time() + SHOWN_WITHIN
    while not await confirm(pipe):
        if not _root_is_gone(_found(pipes, pipe)):
            raise acting.not_possible(f"nothing of {pipe} waits to be confirmed: its root is what it was, and nothing is held back", ())
        if asyncio.get_running_loop().time() >= deadline:
            raise acting.not_possible(f"nothing of {pipe} waits to be confirmed: its root is away, and no other stands in its place", ())
        await asyncio.sleep(LOOK_EVERY)
    log.info("an operator confirms what the pipe shows", extra={"pipe": pipe, "reason": reason})
    return _accepted(view)


def _root_is_gone(view: PipeView) -> bool:
    return any(each.type == ROOT_GONE for each in view.conditions)


def _accepted(view: PipeView) -> web.Response:
    return respond(shapes.own(pipe_shapes.pipe(view), wall()), status=_ACCEPTED)
