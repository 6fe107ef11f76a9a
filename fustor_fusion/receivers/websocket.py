"""The WebSockets that agents come in by (`/v1/session`, `/v1/agent`), with aiohttp. Whatever breaks the protocol is refused with words, and
closed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from aiohttp import web

from fustor_core.errors import MalformedInput, Refused
from fustor_core.supervision import while_running
from fustor_core.wire import (
    Batch,
    Bye,
    Done,
    GoAway,
    Heartbeat,
    HeartbeatEcho,
    Hello,
    HelloAgent,
    Mark,
    Ping,
    States,
    WelcomeAgent,
    agent_control,
    agent_session,
)
from fustor_fusion.board import Board
from fustor_fusion.calling import Calls
from fustor_fusion.receivers.session import SessionReceiver
from fustor_fusion.receivers.websocket_peer import Peer, peer_of
from fustor_fusion.roots.root import Root
from fustor_fusion.sessions.table import LiveSession

log = logging.getLogger(__name__)

In = TypeVar("In")
Hi = TypeVar("Hi")

HELLO_WITHIN = 10.0
COME_BACK_AFTER = 1.0
"""Seconds in which a fusion that stops is not back yet."""
ALIVE_WITHIN = 5.0
"""How long a process that goes by an id has to show that it lives, where another comes by the same id."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A session that stands: the task that serves it, and how to talk to it."""

    task: asyncio.Task[None]
    peer: Peer
    receiver: SessionReceiver


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
        self._standing: dict[str, Standing] = {}
        self._agents: dict[str, tuple[str, asyncio.Task[None], Peer]] = {}
        self._hellos: dict[str, HelloAgent] = {}
        self.calls = Calls()

    # Sessions

    async def session(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/v1/session`."""
        async with peer_of(request) as peer:
            hello = await self._greeting(peer, agent_session, Hello)
            if not self._may_push(request, hello.root):
                raise Refused(f"this key may not push to root {hello.root}", code="scope-missing")
            await self._settle_identity(hello.agent, hello.run)
            root = await self._root_of(hello.root)
            await self._settle_rivalry(root, hello)
            session, welcome, replaced = await root.open_session(hello, request.remote or "")
            task = asyncio.current_task()
            assert task is not None
            # At once: the part of a session may change from here on, and the agent has to hear of it.
            receiver = SessionReceiver(root, session)
            self._standing[session.id] = Standing(task, peer, receiver)
            log.info("session with %s as %s", hello.agent, session.role.value, extra={"root": hello.root, "session": session.id})
            try:
                if replaced:
                    await self._end(replaced.id, "a new session of the same pipe has taken its place")
                await peer.send(welcome)
                await self._serve(peer, receiver)
            finally:
                receiver.end()
                self._standing.pop(session.id, None)
                root.end_session(session)
                log.info("session with %s has ended", hello.agent, extra={"root": hello.root, "session": session.id})
        return web.Response()

    async def _settle_identity(self, agent: str, run: str) -> None:
        """Raise Refused where another process that goes by the same id lives, whichever roots the two serve."""
        standing = self._agents.get(agent)
        # The first life of a pipe has the run of its process; each later one a number behind that.
        if standing and standing[0] != run.partition("-")[0] and await standing[2].answers(ALIVE_WITHIN):
            raise Refused(
                f"an agent with the id {agent} is connected already, as another process; give each agent an id of its own",
                code="agent-twice",
            )

    async def _settle_rivalry(self, root: Root, hello: Hello) -> None:
        """Where another process goes by the same id, see whether it still lives; if not, its session ends here and now.

        What it sent before it died may still be on its way, so a frame from it would prove nothing.
        """
        rival = root.table.rival(hello)
        standing = self._standing.get(rival.id) if rival else None
        if rival is None or standing is None or await standing.peer.answers(ALIVE_WITHIN):
            return
        if not rival.awaited:
            raise Refused(
                f"an agent with the id {hello.agent} is connected already, and fusion cannot tell yet whether it still lives",
                code="agent-perhaps-twice",
            )
        self._give_up(root, rival, "another process has come by the same id, and this one did not answer")

    async def _serve(self, peer: Peer, receiver: SessionReceiver) -> None:
        # Not a TaskGroup: where one of these was killed it would wait on, and the agent for its acknowledgements.
        await while_running(self._take(peer, receiver), receiver.commit(), self._send(peer, receiver))

    async def _take(self, peer: Peer, receiver: SessionReceiver) -> None:
        while not isinstance(frame := await peer.receive(agent_session), Bye):
            if not isinstance(frame, Batch | Mark | Ping):
                raise MalformedInput(f"{type(frame).__name__} in the middle of a session")
            if answer := await receiver.take(frame):
                await peer.send(answer)

    async def _send(self, peer: Peer, receiver: SessionReceiver) -> None:
        while True:
            await peer.send(await receiver.outgoing.get())

    def keep_order(self, root: Root) -> None:
        """End the sessions that are lost, and let the next in line take over where the leader has been away for too long. To be called once
        in each pulse."""
        for session in root.table.pulse():
            self._give_up(root, session, "nothing was heard from the agent")
        if (promoted := root.promote(lambda session: not self._board.is_paused(f"{session.agent}:{session.hello.pipe}"))) and (
            standing := self._standing.get(promoted.id)
        ):
            log.info("%s leads from here on", promoted.agent, extra={"root": root.name, "session": promoted.id})
            standing.receiver.tell_role()

    def _give_up(self, root: Root, session: LiveSession, reason: str) -> None:
        """End a session in which nobody listens."""
        log.warning("gave up the session with %s: %s", session.agent, reason, extra={"root": root.name, "session": session.id})
        root.end_session(session)
        if standing := self._standing.pop(session.id, None):
            standing.task.cancel()

    async def _end(self, session: str, reason: str) -> None:
        if standing := self._standing.pop(session, None):
            await standing.peer.say_goodbye(GoAway(reason))
            standing.task.cancel()

    # Control

    async def control(self, request: web.Request) -> web.StreamResponse:
        """The handler of `/v1/agent`."""
        async with peer_of(request) as peer:
            hello = await self._greeting(peer, agent_control, HelloAgent)
            task = asyncio.current_task()
            assert task is not None
            await self._settle_identity(hello.agent, hello.run)
            if standing := self._agents.get(hello.agent):
                standing[1].cancel()
            self._agents[hello.agent] = (hello.run, task, peer)
            self._hellos[hello.agent] = hello
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

    def agents(self) -> dict[str, tuple[str, bool]]:
        """The version of each agent that has come by, and whether it is connected."""
        return {agent: (hello.version, agent in self._agents) for agent, hello in sorted(self._hellos.items())}

    # Both

    async def _greeting(self, peer: Peer, decoder: msgspec.msgpack.Decoder[In], kind: type[Hi]) -> Hi:
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
        goodbye = GoAway(reason, COME_BACK_AFTER)
        standing = [(each.peer, each.task) for each in self._standing.values()]
        standing += [(peer, task) for _, task, peer in self._agents.values()]
        # All at once: one that does not listen must not keep the others from hearing it.
        await asyncio.gather(*(peer.say_goodbye(goodbye) for peer, _ in standing))
        for _, task in standing:
            task.cancel()
