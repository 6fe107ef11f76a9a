"""Faults inside an agent: a source that raises or hangs, a task that is killed, an event loop that stands still."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from fustor_core.state import HealthState
from fustor_core.supervision import LoopWatch
from fustor_core.wire import Verb
from tests.e2e.inside import MESSAGE, RECONNECTING, Pipe, running
from tests.e2e.system import System
from tests.polling import soon


@asynccontextmanager
async def here(system: System, *names: str, attempts: int | None = None) -> AsyncIterator[list[Pipe]]:
    """Pipes of this process that follow, with a fusion in a process of its own."""
    await asyncio.to_thread(system.start_fusion)
    async with running(system.directory, system.url, *names, attempts=attempts) as pipes:
        yield pipes


def boom() -> None:
    raise RuntimeError("boom")


@pytest.mark.parametrize("where", ["fault", "notice_fault"])
async def test_a_source_that_raises_moves_its_own_pipe_and_no_other(system: System, where: str) -> None:
    async with here(system, "one", "two") as (one, two):
        setattr(one.source, where, boom)
        one.touch()
        assert await one.until(RECONNECTING) < 2
        assert one.machine.snapshot.state.health is HealthState.CRITICAL
        assert one.kinds() == ["crashed"]
        await soon(lambda: sum("FAULT" in str(change.events) for change in one.machine.history()) >= 3)
        setattr(one.source, where, None)
        await one.until(MESSAGE)
        assert one.kinds() == []
        assert two.machine.snapshot.version == 4


async def test_a_source_that_hangs_shows_no_phase_until_it_goes_on(system: System) -> None:
    async with here(system, "one", "two") as (one, two):
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
    async with here(system, "one") as (one,):

        def slow() -> None:
            for _ in range(200):
                time.sleep(0.02)

        one.source.fault = slow
        one.touch()
        with suppress(AssertionError):
            await one.until(RECONNECTING, within=3)
        assert one.shows() == MESSAGE


async def test_crashes_that_do_not_end_use_the_retries_up(system: System) -> None:
    async with here(system, "one", attempts=3) as (one,):
        one.source.fault = boom
        one.touch()
        await one.until("ERROR")
        assert one.kinds() == ["refused"]
        one.source.fault = None
        await one.pipe.act(Verb.START)
        await one.until(MESSAGE)


async def test_an_event_loop_that_stands_still_is_seen_from_outside_of_it(system: System) -> None:
    async with here(system, "one") as (one,):
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
    async with here(system, "one") as (one,):
        dice = random.Random(1)
        for _ in range(40):
            await one.until(MESSAGE)
            await _kill_a_task(one, dice)
        await one.until(MESSAGE)


async def _kill_a_task(pipe: Pipe, dice: random.Random) -> None:
    before = pipe.machine.snapshot.version
    victims = [task for task in asyncio.all_tasks() if _is_of_a_pipe(task)]
    dice.choice(sorted(victims, key=lambda task: str(task.get_coro()))).cancel()
    await soon(lambda: pipe.machine.snapshot.version != before, within=2, what="that somebody saw it")
    assert RECONNECTING in [str(change.pipe_state) for change in pipe.machine.history() if change.version > before]


def _is_of_a_pipe(task: asyncio.Task[Any]) -> bool:
    name = str(task.get_coro())
    return any(own in name for own in ("Life.", "SessionRun.", "Scheduler.", "AgentPipe.run"))
