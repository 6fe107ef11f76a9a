"""The one thread that writes: together, in order, and never acknowledged before it is durable."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from fustor_core.errors import StoreDamaged, StoreError, StoreUnavailable
from fustor_core.evidence import Entry, Listing, Seen
from fustor_core.supervision import STILL
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.sweep import LARGE
from fustor_fusion.roots.writer import Writer
from fustor_fusion.stores import MOST_TOGETHER, Contribution, Outcome, Swept
from fustor_fusion.stores.memory import MemoryStore
from tests.oracle import every_child
from tests.polling import eventually, soon

FILE = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)


class Disk(MemoryStore):
    """A store on a disk that can be full; it notes how much was committed together."""

    def __init__(self, large: int = LARGE) -> None:
        super().__init__(large=large)
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
async def writing(store: Disk, problems: Problems, swept: Callable[[Swept], None] = lambda _: None) -> AsyncIterator[Writer]:
    store.open_session("a", "r", "s", Identity("ext4", "1", 2), 1)
    writer = Writer("test", store, lambda: 10**9, lambda: 0, problem=problems.tell, swept=swept)
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


async def test_much_work_is_not_committed_together() -> None:
    """Whoever comes then waits for the whole commit."""
    store = Disk()
    async with writing(store, Problems()) as writer:
        store.answers.clear()
        half = [Seen(b"f%d" % number, number << 10 | 1, FILE) for number in range(1, MOST_TOGETHER // 2 + 1)]
        frames = [Contribution("a", "r", "s", sequence, Via.LIVE, half) for sequence in range(1, 6)]
        commits = [asyncio.create_task(writer.commit([frame])) for frame in frames]
        await asyncio.sleep(0)
        store.answers.set()
        await asyncio.gather(*commits)
    assert sum(store.groups) == 5
    assert max(store.groups) == 2


async def test_a_large_listing_is_applied_between_commits_and_each_slice_is_told() -> None:
    store, told = Disk(large=100), list[Swept]()
    store.open_session("a", "r", "s", Identity("ext4", "1", 2), 1)
    listings = [Listing(b"", at << 10 | 1, {b"%d" % each: FILE for each in range(at, at + 5_000)}) for at in (1, 2)]
    async with writing(store, Problems(), told.append) as writer:
        for sequence, listing in enumerate(listings, start=1):
            await writer.commit([Contribution("a", "r", "s", sequence, Via.SNAPSHOT, [listing])])
        await soon(lambda: told and told[-1].ended)
        with store.reading() as reading:
            assert {found.path for found in every_child(reading, b"")} == set(listings[1].entries)
    assert len(told) > 2
    assert [swept.ended for swept in told[:-1]] == [False] * (len(told) - 1)


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
    writer = Writer("test", store, lambda: 10**9, lambda: 0, problem=Problems().tell, swept=lambda _: None)
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
