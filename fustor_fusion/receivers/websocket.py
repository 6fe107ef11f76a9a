"""The WebSockets that agents come in by (`/v1/session`, `/v1/agent`), with aiohttp. Whatever breaks the protocol is refused with words, and
closed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import aiohttp
import msgspec
from aiohttp import web

from fustor_core.errors import FustorError, MalformedInput, Refused
from fustor_core.wire import (
    LARGEST_FRAME,
    SUBPROTOCOL,
    Batch,
    Bye,
    Done,
    Frame,
    GoAway,
    Heartbeat,
    HeartbeatEcho,
    Hello,
    HelloAgent,
    Mark,
    NewRole,
    Ping,
    Refuse,
    States,
    WelcomeAgent,
    agent_control,
    agent_session,
    decode,
    encode,
)
from fustor_fusion.board import Board
from fustor_fusion.calling import Calls
from fustor_fusion.receivers.session import SessionReceiver
from fustor_fusion.root import Root
from fustor_fusion.sessions import LiveSession

log = logging.getLogger(__name__)

T = TypeVar("T")

HELLO_WITHIN = 10.0
REMEDIES = {
    "malformed": "run the same version of Fustor on both sides",
    "protocol": "run the same version of Fustor on both sides",
    "scope-missing": "give the agent a key with that scope",
    "agent-twice": "correct `id` in the configuration of one of them",
    "excludes-differ": "correct `exclude` in the configuration of one of them",
    "out-of-sequence": "nothing: the agent opens a new session",
    "from-the-future": "nothing: the agent measures its clock again",
}
_AGAIN = frozenset(("out-of-sequence", "from-the-future", "superseded", "parts", "failed"))
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

    async def send(self, frame: Frame) -> None:
        try:
            await self._socket.send_bytes(encode(frame))
        except (ConnectionError, aiohttp.ClientError) as error:
            raise Gone(str(error)) from error

    async def receive(self, decoder: msgspec.msgpack.Decoder[T]) -> T:
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return decode(decoder, message.data)
        if message.type is aiohttp.WSMsgType.TEXT:
            raise MalformedInput("a text message, where every frame is binary")
        if message.type is aiohttp.WSMsgType.ERROR and isinstance(message.data, aiohttp.WebSocketError):
            raise MalformedInput(str(message.data))
        raise Gone("the peer has closed the connection")

    async def refuse(self, error: FustorError) -> None:
        """Say why, as far as the peer still listens."""
        code = error.code if isinstance(error, Refused) else "malformed" if isinstance(error, MalformedInput) else "failed"
        await self.send(Refuse(code, str(error), REMEDIES.get(code, "see the log of fusion"), code in _AGAIN))


@asynccontextmanager
async def peer_of(request: web.Request) -> AsyncIterator[Peer]:
    """The WebSocket of a request. A rule that the peer broke is told to it; nobody else notices."""
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=MOST_READ, timeout=CLOSE_WITHIN)
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
        await socket.close()


def _first(group: BaseExceptionGroup[FustorError]) -> FustorError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, FustorError) else MalformedInput(str(error))


class Receiver:
    """Serves the connections of all agents. `root_of` gives (and if need be makes) a root by its name; `may_push` checks the key of a
    request."""

    def __init__(
        self,
        root_of: Callable[[str], Awaitable[Root]],
        may_push: Callable[[web.Request, str], bool],
        board: Board,
        heartbeat_every: float,
    ) -> None:
        self._root_of = root_of
        self._may_push = may_push
        self._board = board
        self._heartbeat_every = heartbeat_every
        self._standing: dict[str, tuple[asyncio.Task[None], Peer]] = {}
        self._agents: dict[str, tuple[str, asyncio.Task[None], Peer]] = {}
        self._boots: dict[str, str] = {}
        self.calls = Calls()

    # Sessions

    async def session(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/v1/session`."""
        async with peer_of(request) as peer:
            hello = await self._greeting(peer, agent_session, Hello)
            if not self._may_push(request, hello.root):
                raise Refused(f"this key may not push to root {hello.root}", code="scope-missing")
            root = await self._root_of(hello.root)
            session, welcome, replaced = await root.open_session(hello, request.remote or "")
            if replaced:
                await self._end(replaced.id, "a new session of the same pipe has taken its place")
            task = asyncio.current_task()
            assert task is not None
            self._standing[session.id] = (task, peer)
            log.info("session with %s as %s", hello.agent, session.role.value, extra={"root": hello.root, "session": session.id})
            receiver = SessionReceiver(root, session)
            try:
                await peer.send(welcome)
                await self._serve(peer, receiver)
            finally:
                receiver.end()
                self._standing.pop(session.id, None)
                root.end_session(session)
                log.info("session with %s has ended", hello.agent, extra={"root": hello.root, "session": session.id})
        return web.Response()

    async def _serve(self, peer: Peer, receiver: SessionReceiver) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(receiver.commit()), group.create_task(self._send(peer, receiver))]
            while not isinstance(frame := await peer.receive(agent_session), Bye):
                if not isinstance(frame, Batch | Mark | Ping):
                    raise MalformedInput(f"{type(frame).__name__} in the middle of a session")
                if answer := await receiver.take(frame):
                    await peer.send(answer)
            for task in tasks:
                task.cancel()

    async def _send(self, peer: Peer, receiver: SessionReceiver) -> None:
        while True:
            await peer.send(await receiver.outgoing.get())

    async def promote(self, session: LiveSession) -> None:
        """Tell an agent that it leads from here on."""
        if standing := self._standing.get(session.id):
            await standing[1].send(NewRole(session.role))

    async def _end(self, session: str, reason: str) -> None:
        if standing := self._standing.pop(session, None):
            task, peer = standing
            with suppress(Gone):
                await peer.send(GoAway(reason))
            task.cancel()

    # Control

    async def control(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/v1/agent`."""
        async with peer_of(request) as peer:
            hello = await self._greeting(peer, agent_control, HelloAgent)
            task = asyncio.current_task()
            assert task is not None
            standing = self._agents.get(hello.agent)
            if standing and standing[0] != hello.run:
                raise Refused(f"an agent with the id {hello.agent} is connected already, as another process", code="agent-twice")
            if standing:
                standing[1].cancel()
            self._agents[hello.agent] = (hello.run, task, peer)
            self._boots[hello.agent] = hello.boot
            try:
                await peer.send(WelcomeAgent(self._board.known(hello.agent, hello.run), self._heartbeat_every))
                self.calls.connected(hello.agent, peer, peer.send)
                await self._listen(peer, hello)
            finally:
                self.calls.gone(hello.agent, peer)
                if self._agents.get(hello.agent, ("", task, peer))[1] is task:
                    self._agents.pop(hello.agent, None)
        return web.Response()

    async def _listen(self, peer: Peer, hello: HelloAgent) -> None:
        while True:
            match await peer.receive(agent_control):
                case States(pipe=pipe, run=run, transitions=transitions):
                    self._board.told(hello.agent, pipe, run, transitions)
                case Heartbeat(sent=sent, pipes=pipes):
                    self._board.beaten(hello.agent, pipes)
                    await peer.send(HeartbeatEcho(sent))
                case Done() as done:
                    self.calls.answered(hello.agent, done)
                case HelloAgent():
                    raise MalformedInput("a second hello")

    def boot_of(self, agent: str) -> str:
        """The kernel's boot id of an agent's host, as far as it has said."""
        return self._boots.get(agent, "")

    # Both

    async def _greeting(self, peer: Peer, decoder: msgspec.msgpack.Decoder[object], kind: type[T]) -> T:
        try:
            async with asyncio.timeout(HELLO_WITHIN):
                hello = await peer.receive(decoder)
        except TimeoutError:
            raise Refused(f"no hello within {HELLO_WITHIN:.0f} s", code="protocol") from None
        if not isinstance(hello, kind):
            raise Refused(f"{type(hello).__name__} came where a {kind.__name__} was due", code="protocol")
        return hello

    async def go_away(self, reason: str) -> None:
        """Tell every agent that fusion ends; they come back when it does."""
        for session in list(self._standing):
            await self._end(session, reason)
        for _, task, peer in list(self._agents.values()):
            with suppress(Gone):
                await peer.send(GoAway(reason))
            task.cancel()
