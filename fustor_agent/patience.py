"""Waiting that somebody else may cut short."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """For one task that waits for one thing at a time."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None
        self._ended = False

    def interrupt(self) -> None:
        """What is waited for at the moment is given up."""
        # It may be on its way to that already, for as long as it takes to clean up.
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())

    def end(self) -> None:
        """Nothing is waited for any more."""
        self._ended = True
        self.interrupt()

    async def unless_interrupted(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What `call` returns; None if it was interrupted first."""
        if self._ended:
            return None
        timeout = asyncio.timeout(None)
        try:
            async with timeout:
                self._timeout = timeout
                return await call()
        except TimeoutError:
            if not timeout.expired():
                raise
            return None
        finally:
            self._timeout = None
