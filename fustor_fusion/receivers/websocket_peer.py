"""One WebSocket of an agent, from fusion's end: frames in and out, whether somebody is there, and how a broken rule is told."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

import aiohttp
import msgspec
from aiohttp import web

from fustor_core.errors import FustorError, MalformedInput, Refused
from fustor_core.wire import IDENTITY_CHANGED, LARGEST_FRAME, SUBPROTOCOL, Frame, GoAway, Refuse, decode, encode

log = logging.getLogger(__name__)

T = TypeVar("T")

REMEDIES = {
    "malformed": "run the same version of Fustor on both sides",
    "protocol": "run the same version of Fustor on both sides",
    "scope-missing": "give the agent a key with that scope",
    "agent-twice": "correct `id` in the configuration of one of them",
    "agent-perhaps-twice": "nothing: the agent tries again; if it lasts, see what ails the disk of fusion",
    "excludes-differ": "correct `exclude` in the configuration of one of them",
    "too-many-agents": "give agents ids that last, and run `fustor fusion rebuild` for the root",
    "out-of-phase": "nothing: the agent opens a new session",
    "out-of-sequence": "nothing: the agent opens a new session",
    "from-the-future": "nothing: the agent measures its clock again",
    IDENTITY_CHANGED: "bring the right root back; if this one is meant: `fustor pipe confirm`, with the id of the pipe",
}
_AGAIN = frozenset(
    ("agent-perhaps-twice", "out-of-phase", "out-of-sequence", "from-the-future", "superseded", "parts", "failed", IDENTITY_CHANGED)
)
MOST_READ = 4 * LARGEST_FRAME
"""A frame that is too large, but not absurdly so, is read to its end: a peer that is still sending would not hear why it is refused."""
CLOSE_WITHIN = 2.0
"""How long a peer has to answer a close before the connection is dropped."""


class Gone(FustorError):
    """The peer has closed the connection."""


class Peer:
    """A WebSocket of which each message is one frame."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._asked: dict[bytes, asyncio.Future[bool]] = {}

    async def send(self, frame: Frame) -> None:
        with _gone_if_broken():
            await self._socket.send_bytes(encode(frame))

    async def receive(self, decoder: msgspec.msgpack.Decoder[T]) -> T:
        while True:
            message = await self._socket.receive()
            match message.type:
                case aiohttp.WSMsgType.BINARY:
                    return decode(decoder, message.data)
                case aiohttp.WSMsgType.PING:
                    with _gone_if_broken():
                        await self._socket.pong(message.data)
                case aiohttp.WSMsgType.PONG:
                    self._answered(bytes(message.data))
                case aiohttp.WSMsgType.TEXT:
                    raise MalformedInput("a text message, where every frame is binary")
                case aiohttp.WSMsgType.ERROR if isinstance(message.data, aiohttp.WebSocketError):
                    raise MalformedInput(str(message.data))
                case _:
                    raise Gone("the peer has closed the connection")

    async def answers(self, within: float) -> bool:
        """Whether the process at the other end lives at this moment: it answers a question that nobody can have answered before. Not
        where the connection ends first."""
        question = secrets.token_bytes(8)
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[question] = answered
        try:
            async with asyncio.timeout(within):
                with _gone_if_broken():
                    await self._socket.ping(question)
                return await answered
        except (TimeoutError, Gone):
            return False
        finally:
            self._asked.pop(question, None)

    def _answered(self, question: bytes) -> None:
        if (answered := self._asked.get(question)) and not answered.done():
            answered.set_result(True)

    def ended(self) -> None:
        """The connection has ended: no question will be answered any more."""
        for answered in self._asked.values():
            if not answered.done():
                answered.set_result(False)

    async def say_goodbye(self, frame: GoAway) -> None:
        """Tell the peer that the connection ends, as far as it still listens."""
        with suppress(Gone, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self.send(frame)

    async def refuse(self, error: FustorError) -> None:
        """Say why, as far as the peer still listens."""
        code = error.code if isinstance(error, Refused) else "malformed" if isinstance(error, MalformedInput) else "failed"
        await self.send(Refuse(code, str(error), REMEDIES.get(code, "see the log of fusion"), code in _AGAIN))


@asynccontextmanager
async def peer_of(request: web.Request) -> AsyncIterator[Peer]:
    """The WebSocket of a request. A rule that the peer broke is told to it; nobody else notices."""
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=MOST_READ, timeout=CLOSE_WITHIN, autoping=False)
    await socket.prepare(request)
    peer = Peer(socket)
    try:
        if socket.ws_protocol != SUBPROTOCOL:
            raise Refused(f"this fusion speaks {SUBPROTOCOL} only", code="protocol")
        yield peer
    except* Gone:
        pass
    except* FustorError as group:
        error = _first(group)
        log.warning("refused a connection: %s", error, extra={"remote": request.remote, "route": request.path})
        with suppress(Gone):
            await peer.refuse(error)
    finally:
        peer.ended()
        await socket.close()


@contextmanager
def _gone_if_broken() -> Iterator[None]:
    try:
        yield
    except (ConnectionError, aiohttp.ClientError) as error:
        raise Gone(str(error)) from error


def _first(group: BaseExceptionGroup[FustorError]) -> FustorError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, FustorError) else MalformedInput(str(error))
