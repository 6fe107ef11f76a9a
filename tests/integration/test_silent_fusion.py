"""An agent whose connections stand, and on which nobody answers any more: it gives them up, whatever it was waiting for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from fustor_agent.control import UNANSWERED, ControlLink
from fustor_agent.noticing.watching import Watching
from fustor_agent.outbox import Outbox
from fustor_agent.reading.pace import Pace
from fustor_agent.reading.readers import Readers
from fustor_agent.retry import Retry
from fustor_agent.senders.websocket import WebSocketSender
from fustor_agent.session.run import SessionRun
from fustor_agent.sources.fs import FsSource
from fustor_core.clock import Offset
from fustor_core.conditions import Conditions
from fustor_core.errors import SessionLost
from fustor_core.http.serving import listening
from fustor_core.wire import SUBPROTOCOL, Frame, Hello, HelloAgent, Identity, Role, Welcome, WelcomeAgent, encode
from tests.polling import soon

HELLO = Hello("a", "boot", b"/x", "run", "p", "r", Identity("ext4", "1", 2), [], "", 0, 0.0, False)
BEAT = 0.02


class Silent:
    """A fusion that welcomes, and then only listens."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        """How many came by each control connection."""

    def welcoming(self, welcome: Frame) -> Callable[[web.Request], Awaitable[web.WebSocketResponse]]:
        async def serve(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
            await socket.prepare(request)
            await socket.receive()
            await socket.send_bytes(encode(welcome))
            number = len(self.frames)
            self.frames.append(0)
            async for _ in socket:
                self.frames[number] += 1
            return socket

        return serve


@pytest.fixture
async def fusion() -> AsyncIterator[tuple[Silent, WebSocketSender]]:
    silent = Silent()
    application = web.Application()
    application.router.add_get("/v1/session", silent.welcoming(Welcome("s", 1, Role.LEADER, "clock", 1, 0, 0, 16, False, "")))
    application.router.add_get("/v1/agent", silent.welcoming(WelcomeAgent({}, BEAT)))
    async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
        yield silent, WebSocketSender(http, f"http://127.0.0.1:{port}", None)


async def test_a_control_connection_without_answers_is_opened_anew(fusion: tuple[Silent, WebSocketSender]) -> None:
    silent, sender = fusion
    link = ControlLink(HelloAgent("a", "boot", "run", "1"), sender, Retry(0.01, 0.01), {})
    running = asyncio.create_task(link.run())
    await soon(lambda: len(silent.frames) >= 3, within=30)
    running.cancel()
    assert set(silent.frames[:2]) == {UNANSWERED}


async def test_a_session_in_which_the_clock_cannot_be_measured_is_lost(fusion: tuple[Silent, WebSocketSender], tmp_path: Path) -> None:
    source, outbox = FsSource(tmp_path), Outbox()
    watching = Watching(source, outbox, Conditions(), lambda: None)
    async with asyncio.timeout(60):
        with pytest.raises(SessionLost, match="has not answered"):
            async with fusion[1].session(HELLO) as session:
                await SessionRun(session, source, outbox, Readers("read"), watching, Offset(), Pace()).measure()
