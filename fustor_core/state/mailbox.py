"""Steps on their way to one event loop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from fustor_core.state.records import Snapshot, Transition


class Mailbox:
    """What one coroutine has still to hear, in version order; at most `size`, then the oldest go and are counted.

    `put` is called under the machine's lock, `ring` by any thread without it, `next` on the loop. With `served`, the loop itself calls
    that for one step after the other, in a task that lives while there are steps.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        size: int,
        served: Callable[[Transition], Awaitable[None]] | None = None,
    ) -> None:
        self.active = True
        self.lost = 0
        self._loop: Final = loop
        self._size: Final = size
        self._served: Final = served
        self._steps: Final[deque[tuple[Transition, Snapshot]]] = deque()
        self._there: Final = asyncio.Event()
        self._rung = False
        self._task: asyncio.Task[None] | None = None

    def put(self, change: Transition, snapshot: Snapshot) -> None:
        self._steps.append((change, snapshot))
        if len(self._steps) > self._size:
            self._steps.popleft()
            self.lost += 1

    def ring(self) -> bool:
        """Let the loop look into the box; False where the loop is closed."""
        # One call on its way is enough, however many steps come meanwhile: `_look` clears the mark before it looks.
        if self._rung or not self._steps:
            return True
        self._rung = True
        try:
            self._loop.call_soon_threadsafe(self._look)
        except RuntimeError:
            return False
        return True

    async def next(self) -> tuple[Transition, Snapshot]:
        """The oldest step, as soon as there is one."""
        while not self._steps:
            self._there.clear()
            await self._there.wait()
        return self._steps.popleft()

    def _look(self) -> None:
        self._rung = False
        self._there.set()
        if self._served is not None and self._task is None and self.active:
            self._task = self._loop.create_task(self._serve(self._served), name="state listener")
            self._task.add_done_callback(self._served_all)

    async def _serve(self, served: Callable[[Transition], Awaitable[None]]) -> None:
        while self._steps and self.active:
            change, _ = self._steps.popleft()
            await served(change)

    def _served_all(self, task: asyncio.Task[None]) -> None:
        self._task = None
        # What came between the last look and the end of the task. A task that was cancelled is not begun again: its loop is ending.
        if self._steps and not task.cancelled():
            self._look()
