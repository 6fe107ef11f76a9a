"""Reads that hang: given up where that is allowed, bounded in number, and thrown away when they come back."""

import asyncio
import threading

import pytest

from fustor_agent.reading.readers import GIVEN_UP_AFTER, MOST_GIVEN_UP, DoesNotAnswer, Readers
from fustor_agent.reading.reading import ReadingStamps
from fustor_core.clock import Stamper
from fustor_core.supervision import STILL, activity


class Hangs:
    """A call that returns when it is told to."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.began = threading.Semaphore(0)
        self.goes_on = threading.Event()

    def __call__(self) -> str:
        self.threads.append(threading.get_native_id())
        self.began.release()
        self.goes_on.wait(60)
        return "late"


async def begun(hangs: Hangs, readers: Readers, count: int, *, allowed: bool = True, in_doubt: bool = False) -> list[asyncio.Task[str]]:
    """So many calls that hang in their threads."""
    tasks = [asyncio.create_task(readers.run(hangs, overdue=lambda: allowed, in_doubt=in_doubt)) for _ in range(count)]
    for _ in range(count):
        await asyncio.to_thread(hangs.began.acquire, timeout=30)
    await at_rest(hangs.threads)
    return tasks


async def at_rest(threads: list[int]) -> None:
    """Wait until none of the threads moves any more: on a busy machine it takes a while to fall asleep."""
    seen = None
    async with asyncio.timeout(30):
        while (moved := [activity(thread) for thread in threads]) != seen:
            seen = moved
            await asyncio.sleep(0.05)


def look(readers: Readers, times: int) -> bool:
    """Whether something hangs at the last of so many looks; none of them takes time."""
    return [readers.hanging() for _ in range(times)][-1]


async def test_a_call_that_hangs_is_seen_and_then_given_up() -> None:
    hangs, readers = Hangs(), Readers("test")
    [task] = await begun(hangs, readers, 1)
    assert not look(readers, STILL - 1)
    assert look(readers, 2)
    assert not task.done()
    look(readers, GIVEN_UP_AFTER)
    with pytest.raises(DoesNotAnswer):
        await task
    assert not readers.hanging()
    hangs.goes_on.set()
    assert await readers.run(lambda: "other") == "other"


async def test_whoever_gave_a_call_up_hears_when_it_comes_back_after_all() -> None:
    hangs, readers, came_back = Hangs(), Readers("test"), asyncio.Event()
    task = asyncio.create_task(readers.run(hangs, overdue=lambda: True, late=came_back.set))
    await asyncio.to_thread(hangs.began.acquire, timeout=30)
    await at_rest(hangs.threads)
    look(readers, 2 * GIVEN_UP_AFTER)
    with pytest.raises(DoesNotAnswer):
        await task
    assert not came_back.is_set()
    hangs.goes_on.set()
    async with asyncio.timeout(30):
        await came_back.wait()
    assert await readers.run(lambda: "on time", late=came_back.clear) == "on time"
    assert came_back.is_set()


async def test_what_may_not_be_given_up_is_waited_for() -> None:
    hangs, readers = Hangs(), Readers("test")
    [task] = await begun(hangs, readers, 1, allowed=False)
    assert look(readers, 3 * GIVEN_UP_AFTER)
    hangs.goes_on.set()
    assert await task == "late"


async def test_a_call_in_doubt_hangs_without_being_news() -> None:
    hangs, readers = Hangs(), Readers("test")
    [task] = await begun(hangs, readers, 1, in_doubt=True)
    assert not look(readers, GIVEN_UP_AFTER - 1)
    look(readers, 2)
    with pytest.raises(DoesNotAnswer):
        await task
    hangs.goes_on.set()


async def test_threads_that_were_given_up_are_bounded() -> None:
    hangs, readers = Hangs(), Readers("test")
    tasks = await begun(hangs, readers, MOST_GIVEN_UP + 3)
    look(readers, 2 * GIVEN_UP_AFTER)
    await asyncio.sleep(0)
    assert sum(task.done() for task in tasks) == MOST_GIVEN_UP
    assert readers.hanging()
    another = asyncio.create_task(readers.run(lambda: "read"))
    await asyncio.sleep(0)
    assert not another.done()
    hangs.goes_on.set()
    assert await another == "read"
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers.count("late") == 3


def test_the_stamps_of_a_reading_that_was_given_up_hold_nothing_back() -> None:
    now = [1 << 20]
    stamper = Stamper(lambda: now[0], slot=1, above=0)
    stamps = ReadingStamps(stamper)
    at = stamps.take()
    now[0] += 1 << 20
    assert stamper.low() == at - 1
    stamps.give_up()
    assert stamper.low() > at
    late = stamps.take()
    now[0] += 1 << 20
    assert stamper.low() > late
