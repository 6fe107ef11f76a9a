"""Wakes those who wait for something to happen. Lives on the event loop."""

import asyncio
from collections.abc import Sequence


class News:
    """One thing that happens again and again."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """Set when it happens the next time: whoever takes this before looking misses nothing."""
        return self._next

    def tell(self) -> None:
        """It has happened."""
        self._next.set()
        self._next = asyncio.Event()


async def first_of(events: Sequence[asyncio.Event], seconds: float) -> None:
    """Until one of the events is set, or for so long."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
