"""The one thread that writes: together, in order, and never acknowledged before it is durable."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from fustor_core.errors import StoreDamaged, StoreError, StoreUnavailable
from fustor_core.evidence import Entry, Seen
from fustor_core.supervision import STILL
from fustor_core.wire import Identity, Via
from fustor_fusion.roots.writer import Writer
from fustor_fusion.stores import Contribution, Outcome
from fustor_fusion.stores.memory import MemoryStore
from tests.polling import eventually

FILE = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)


class Disk(MemoryStore):
    """A store on a disk that can be full; it notes how much was committed together."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.groups: list[int] = []
        self.answers = threading.Event()
        self.answers.set()
        self.damaged = False
        self.purged = threading.Event()

    def commit(self, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        self.answers.wait(60)
        if self.full:
            raise StoreUnavailable("no space left on device")
        self.groups.append(len(contributions))
        return super().commit(contributions, now, drop_to)

    def purge(self, limit: int) -> bool:
        self.purged.set()
        if self.damaged:
            raise StoreDamaged("it is broken")
        return super().purge(limit)


class Problems(list[str | None]):
    """What the writer told of its store, and the means to wait for the first of it."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    def tell(self, error: StoreError | None) -> None:
        self.append(str(error) if error else None)
        self.told.set()


def seen(sequence: int) -> Contribution:
    at = sequence << 10 | 1
    return Contribution("a", "r", "s", sequence, Via.LIVE, [Seen(b"f%d" % sequence, at, FILE)])


@asynccontextmanager
async def writing(store: Disk, problems: Problems) -> AsyncIterator[Writer]:
    store.open_session("a", "r", "s", Identity("ext4", "1", 2), 1)
    writer = Writer("test", store, lambda: 10**9, lambda: 0, problems.tell)
    try:
        yield writer
    finally:
        await writer.close()


def _raise(error: Exception) -> Callable[[], None]:
    def failing() -> None:
        raise error

    return failing


async def test_what_waits_is_committed_together_and_in_order() -> None:
    store = Disk()
    async with writing(store, Problems()) as writer:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(writer.commit([seen(sequence)])) for sequence in range(1, 101)]
        assert all(task.result() == [Outcome()] for task in tasks)
        with store.reading() as reading:
            assert reading.agents()[0].sequence == 100
    assert sum(store.groups) == 100
    assert len(store.groups) < 100


async def test_nobody_hears_of_success_while_the_disk_is_full() -> None:
    store, problems = Disk(), Problems()
    async with writing(store, problems) as writer:
        store.full = True
        commit = asyncio.create_task(writer.commit([seen(1)]))
        await problems.told.wait()
        assert problems == ["no space left on device"]
        assert not commit.done()
        store.full = False
        assert await commit == [Outcome()]
        assert problems[-1] is None


async def test_it_is_said_that_no_session_can_be_opened_until_one_can() -> None:
    """While no session stands nothing is committed, and nothing else would tell."""
    store, problems = Disk(), Problems()
    async with writing(store, problems) as writer:
        with pytest.raises(StoreUnavailable):
            await writer.call(_raise(StoreUnavailable("no space left on device")))
        assert problems == ["no space left on device"]
        await writer.call(lambda: None)
        await writer.call(lambda: None)
        assert problems == ["no space left on device", None]


async def test_closing_while_the_disk_is_full_ends_and_promises_nothing() -> None:
    store, problems = Disk(), Problems()
    async with writing(store, problems) as writer:
        store.full = True
        commit = asyncio.create_task(writer.commit([seen(1)]))
        await problems.told.wait()
    with pytest.raises(StoreUnavailable):
        await commit


async def test_an_error_reaches_who_waits_and_nobody_else() -> None:
    store = Disk()
    async with writing(store, Problems()) as writer:
        with pytest.raises(ZeroDivisionError):
            await writer.call(lambda: 1 // 0)
        assert await writer.commit([seen(1)]) == [Outcome()]


async def test_a_commit_that_does_not_come_back_hangs_and_one_that_is_tried_again_does_not() -> None:
    store, problems = Disk(), Problems()
    async with writing(store, problems) as writer:
        assert not any(writer.hanging() for _ in range(2 * STILL))
        store.answers.clear()
        commit = asyncio.create_task(writer.commit([seen(1)]))
        await asyncio.to_thread(eventually, lambda: any(writer.hanging() for _ in range(2 * STILL)))
        store.answers.set()
        await commit
        assert not any(writer.hanging() for _ in range(2 * STILL))
        store.full = True
        commit = asyncio.create_task(writer.commit([seen(2)]))
        await problems.told.wait()
        assert not any(writer.hanging() for _ in range(2 * STILL))
        store.full = False
        await commit


async def test_a_store_that_breaks_while_it_tidies_up_does_not_end_the_writing() -> None:
    store = Disk()
    store.damaged = True
    async with writing(store, Problems()) as writer:
        await asyncio.to_thread(store.purged.wait, 20)
        assert await writer.commit([seen(1)]) == [Outcome()]
        assert not writer.hanging()


async def test_a_store_that_hangs_does_not_keep_fusion_from_ending() -> None:
    store = Disk()
    store.open_session("a", "r", "s", Identity("ext4", "1", 2), 1)
    writer = Writer("test", store, lambda: 10**9, lambda: 0, Problems().tell)
    store.answers.clear()
    commit = asyncio.create_task(writer.commit([seen(1)]))
    await asyncio.sleep(0)
    assert not await writer.close(within=0.1)
    store.answers.set()
    assert await writer.close(within=30)
    commit.cancel()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_writer_whose_thread_has_ended_is_one_that_hangs() -> None:
    async with writing(Disk(), Problems()) as writer:
        call = asyncio.ensure_future(writer.call(lambda: sys.exit(1)))
        await asyncio.to_thread(eventually, writer.hanging)
        call.cancel()
