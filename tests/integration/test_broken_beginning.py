"""A session that breaks after its welcome and before it begins, as where fusion is killed once more while the clock is measured."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from fustor_core.http.serving import listening
from fustor_core.wire import SUBPROTOCOL, Hello, Role, Welcome, decode, encode
from tests.e2e.inside import Pipe
from tests.polling import soon

_HELLO = msgspec.msgpack.Decoder(Hello)


class Breaking:
    """A fusion that welcomes, and goes away at the first ping."""

    def __init__(self, *, snapshot: bool) -> None:
        self._snapshot = snapshot
        self.named: list[str] = []
        """The session that each hello names."""

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await socket.prepare(request)
        hello = decode(_HELLO, await socket.receive_bytes())
        assert isinstance(hello, Hello)
        self.named.append(hello.session)
        welcome = Welcome(f"session-{len(self.named)}", 1, Role.LEADER, "clock", 1, 0, 0, 16, self._snapshot, "")
        await socket.send_bytes(encode(welcome))
        await socket.receive()
        return socket


@pytest.mark.parametrize(
    ("snapshot", "named"),
    [
        pytest.param(False, ["", "session-1", "session-2"], id="the next hello names it: nothing is missing, and nothing is listed again"),
        pytest.param(True, ["", "", ""], id="where it was to begin with a snapshot that is still owed"),
    ],
)
async def test_what_the_next_hello_says(tmp_path: Path, snapshot: bool, named: list[str]) -> None:
    fusion, application = Breaking(snapshot=snapshot), web.Application()
    application.router.add_get("/v1/session", fusion.serve)
    async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
        task = asyncio.create_task(Pipe(tmp_path, f"http://127.0.0.1:{port}", http, "data").pipe.run())
        await soon(lambda: len(fusion.named) >= 3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert fusion.named[:3] == named
