"""Reads that may block for ever (a hung mount) run on daemon threads that can be given up, so that nothing else waits for them."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from fustor_core.supervision import Stillness, activity

T = TypeVar("T")

_Job = tuple[asyncio.Future[Any], Callable[[], Any]]
_numbers = itertools.count(1)


class Readers:
    """Threads that run blocking calls for one event loop; there are never more than calls that run at the same time.

    A call whose awaiting task is cancelled is given up: its thread ends the call when it can, and its result is thrown away.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[_Job | None]] = []
        self._calls: dict[asyncio.Future[Any], tuple[int, Stillness]] = {}

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        inbox = self._idle.pop() if self._idle else self._start(loop)
        inbox.put((future, call))
        return await future

    def hanging(self) -> bool:
        """Whether a call that is waited for does not move; to be asked every `TICK`. One that reads slowly moves: its thread sleeps and
        wakes again and again."""
        # Each is looked at, also when one before it hangs: looks are counted.
        looks = [stillness.look(activity(thread)) for future, (thread, stillness) in self._calls.copy().items() if not future.done()]
        return any(looks)

    def close(self) -> None:
        """Let idle threads end; those in a call end after it, or with the process."""
        while self._idle:
            self._idle.pop().put(None)

    def _start(self, loop: asyncio.AbstractEventLoop) -> SimpleQueue[_Job | None]:
        inbox: SimpleQueue[_Job | None] = SimpleQueue()
        threading.Thread(target=self._work, args=(loop, inbox), name=f"{self._name}-{next(_numbers)}", daemon=True).start()
        return inbox

    def _work(self, loop: asyncio.AbstractEventLoop, inbox: SimpleQueue[_Job | None]) -> None:
        while job := inbox.get():
            future, call = job
            result, error = None, None
            self._calls[future] = threading.get_native_id(), Stillness()
            try:
                result = call()
            except BaseException as raised:  # noqa: BLE001 - handed to whoever awaits the call
                error = raised
            del self._calls[future]
            try:
                loop.call_soon_threadsafe(self._hand_over, inbox, future, result, error)
            except RuntimeError:  # the loop has closed: nobody waits any more
                return

    def _hand_over(self, inbox: SimpleQueue[_Job | None], future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
        self._idle.append(inbox)
        if not future.cancelled():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
