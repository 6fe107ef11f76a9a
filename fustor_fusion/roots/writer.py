"""The one thread that writes a root's store: whatever waits is committed together, then each is told what became of it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from fustor_core.errors import StoreDamaged, StoreError, StoreUnavailable
from fustor_core.supervision import Stillness, activity
from fustor_fusion.roots.slices import Slices
from fustor_fusion.stores import MOST_TOGETHER, Contribution, Outcome, RootStore, Swept

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_FIRST, RETRY_MOST = 0.1, 5.0
CLOSE_WITHIN = 10.0
PURGE_AFTER = 0.02
"""Seconds without a job after which a slice of tidying up is done."""
PURGE_EVERY = 0.1
"""Seconds between slices of tidying up under load: it takes a fifth of the writer's time at most."""
SWEEP_EVERY = 0.02
"""Seconds between slices of large listings under load: they take half of the writer's time at most."""

_Future = asyncio.Future[Any]
_Job = tuple[_Future, Sequence[Contribution] | Callable[[], Any]]


class Writer:
    """Commits to one store, in the order of submission. A store that cannot commit is tried again until it can: nobody is told of success
    before.

    `now` is the root's clock, `drop_to` how far the drop mark may go; `problem` is told why the store cannot commit, and None when it can
    again; `swept` what became of each slice of a large listing.
    """

    def __init__(
        self,
        name: str,
        store: RootStore,
        now: Callable[[], int],
        drop_to: Callable[[], int],
        *,
        problem: Callable[[StoreError | None], None],
        swept: Callable[[Swept], None],
    ) -> None:
        self._store = store
        self._now = now
        self._drop_to = drop_to
        self._problem = problem
        self._swept = swept
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Event()
        self._purging = Slices(PURGE_EVERY)
        self._sweeping = Slices(SWEEP_EVERY)
        self._asking = 0
        """How often the store has been asked for something; odd while it has not come back."""
        self._stillness = Stillness()
        self._failing = False
        self._thread = threading.Thread(target=self._work, name=f"write-{name}", daemon=True)
        self._thread.start()

    async def commit(self, contributions: Sequence[Contribution]) -> list[Outcome]:
        """What became of each, once it is durable."""
        result: list[Outcome] = await self._submit(contributions)
        return result

    async def call(self, function: Callable[[], T]) -> T:
        """Run something on the writing thread, in its turn; StoreUnavailable if the store is at the moment."""
        result: T = await self._submit(function)
        return result

    def hanging(self) -> bool:
        """Whether what the store was asked for does not come back, or nobody asks it any more; to be asked every `TICK`. A store that is
        slow is none that hangs: its thread works, or sleeps and wakes again and again."""
        if not self._thread.is_alive():
            return not self._closing.is_set()
        if not self._asking % 2:
            self._stillness.reset()
            return False
        return self._stillness.look((self._asking, activity(self._thread.native_id or 0)))

    async def close(self, within: float = CLOSE_WITHIN) -> bool:
        """Finish what was submitted, and end the thread; False where the store does not come back in so many seconds.

        Then the thread is left to the end of the process: nobody was told of success, so what it was at comes again.
        """
        self._closing.set()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, within)
        if self._thread.is_alive():
            log.error("a store does not come back, and is left as it is", extra={"writer": self._thread.name})
        return not self._thread.is_alive()

    def _submit(self, what: Sequence[Contribution] | Callable[[], Any]) -> _Future:
        future: _Future = self._loop.create_future()
        self._jobs.put((future, what))
        return future

    def _work(self) -> None:
        more_to_purge = True
        while True:
            sweeping = bool(self._store.sweeping)
            try:
                job = self._jobs.get(timeout=0 if sweeping else PURGE_AFTER if more_to_purge else None)
            except Empty:
                if sweeping:
                    self._sweep()
                    more_to_purge = True
                else:
                    more_to_purge = self._purge()
                continue
            group = self._gather(job)
            if group is None:
                return
            self._do(group)
            if self._store.sweeping and self._sweeping.is_due(time.monotonic()):
                self._sweep()
            more_to_purge = not self._purging.is_due(time.monotonic()) or self._purge()

    def _gather(self, job: _Job | None) -> list[_Job] | None:
        """Whatever else waits already, up to a measure; None at the end."""
        if job is None:
            return None
        group, weight = [job], _weight(job)
        while weight < MOST_TOGETHER:
            try:
                following = self._jobs.get_nowait()
            except Empty:
                break
            if following is None:
                self._jobs.put(None)
                break
            group.append(following)
            weight += _weight(following)
        return group

    def _do(self, group: list[_Job]) -> None:
        """Runs of contributions are committed together; a call keeps its place among them."""
        waiting: list[tuple[_Future, Sequence[Contribution]]] = []
        for future, what in group:
            if callable(what):
                self._commit(waiting)
                waiting = []
                self._call(future, what)
            else:
                waiting.append((future, what))
        self._commit(waiting)

    def _commit(self, group: list[tuple[_Future, Sequence[Contribution]]]) -> None:
        if not group:
            return
        try:
            outcomes = self._until_committed([one for _, contributions in group for one in contributions])
        except Exception as error:  # noqa: BLE001 - handed to the sessions that wait, which end and say so
            self._note(error)
            for future, _ in group:
                self._tell(_fail, future, error)
            return
        for future, contributions in group:
            self._tell(_succeed, future, outcomes[: len(contributions)])
            del outcomes[: len(contributions)]

    def _until_committed(self, together: list[Contribution]) -> list[Outcome]:
        delay = 0.0
        while True:
            try:
                with self._asked():
                    outcomes = self._store.commit(together, self._now(), self._drop_to())
            except StoreUnavailable as error:
                self._note(error)
                delay = min(delay * 2 or RETRY_FIRST, RETRY_MOST)
                if self._closing.wait(delay):
                    raise  # nobody was told of success: the agents still have it
            else:
                self._note_success()
                return outcomes

    def _call(self, future: _Future, function: Callable[[], Any]) -> None:
        try:
            with self._asked():
                result = function()
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits the call
            self._note(error)
            self._tell(_fail, future, error)
        else:
            self._note_success()
            self._tell(_succeed, future, result)

    def _purge(self) -> bool:
        """Tidy up a little; whether there is more."""
        began = time.monotonic()
        try:
            with self._asked():
                more = self._store.purge(self._purging.limit)
        except (StoreUnavailable, StoreDamaged) as error:
            self._note(error)
            log.warning("removed entries could not be purged: %s", error)
            self._closing.wait(RETRY_FIRST)
            return False
        self._purging.took(time.monotonic() - began, time.monotonic(), whole=more)
        return more

    def _sweep(self) -> None:
        """Apply a slice of a large listing; where the store cannot at the moment, later."""
        began = time.monotonic()
        try:
            with self._asked():
                swept = self._store.sweep(self._sweeping.limit, self._now())
        except (StoreUnavailable, StoreDamaged) as error:
            self._note(error)
            self._closing.wait(RETRY_FIRST)
            return
        self._note_success()
        self._sweeping.took(time.monotonic() - began, time.monotonic(), whole=not swept.ended)
        self._tell(self._swept, swept)

    def _note(self, error: Exception) -> None:
        if isinstance(error, StoreDamaged | StoreUnavailable):
            self._failing = True
            self._tell(self._problem, error)

    def _note_success(self) -> None:
        if self._failing:
            self._failing = False
            self._tell(self._problem, None)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        self._asking += 1
        try:
            yield
        finally:
            self._asking += 1

    def _tell(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            log.debug("the event loop has closed before the last commits were told")


def _weight(job: _Job) -> int:
    _, what = job
    return 1 if callable(what) else sum(contribution.weight for contribution in what)


def _succeed(future: _Future, result: object) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: _Future, error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
