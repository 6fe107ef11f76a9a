"""Agents and a fusion inside the process of a test, with places where faults can be put in. Files, threads, connections and event loops
are real; only the source and the store hang or raise when a test says so."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from fustor_agent.audit.plan import AuditOptions
from fustor_agent.intent import Intents
from fustor_agent.life import Life
from fustor_agent.pipe import AgentPipe
from fustor_agent.reading.pace import Pace
from fustor_agent.reading.reading import directory_of
from fustor_agent.retry import Retry
from fustor_agent.root.known_roots import KnownRoots
from fustor_agent.senders.websocket import WebSocketSender
from fustor_agent.session.greeting import PipeOptions
from fustor_agent.sources import Look, Noticed, Stamps
from fustor_agent.sources.fs import FsSource
from fustor_core.errors import StoreUnavailable
from fustor_core.state import HealthState, StateMachine, StateStore
from fustor_core.steering import Steering
from fustor_core.supervision import Kept
from fustor_fusion.app import start
from fustor_fusion.pipe import FusionPipe
from fustor_fusion.settings import FusionSettings
from fustor_fusion.stores import Contribution, Outcome
from fustor_fusion.stores.memory import MemoryStore
from tests.e2e.system import KEY, free_port
from tests.polling import soon

MESSAGE = "RUNNING | MESSAGE_SYNC"
RECONNECTING = "RUNNING | RECONNECTING"
NEVER = AuditOptions()
"""Audits only when they are ordered."""


class FaultySource(FsSource):
    """A real file tree, with a fault at the next reading or noticing if one is set."""

    fault: Callable[[], object] | None = None
    fault_in: Callable[[bytes], object] | None = None
    """Is given each directory in which something is read."""
    verify_fault: Callable[[], object] | None = None
    notice_fault: Callable[[], object] | None = None

    def list(self, path: bytes, stamps: Stamps) -> Look:
        self._fail([path])
        return super().list(path, stamps)

    def check(self, paths: Sequence[bytes], stamps: Stamps) -> Look:
        self._fail([directory_of(path) for path in paths])
        return super().check(paths, stamps)

    def verify(self) -> None:
        if self.verify_fault:
            self.verify_fault()
        super().verify()

    def notice(self) -> Noticed:
        if self.notice_fault:
            self.notice_fault()
        return super().notice()

    def _fail(self, directories: Sequence[bytes]) -> None:
        if self.fault:
            self.fault()
        for directory in directories:
            if self.fault_in:
                self.fault_in(directory)


class Pipe:
    """A pipe of this process, run as the agent runs it."""

    def __init__(
        self,
        directory: Path,
        url: str,
        http: aiohttp.ClientSession,
        name: str,
        attempts: int | None = None,
        states: StateStore | None = None,
        audit: AuditOptions = NEVER,
        pace: Pace | None = None,
    ) -> None:
        self.root = directory / name
        self.root.mkdir(exist_ok=True)
        (self.root / "f").write_bytes(b"x")
        self.goes_on = threading.Event()
        self.source = FaultySource(self.root, exclude=(), own=[], cross_mounts=False, staleness=0.0)
        retry = Retry(0.05, 0.2, attempts)
        options = PipeOptions("here", "boot", f"run-{time.monotonic_ns()}", name, name, pace or Pace(), 5.0, 60.0, audit)
        sender = WebSocketSender(http, url, KEY)

        known_roots = KnownRoots(directory / f"{name}-roots.json")

        def make_life(steering: Steering, number: int, held: bool) -> Life:
            return Life(options, number, self.source, known_roots, sender, retry, steering, held=held)

        self.machine = StateMachine(f"here:{name}", run=options.run, store=states, policy="best_effort")
        intents = Intents(directory / f"{name}.json")
        self.pipe = AgentPipe(name, name, self.machine, intents, make_life, retry)

    def keeping(self) -> Kept:
        """Runs it, as the agent does."""
        return Kept(self.pipe.run, self.pipe.died, lambda: not self.pipe.ending)

    def shows(self) -> str:
        return str(self.machine.snapshot.pipe_state)

    def kinds(self) -> list[str]:
        return [condition.type for condition in self.pipe.conditions.all()]

    def touch(self) -> None:
        (self.root / f"touched-{time.monotonic_ns()}").write_bytes(b"x")

    async def until(self, *states: str, within: float = 10.0) -> float:
        """Wait until one of the states is shown; for how long, in seconds."""
        return await soon(lambda: self.shows() in states, within=within, what=f"one of {states}")


@asynccontextmanager
async def running(
    directory: Path,
    url: str,
    *names: str,
    attempts: int | None = None,
    states: StateStore | None = None,
    prepare: Callable[[Pipe], None] = lambda pipe: None,
    audit: AuditOptions = NEVER,
    pace: Pace | None = None,
    state: str = MESSAGE,
) -> AsyncIterator[list[Pipe]]:
    """Pipes that are in `state` (they follow), until the block ends. `prepare` is called with each before it starts."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http, AsyncExitStack() as stack:
        pipes = [Pipe(directory, url, http, name, attempts, states, audit, pace) for name in names]
        for each in pipes:
            prepare(each)
        keeping = [await stack.enter_async_context(each.keeping()) for each in pipes]
        try:
            for each in pipes:
                await each.until(state)
            yield pipes
        finally:
            for pipe in pipes:
                pipe.goes_on.set()
                pipe.source.fault = each.source.fault_in = each.source.verify_fault = pipe.source.notice_fault = None
                pipe.pipe.end("the test ends")
            async with asyncio.timeout(20):
                for keeper in keeping:
                    await keeper.over()


class FaultyStore(MemoryStore):
    """A real store, whose commits hang, work or fail for as long as a test likes."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.full = False
        self.busy = 0.0
        """Seconds that the next commit works for."""

    def commit(self, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        self.goes_on.wait(60)
        began, busy = time.monotonic(), self.busy
        while time.monotonic() - began < busy:
            sum(range(1000))
        self.busy = 0.0
        if self.full:
            raise StoreUnavailable("no space left on device")
        return super().commit(contributions, now, drop_to)


class Fusion:
    """A fusion of this process."""

    def __init__(self, directory: Path) -> None:
        self.store = FaultyStore()
        self.machine = StateMachine("fusion:default")
        self.pipe = FusionPipe(self.machine)
        listen = {"port": free_port()}
        self.settings = FusionSettings.model_validate(
            {"listen": listen, "data": directory / "fusion", "open": True, "store": "memory", "state": {"store": "memory"}}
        )
        self.url = f"http://127.0.0.1:{listen['port']}"

    def shows(self) -> str:
        return str(self.machine.snapshot.pipe_state)

    def health(self) -> HealthState:
        return self.machine.snapshot.state.health

    def kinds(self) -> list[str]:
        return [condition.type for condition in self.pipe.conditions.all()]


@asynccontextmanager
async def fusion_here(directory: Path) -> AsyncIterator[Fusion]:
    """A fusion that serves until the block ends; its roots are kept in one store, that may be faulty."""
    fusion = Fusion(directory)
    async with AsyncExitStack() as stack:
        with fusion.pipe.starting():
            receiver = await start(stack, fusion.settings, fusion.pipe, lambda name: fusion.store)
        try:
            yield fusion
        finally:
            fusion.store.goes_on.set()
            fusion.store.full = False
            with fusion.pipe.stopping():
                await receiver.go_away("the test ends")
                await stack.aclose()
