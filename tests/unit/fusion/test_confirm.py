"""Confirming another root over HTTP: right as soon as the pipe shows that its root is not what it was."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from fustor_core.http.pipes import PipeView
from fustor_core.http.problems import Problem
from fustor_core.wire import ROOT_GONE, Condition, Done, Transition, Verb
from fustor_fusion.api import steering
from tests.integration.api.serving import PIPE

GONE = replace(PIPE, conditions=(Condition(ROOT_GONE, 1, "another directory stands where it was", "bring it back"),))


@dataclass
class Pipes:
    """One pipe, of which something waits to be confirmed after it has been asked for so often."""

    view: PipeView
    asked_before: int
    asked: int = 0

    def all(self) -> Sequence[PipeView]:
        return [self.view]

    def get(self, pipe: str) -> PipeView | None:
        return self.view if pipe == self.view.id else None

    def history(self, pipe: str) -> Sequence[Transition] | None:
        return None

    async def confirm(self, pipe: str) -> bool:
        self.asked += 1
        return self.asked > self.asked_before

    async def command(
        self, agent: str, pipe: str, verb: Verb, *, reason: str, after_halt: bool, path: bytes = b"", shallow: bool = False
    ) -> Done:
        raise AssertionError("confirming is for fusion itself")


@pytest.fixture
async def asking() -> AsyncIterator[list[TestClient[web.Request, web.Application]]]:
    clients: list[TestClient[web.Request, web.Application]] = []
    yield clients
    for client in clients:
        await client.close()


async def _confirm(pipes: Pipes, clients: list[TestClient[web.Request, web.Application]]) -> tuple[int, str]:
    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            return problem.response()

    application = web.Application(middlewares=[gate])
    for route in steering.routes(pipes, pipes, pipes.confirm):
        application.router.add_route(route.method, route.path, route.handler)
    clients.append(TestClient(TestServer(application)))
    await clients[-1].start_server()
    async with clients[-1].post(f"/v1/pipes/{PIPE.id}/confirm") as response:
        return response.status, (await response.json()).get("detail", "")


async def test_what_the_agent_has_not_shown_yet_is_waited_for(asking: list[TestClient[web.Request, web.Application]]) -> None:
    pipes = Pipes(GONE, asked_before=3)
    assert await _confirm(pipes, asking) == (202, "")
    assert pipes.asked == 4


async def test_a_pipe_whose_root_is_what_it_was_has_nothing_to_confirm_at_once(
    asking: list[TestClient[web.Request, web.Application]],
) -> None:
    pipes = Pipes(PIPE, asked_before=3)
    status, detail = await _confirm(pipes, asking)
    assert (status, pipes.asked) == (409, 1)
    assert "its root is what it was" in detail


async def test_a_root_that_is_away_with_none_in_its_place_is_said_to_be(
    asking: list[TestClient[web.Request, web.Application]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering, "SHOWN_WITHIN", 0.2)
    status, detail = await _confirm(Pipes(GONE, asked_before=1000), asking)
    assert status == 409
    assert "its root is away" in detail
