"""Two agents that read one tree in memory, a fusion whose store can forget, and a fault proxy in front of it for each: in one process,
on real sockets, hurried."""

import asyncio
import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from fustor_agent.audit.plan import AuditOptions
from fustor_agent.intent import Intents
from fustor_agent.life import Life
from fustor_agent.pipe import AgentPipe
from fustor_agent.reading.pace import Pace
from fustor_agent.retry import Retry
from fustor_agent.root.known_roots import KnownRoots
from fustor_agent.senders.websocket import WebSocketSender
from fustor_agent.session.greeting import PipeOptions
from fustor_agent.testing.tree import FakeSource, FakeTree
from fustor_core.state import StateMachine
from fustor_core.steering import Steering
from fustor_core.testing.hurried import HurriedLoop
from fustor_core.testing.proxy import FaultProxy
from fustor_core.wire import Identity
from fustor_fusion.app import start
from fustor_fusion.pipe import FusionPipe
from fustor_fusion.settings import FusionSettings
from fustor_fusion.stores import AgentRecord, Contribution, Outcome
from fustor_fusion.stores.memory import MemoryStore
from tests.e2e.system import free_port
from tests.polling import soon

T = TypeVar("T")

SPEED = 8.0
ROOT_NAME = "data"


class ForgetfulStore(MemoryStore):
    """Remembers its last states, so that commits can be lost as power loss loses them."""

    def __init__(self) -> None:
        super().__init__()
        self._past: deque[Any] = deque(maxlen=20)  # whatever a store is made of

    def open_session(self, agent: str, run: str, session: str, identity: Identity, now: int) -> AgentRecord:
        self._remember()
        return super().open_session(agent, run, session, identity, now)

    def commit(self, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        self._remember()
        return super().commit(contributions, now, drop_to)

    def _remember(self) -> None:
        with self._lock:
            self._past.append(copy.deepcopy((self._tree, self._ledger)))

    def without(self, commits: int) -> "ForgetfulStore":
        """A store that never had the last commits."""
        left = ForgetfulStore()
        past = list(self._past)
        left._tree, left._ledger = past[-min(commits, len(past))] if commits and past else (self._tree, self._ledger)
        return left


class Agent:
    """One agent with one pipe, killed and started again at will. It reaches fusion through a proxy of its own."""

    def __init__(self, rig: "Rig", number: int) -> None:
        self._rig = rig
        self._number = number
        self.source = FakeSource(rig.tree)
        self.proxy = FaultProxy(rig.port, seed=number)
        self.port = 0
        self.pipe: AgentPipe | None = None
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._running is not None:
            return
        self.source = FakeSource(self._rig.tree)
        name = f"agent-{self._number}"
        machine = StateMachine(f"{name}:{ROOT_NAME}", run=f"{name}-{time.monotonic_ns()}")
        retry = Retry(0.05, 0.5)
        options = PipeOptions(name, "boot", machine.run, ROOT_NAME, ROOT_NAME, Pace(), 5.0, 60.0, AuditOptions())
        sender = WebSocketSender(self._rig.http, f"http://127.0.0.1:{self.port}", None)
        known, source = KnownRoots(self._rig.directory / f"{name}.json"), self.source

        def make_life(steering: Steering, number: int, held: bool) -> Life:
            return Life(options, number, source, known, sender, retry, steering, held=held)

        self.pipe = AgentPipe(ROOT_NAME, ROOT_NAME, machine, Intents(self._rig.directory / f"{name}-intent.json"), make_life, retry)
        self._running = asyncio.create_task(self.pipe.run())

    async def kill(self) -> None:
        """As SIGKILL does it: what it knew is gone, and its connections are reset."""
        running, self._running = self._running, None
        if running is not None:
            self.proxy.reset()
            running.cancel()
            await asyncio.wait([running])


class Rig:
    """All of it, on a loop of its own in a thread; `do` and `run` are for the thread of the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tree = FakeTree()
        self.port = free_port()
        self.store = ForgetfulStore()
        self.loop = HurriedLoop(SPEED)
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._fusion: AsyncExitStack | None = None
        self.agents: list[Agent] = []
        self.run(self._begin())

    async def _begin(self) -> None:
        self.http = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)))
        await self.start_fusion()
        for number in range(2):
            agent = Agent(self, number)
            agent.port = await self._stack.enter_async_context(agent.proxy.listening())
            self.agents.append(agent)
            agent.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def do(self, what: Callable[[], T]) -> T:
        """Call it on the loop."""

        async def done() -> T:
            return what()

        return self.run(done())

    async def start_fusion(self) -> None:
        if self._fusion is not None:
            return
        settings = {"listen": {"port": self.port}, "data": self.directory, "open": True, "store": "memory", "state": {"store": "memory"}}
        settings["session"] = {"lease": 0.3}
        pipe = FusionPipe(StateMachine("fusion:default"))
        stack = AsyncExitStack()
        with pipe.starting():
            await start(stack, FusionSettings.model_validate(settings), pipe, lambda name: self.store)
        self._fusion = stack

    async def kill_fusion(self, lost: int) -> None:
        """Its connections are reset, and when it is started again its store has lost its last commits."""
        fusion, self._fusion = self._fusion, None
        if fusion is None:
            return
        for agent in self.agents:
            agent.proxy.reset()
        await fusion.aclose()
        self.store = self.store.without(lost)

    def end(self) -> None:
        async def end() -> None:
            for agent in self.agents:
                await agent.kill()
            await self.kill_fusion(0)
            await self._stack.aclose()
            await soon(lambda: not self.loop.open_sockets, what="the end of connections that were just being accepted")

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
