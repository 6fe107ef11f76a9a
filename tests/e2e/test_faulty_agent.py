"""Faults inside an agent: a source that raises or hangs, a task that is killed, an event loop that stands still. The fusion is real, and so
are files, threads and connections; only the source has a place where a fault can be put in."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fustor_agent.greeting import PipeOptions
from fustor_agent.intent import Intents
from fustor_agent.life import Life
from fustor_agent.pipe import AgentPipe
from fustor_agent.retry import Retry
from fustor_agent.senders.websocket import WebSocketSender
from fustor_agent.sources import Look, Noticed, Stamps
from fustor_agent.sources.fs import FsSource
from fustor_core.state import HealthState, StateMachine
from fustor_core.steering import Steering
from fustor_core.supervision import LoopWatch, kept
from fustor_core.wire import Verb
from tests.e2e.system import KEY, System

MESSAGE = "RUNNING | MESSAGE_SYNC"
RECONNECTING = "RUNNING | RECONNECTING"


class FaultySource(FsSource):
    """A real file tree, with a fault at the next reading or noticing if one is set."""

    fault: Callable[[], object] | None = None
    notice_fault: Callable[[], object] | None = None

    def list(self, path: bytes, stamps: Stamps) -> Look:
        self._fail()
        return super().list(path, stamps)

    def check(self, paths: Sequence[bytes], stamps: Stamps) -> Look:
        self._fail()
        return super().check(paths, stamps)

    def notice(self) -> Noticed:
        if self.notice_fault:
            self.notice_fault()
        return super().notice()

    def _fail(self) -> None:
        if self.fault:
            self.fault()


class Pipe:
    """A pipe of this process, run as the agent runs it."""

    def __init__(self, system: System, http: aiohttp.ClientSession, name: str, attempts: int | None = None) -> None:
        self.root = Path(system.directory) / name
        self.root.mkdir(exist_ok=True)
        (self.root / "f").write_bytes(b"x")
        self.source = FaultySource(self.root, exclude=(), own=[], cross_mounts=False, staleness=0.0)
        retry = Retry(0.05, 0.2, attempts)
        options = PipeOptions("here", "boot", f"run-{time.monotonic_ns()}", name, name, 4, 5.0, 60.0)
        sender = WebSocketSender(http, system.url, KEY)

        def make_life(steering: Steering, number: int, held: bool) -> Life:
            return Life(options, number, self.source, sender, retry, steering, held=held)

        self.machine = StateMachine(f"here:{name}", run=options.run)
        intents = Intents(Path(system.directory) / f"{name}.json")
        self.pipe = AgentPipe(name, name, self.machine, intents, make_life, retry)

    def shows(self) -> str:
        return str(self.machine.snapshot.pipe_state)

    def kinds(self) -> list[str]:
        return [condition.type for condition in self.pipe.conditions.all()]

    def touch(self) -> None:
        (self.root / f"touched-{time.monotonic_ns()}").write_bytes(b"x")

    async def until(self, *states: str, within: float = 10.0) -> float:
        """Wait until one of the states is shown; for how long, in seconds."""
        began = time.monotonic()
        while self.shows() not in states:
            assert time.monotonic() - began < within, (self.shows(), states, self.kinds())
            await asyncio.sleep(0.01)
        return time.monotonic() - began


@asynccontextmanager
async def running(system: System, *names: str, attempts: int | None = None) -> AsyncIterator[list[Pipe]]:
    """Pipes that follow, until the block ends."""
    await asyncio.to_thread(system.start_fusion)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        pipes = [Pipe(system, http, name, attempts) for name in names]
        tasks = [asyncio.create_task(kept(each.pipe.run, each.pipe.died, lambda e=each: not e.pipe.ending)) for each in pipes]  # type: ignore[misc]  # mypy knows no default of a lambda
        try:
            for each in pipes:
                await each.until(MESSAGE)
            yield pipes
        finally:
            for each in pipes:
                each.source.fault = each.source.notice_fault = None
                each.pipe.end("the test ends")
            await asyncio.wait(tasks, timeout=10)


def boom() -> None:
    raise RuntimeError("boom")


@pytest.mark.parametrize("where", ["fault", "notice_fault"])
async def test_a_source_that_raises_moves_its_own_pipe_and_no_other(system: System, where: str) -> None:
    async with running(system, "one", "two") as (one, two):
        setattr(one.source, where, boom)
        one.touch()
        assert await one.until(RECONNECTING) < 2
        assert one.machine.snapshot.state.health is HealthState.CRITICAL
        assert one.kinds() == ["crashed"]
        await asyncio.to_thread(wait_crashes, one, 3)
        setattr(one.source, where, None)
        await one.until(MESSAGE)
        assert one.kinds() == []
        assert two.machine.snapshot.version == 4


def wait_crashes(pipe: Pipe, count: int) -> None:
    deadline = time.monotonic() + 10
    while sum(1 for change in pipe.machine.history() if "FAULT" in str(change.events)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_source_that_hangs_shows_no_phase_until_it_goes_on(system: System) -> None:
    async with running(system, "one", "two") as (one, two):
        goes_on = threading.Event()
        one.source.fault = lambda: goes_on.wait(30)
        one.touch()
        assert await one.until(RECONNECTING) < 2
        assert one.kinds() == ["source-hangs"]
        one.source.fault = None
        goes_on.set()
        await one.until(MESSAGE)
        assert one.kinds() == []
        assert two.machine.snapshot.version == 4


async def test_a_slow_source_is_no_hanging_one(system: System) -> None:
    async with running(system, "one") as (one,):

        def slow() -> None:
            for _ in range(200):
                time.sleep(0.02)

        one.source.fault = slow
        one.touch()
        with suppress(AssertionError):
            await one.until(RECONNECTING, within=3)
        assert one.shows() == MESSAGE


async def test_crashes_that_do_not_end_use_the_retries_up(system: System) -> None:
    async with running(system, "one", attempts=3) as (one,):
        one.source.fault = boom
        one.touch()
        await one.until("ERROR")
        assert one.kinds() == ["refused"]
        one.source.fault = None
        await one.pipe.act(Verb.START)
        await one.until(MESSAGE)


async def test_an_event_loop_that_stands_still_is_seen_from_outside_of_it(system: System) -> None:
    async with running(system, "one") as (one,):
        seen: list[str] = []

        def look() -> None:
            time.sleep(2.5)
            seen.append(one.shows())

        with LoopWatch(one.pipe.loop_stalled).watching():
            looker = threading.Thread(target=look)
            looker.start()
            time.sleep(3)  # noqa: ASYNC251 - the fault itself
            looker.join()
            assert seen == [RECONNECTING]
            await one.until(MESSAGE)


async def test_whichever_task_is_killed_the_pipe_shows_no_phase_and_comes_back(system: System) -> None:
    async with running(system, "one") as (one,):
        dice = random.Random(1)
        for _ in range(40):
            await one.until(MESSAGE)
            before = one.machine.snapshot.version
            victims = [task for task in asyncio.all_tasks() if _is_of_a_pipe(task)]
            dice.choice(sorted(victims, key=lambda task: str(task.get_coro()))).cancel()
            began = time.monotonic()
            while one.machine.snapshot.version == before:
                assert time.monotonic() - began < 2, "nobody saw it"
                await asyncio.sleep(0.005)
            assert RECONNECTING in [str(change.pipe_state) for change in one.machine.history() if change.version > before]
        await one.until(MESSAGE)


def _is_of_a_pipe(task: asyncio.Task[Any]) -> bool:
    name = str(task.get_coro())
    return any(own in name for own in ("Life.", "SessionRun.", "Scheduler.", "AgentPipe.run"))
