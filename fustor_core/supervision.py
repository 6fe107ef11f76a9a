"""Whoever must not end, and whatever must not stand still: seen within two seconds, by whatever means it ends or hangs."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, Self, TypeVar

from fustor_core.errors import ConfigurationError, FustorError, Refused, RootGone

T = TypeVar("T")

TICK: Final = 0.25
"""Seconds between looks."""
STILL: Final = 5
"""What has not moved for so many looks hangs. Looks are counted, and not seconds: while this process is stopped, nothing is late."""


class Died(Exception):
    """A task has ended that was to go on: somebody cancelled it, or it returned."""


async def while_running(main: Coroutine[Any, Any, T], *others: Coroutine[Any, Any, object]) -> T:
    """What `main` returns or raises; the others run beside it and are cancelled after it.

    Where another ends first, by whatever means, `main` is cancelled, and what the other ended with is raised. A TaskGroup would not notice
    a task that was cancelled from elsewhere, and wait on.
    """
    first = asyncio.create_task(main)
    tasks = [first, *(asyncio.create_task(other) for other in others)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in tasks if task.done()]
    finally:
        await _end(tasks)
    if first in ended and not first.cancelled():
        return first.result()
    errors = [_ending(task) for task in ended]
    if len(errors) == 1:
        raise errors[0]
    raise BaseExceptionGroup("several tasks ended at once", errors)


def weightiest(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that a group of tasks ended with: what is wrong with the root or with us before a mere loss of the session."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            leaves.append(error)
    for kind in (RootGone, Refused, ConfigurationError):
        for error in leaves:
            if isinstance(error, kind):
                return error
    # What nobody expected outweighs a lost session: it would be lost with it.
    return next((error for error in leaves if not isinstance(error, FustorError)), leaves[0])


async def all_running(*works: Coroutine[Any, Any, object]) -> NoReturn:
    """Run all of them until one ends, and raise what it ended with."""
    await while_running(asyncio.Event().wait(), *works)
    raise AssertionError("the main task waits for ever")


def _ending(task: asyncio.Task[Any]) -> BaseException:
    if task.cancelled():
        return Died(f"{task.get_coro()} was cancelled")
    return task.exception() or Died(f"{task.get_coro()} has returned")


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel what still runs, wait for it, and take note of what it raised: what came first is what counts."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()


class Kept:
    """Runs what `make` makes while a block lasts, and runs it again whenever it ends while it is wanted; `died` hears what it ended with.

    Callbacks of the loop see to that and no task, so there is none that could be killed unseen.
    """

    def __init__(
        self,
        make: Callable[[], Coroutine[Any, Any, None]],
        died: Callable[[BaseException], None],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._make = make
        self._died = died
        self._wanted = wanted
        self._task: asyncio.Task[None] | None = None
        self._leaving = False
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leaving = True
        if self._task is not None and not self._task.done():
            await _end([self._task])

    async def over(self) -> None:
        """Wait until it has ended and is not wanted any more."""
        await self._over.wait()

    def _begin(self) -> None:
        if self._leaving or not self._wanted():
            self._over.set()
            return
        self._task = asyncio.create_task(self._make(), name=self._make.__qualname__)
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = _ending(task)
        if self._leaving or not self._wanted():
            self._over.set()
            return
        task.get_loop().call_later(TICK, self._begin)
        self._died(error)


class Stillness:
    """Counts the looks at which something has not moved."""

    def __init__(self) -> None:
        self._seen: object = None
        self.looks = 0
        """How many looks in a row it has been the same."""

    def look(self, value: object) -> bool:
        """Whether the value has been the same for so long that what it belongs to hangs."""
        self.looks = self.looks + 1 if value == self._seen else 0
        self._seen = value
        return self.looks >= STILL

    def reset(self) -> None:
        self._seen, self.looks = None, 0


def activity(thread: int) -> tuple[str, ...]:
    """How often a thread of this process has been given the processor and has given it back, and for how long it had it: the same again
    where it does nothing but wait for one and the same thing."""
    directory = Path(f"/proc/self/task/{thread}")
    try:
        status = (directory / "status").read_text("ascii", "replace")
        times = (directory / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[11:13]
    except OSError:
        return ()
    return (*(line for line in status.splitlines() if "ctxt_switches" in line), *times)


class LoopWatch:
    """A thread that sees when the event loop stands still; `stalled` is called on that thread."""

    def __init__(self, stalled: Callable[[], None]) -> None:
        self._stalled = stalled
        self._beats = 0
        self._ending = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the running loop until the block ends."""
        thread = threading.Thread(target=self._watch, args=(asyncio.get_running_loop(),), name="loop-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            thread.join()

    def _beat(self) -> None:
        self._beats += 1

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        still, reported = Stillness(), False
        while not self._ending.wait(TICK):
            hangs = still.look(self._beats)
            if hangs and not reported:
                self._stalled()
            reported = hangs
            try:
                loop.call_soon_threadsafe(self._beat)
            except RuntimeError:  # the loop has closed
                return
