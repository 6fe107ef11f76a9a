"""Waiting in tests: for a condition, with a deadline, and never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, within: float = 15.0, what: str = "") -> T:
    """The first true value of `probe`; fails when there is none `within` seconds, with the last error or value."""
    deadline = time.monotonic() + within
    last: object = None
    while time.monotonic() < deadline:
        try:
            value = probe()
        except (AssertionError, OSError) as error:
            last = error
        else:
            if value:
                return value
            last = value
        time.sleep(0.02)
    raise AssertionError(f"{what or getattr(probe, '__name__', 'the condition')} did not come true within {within:g} s; last: {last}")


async def soon(condition: Callable[[], object], *, within: float = 20.0, what: str = "") -> float:
    """Wait until the condition holds, while the event loop goes on; for how long, in seconds. Fails when it does not `within` seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"{what or 'the condition'} did not come true within {within:g} s"
        await asyncio.sleep(0.005)
    return time.monotonic() - began
