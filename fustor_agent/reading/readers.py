"""Reads that may block for ever (a hung mount) run on daemon threads that can be given up, so that nothing else waits for them."""

import asyncio
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from fustor_core.errors import SourceError
from fustor_core.supervision import Stillness, activity

T = TypeVar("T")

GIVEN_UP_AFTER: Final = 20
"""Looks at which a call has not moved, after which it is overdue: five seconds."""
MOST_GIVEN_UP: Final = 64
"""Calls that were given up and have not come back. Each holds a thread, so beyond these nothing is read until one of them ends."""

_numbers = itertools.count(1)


class DoesNotAnswer(SourceError):
    """A read hangs, and is waited for no longer."""


def _wait_on() -> bool:
    return False


def _nobody() -> None:
    pass


@dataclass(slots=True, eq=False)
class _Call:
    """A call, and who waits for it. `in_doubt`: it is known that it may hang."""

    future: asyncio.Future[Any]
    function: Callable[[], Any]
    overdue: Callable[[], bool]
    in_doubt: bool
    late: Callable[[], None]
    thread: int = 0
    stillness: Stillness = field(default_factory=Stillness)


class Readers:
    """Threads that run blocking calls for one event loop; there are never more than calls that run at the same time.

    A call whose awaiting task is cancelled, or which hangs and may be given up, is given up: its thread ends the call when it can, and its
    result is thrown away.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[_Call | None]] = []
        self._running: set[_Call] = set()
        self._ended = asyncio.Event()

    async def run(
        self,
        function: Callable[[], T],
        *,
        overdue: Callable[[], bool] = _wait_on,
        in_doubt: bool = False,
        late: Callable[[], None] = _nobody,
    ) -> T:
        """What `function` returns or raises. While it hangs, `overdue` is asked again and again whether it is to be given up: then
        DoesNotAnswer. `late` is called when it comes back after it was given up."""
        loop = asyncio.get_running_loop()
        while self._given_up() >= MOST_GIVEN_UP:
            self._ended.clear()
            await self._ended.wait()
        future: asyncio.Future[T] = loop.create_future()
        inbox = self._idle.pop() if self._idle else self._start(loop)
        inbox.put(_Call(future, function, overdue, in_doubt, late))
        return await future

    def hanging(self) -> bool:
        """Whether a call that is waited for does not move; to be asked every `TICK`. One that reads slowly moves: its thread sleeps and
        wakes again and again. Calls in doubt do not count. Gives up what has hung for too long."""
        waited = [call for call in self._running.copy() if not call.future.done()]
        # Each is looked at, also when one before it hangs: looks are counted.
        still = [call for call in waited if call.stillness.look(activity(call.thread))]
        for call in still:
            if call.stillness.looks >= GIVEN_UP_AFTER and self._given_up() < MOST_GIVEN_UP and call.overdue():
                call.future.set_exception(DoesNotAnswer("a read of the source does not come back"))
        return any(not call.in_doubt for call in still) or self._given_up() >= MOST_GIVEN_UP

    def _given_up(self) -> int:
        return sum(call.future.done() for call in self._running.copy())

    def close(self) -> None:
        """Let idle threads end; those in a call end after it, or with the process."""
        while self._idle:
            self._idle.pop().put(None)

    def _start(self, loop: asyncio.AbstractEventLoop) -> SimpleQueue[_Call | None]:
        inbox: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=self._work, args=(loop, inbox), name=f"{self._name}-{next(_numbers)}", daemon=True).start()
        return inbox

    def _work(self, loop: asyncio.AbstractEventLoop, inbox: SimpleQueue[_Call | None]) -> None:
        while call := inbox.get():
            result, error = None, None
            call.thread = threading.get_native_id()
            self._running.add(call)
            try:
                result = call.function()
            except BaseException as raised:  # noqa: BLE001 - handed to whoever awaits the call
                error = raised
            self._running.discard(call)
            try:
                loop.call_soon_threadsafe(self._hand_over, inbox, call, result, error)
            except RuntimeError:  # the loop has closed: nobody waits any more
                return

    def _hand_over(self, inbox: SimpleQueue[_Call | None], call: _Call, result: object, error: BaseException | None) -> None:
        self._idle.append(inbox)
        self._ended.set()
        if call.future.done():
            call.late()
        elif error is None:
            call.future.set_result(result)
        else:
            call.future.set_exception(error)
