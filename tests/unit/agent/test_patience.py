"""Waiting that somebody else may cut short, at any moment."""

import asyncio

import pytest

from fustor_agent.patience import Patience


async def at_once() -> str:
    return "done"


async def test_what_is_not_interrupted_comes_to_its_end() -> None:
    patience = Patience()
    patience.interrupt()  # nothing is waited for, so nothing is given up
    assert await patience.unless_interrupted(at_once) == "done"


async def test_what_is_interrupted_is_given_up_and_the_next_is_waited_for() -> None:
    patience = Patience()
    waiting = asyncio.create_task(patience.unless_interrupted(asyncio.Event().wait))
    await asyncio.sleep(0)
    patience.interrupt()
    assert await waiting is None
    assert await patience.unless_interrupted(at_once) == "done"


async def test_it_may_be_interrupted_again_while_what_was_waited_for_cleans_up() -> None:
    patience, cleaning, cleaned = Patience(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await cleaned.wait()

    waiting = asyncio.create_task(patience.unless_interrupted(slow))
    await asyncio.sleep(0)
    patience.interrupt()
    await cleaning.wait()
    patience.interrupt()
    patience.end()
    cleaned.set()
    await waiting


async def test_at_its_end_nothing_is_waited_for() -> None:
    patience = Patience()
    patience.end()
    assert await patience.unless_interrupted(at_once) is None


async def test_a_timeout_of_what_is_waited_for_is_its_own() -> None:
    async def late() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await Patience().unless_interrupted(late)
