"""Waiting for what a machine does, on an event loop."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable

from fustor_core.state.notices import Notices
from fustor_core.state.records import Snapshot, Transition


class Changes(AsyncIterator[Transition]):
    """The steps of a machine from when this was made, in version order, for ever; it stops listening when it is let go."""

    def __init__(self, notices: Notices) -> None:
        self._box = notices.open_box()
        self._end = weakref.finalize(self, notices.close_box, self._box)

    def __aiter__(self) -> "Changes":
        return self

    async def __anext__(self) -> Transition:
        if not self._end.alive:
            raise StopAsyncIteration
        change, _ = await self._box.next()
        return change

    def close(self) -> None:
        """Stop listening; the next step is the end of the iteration."""
        self._end()


async def wait_for(
    notices: Notices,
    stands: Callable[[], Snapshot],
    predicate: Callable[[Snapshot], object],
    timeout: float | None,  # noqa: ASYNC109 - a machine is waited for as a condition is: with a time, or for ever
) -> Snapshot:
    """The first snapshot from now on that fulfils the predicate, also one that has passed again; `TimeoutError` where none comes."""
    box = notices.open_box()
    try:
        async with asyncio.timeout(timeout):
            snapshot = stands()
            while not predicate(snapshot):
                _, snapshot = await box.next()
            return snapshot
    finally:
        notices.close_box(box)
