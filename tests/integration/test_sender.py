"""The agent's WebSockets, against a real server that goes away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from fustor_agent.senders import Session
from fustor_agent.senders.websocket import WebSocketSender
from fustor_core.errors import SessionLost
from fustor_core.http.serving import listening
from fustor_core.wire import SUBPROTOCOL, Hello, Identity, Ping, Role, Welcome, encode

HELLO = Hello("a", "boot", b"/x", "run", "p", "r", Identity("ext4", "1", 2), [], "", 0, 0.0, False)
WELCOME = Welcome("s", 1, Role.LEADER, "clock", 1, 0, 0, 16, False, "")
Act = Callable[[Session], Awaitable[object]]


async def _abort_after_welcome(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
    await socket.prepare(request)
    await socket.receive()
    await socket.send_bytes(encode(WELCOME))
    assert request.transport is not None
    request.transport.abort()
    return socket


@pytest.fixture
async def sender() -> AsyncIterator[WebSocketSender]:
    application = web.Application()
    application.router.add_get("/v1/session", _abort_after_welcome)
    async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
        yield WebSocketSender(http, f"http://127.0.0.1:{port}", None)


async def _send_on(session: Session) -> None:
    while True:
        await session.send(Ping(1, 1))
        await asyncio.sleep(0)


@pytest.mark.parametrize("act", [_send_on, lambda session: session.receive()], ids=["sending", "receiving"])
async def test_a_session_that_breaks_is_lost_whichever_call_meets_it(sender: WebSocketSender, act: Act) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(SessionLost):
            async with sender.session(HELLO) as session:
                await act(session)
