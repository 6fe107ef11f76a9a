"""The lanes of a session: what each takes, and when it leaves work where it is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from fustor_agent.noticing.watching import Watching
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.floods import MANY
from fustor_agent.outbox.work import Priority
from fustor_agent.reading.pace import LoadLimits, Pace
from fustor_agent.reading.readers import Readers
from fustor_agent.scheduler import Scheduler
from fustor_agent.session.outgoing import CHANGES_AHEAD, ROOM, Outgoing
from fustor_agent.testing.tree import FakeSource, FakeTree
from fustor_core.clock import Stamper
from fustor_core.conditions import Conditions
from fustor_core.evidence import Gone, Listing
from tests.oracle import entry_of
from tests.polling import soon

ENTRY = entry_of("f", 1)


class Bench:
    """A session whose fusion is played by hand, over a tree in memory."""

    def __init__(self) -> None:
        self.tree, self.outbox = FakeTree(), Outbox()
        source = FakeSource(self.tree)
        self.stamper = Stamper(lambda: 1_000_000, slot=1, above=0)
        self.outgoing = Outgoing(self.outbox, self.stamper, window=4)
        watching = Watching(source, self.outbox, Conditions(), lambda: None)
        pace = Pace(LoadLimits(parallel=4))
        self.scheduler = Scheduler(source, self.outbox, self.outgoing, self.stamper, Readers("test"), watching, pace)

    def fill(self) -> None:
        """As many changes have been read as may be ahead of what is sent."""
        self.outbox.mark([b"old%d" % number for number in range(CHANGES_AHEAD)], 1)
        work = self.outbox.take_changes(CHANGES_AHEAD)
        assert work is not None
        self.outgoing.add([Gone(b"old%d" % number, self.stamper.take()) for number in range(CHANGES_AHEAD)], work, work)

    @asynccontextmanager
    async def reads(self, ready: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
        """Its lanes run, until the block ends."""
        task = asyncio.create_task(self.scheduler.run(ready))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def send_all(self) -> None:
        while batch := self.outgoing.next(lambda: 1, list, list):
            self.outgoing.acknowledge(batch.sequence)


async def test_what_was_asked_for_is_read_while_the_wire_is_full_of_walks() -> None:
    bench = Bench()
    bench.outbox.walk(Priority.SNAPSHOT, [b"walked"])
    work = bench.outbox.take_walk(1)
    assert work is not None
    bench.outgoing.add([Listing(b"walked", bench.stamper.take(), {b"%d" % number: ENTRY for number in range(ROOM // 64)})], work, work)
    assert not bench.outgoing.has_room
    bench.outbox.ask([b""], 1)
    async with bench.reads():
        await soon(lambda: bench.outbox.waiting(Priority.ASKED) == 0, what="it is read")


async def test_changes_wait_where_they_stay_fresh_and_walks_go_on_meanwhile() -> None:
    """A change that is read while thousands are ahead of it would be old when its turn comes, and so would one elsewhere behind it."""
    bench = Bench()
    bench.fill()
    bench.outbox.mark([b"new%d" % number for number in range(5_000)], 2)
    bench.outbox.walk(Priority.SNAPSHOT, [b""])
    async with bench.reads():
        await soon(lambda: not bench.outgoing.walked_all, what="the walk has been read")
        await asyncio.sleep(0)  # whoever read it looks for more
        assert bench.outbox.waiting(Priority.LIVE) == 5_000
        bench.send_all()
        bench.scheduler.wake()
        await soon(lambda: bench.outbox.waiting(Priority.LIVE) < 5_000, what="the changes are read")


async def test_a_list_tells_how_large_a_directory_is_and_a_digest_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    noted: list[tuple[bytes, int]] = []
    monkeypatch.setattr(bench.outbox, "note_size", lambda directory, names: noted.append((directory, names)))
    for number in range(3):
        bench.tree.write(b"%d" % number, 1)
    async with bench.reads():
        for priority in Priority.SNAPSHOT, Priority.AUDIT:
            bench.outbox.walk(priority, [b""])
            bench.scheduler.audits.go_on(0)
            bench.scheduler.wake()
            await soon(lambda: not bench.outgoing.walked_all, what="the walk has been read")
            bench.send_all()
            assert noted == [(b"", 3)]


async def test_a_directory_that_was_full_of_changes_is_listed_without_further_word() -> None:
    bench = Bench()
    bench.outbox.mark([b"%d" % number for number in range(MANY + 1)], 1)
    assert bench.outbox.flooded
    async with bench.reads():
        await soon(lambda: not bench.outbox.flooded, what="it is listed")


async def test_a_change_elsewhere_is_read_although_the_wire_is_full_of_others() -> None:
    bench = Bench()
    bench.fill()
    bench.outbox.mark([b"elsewhere/f", *(b"new%d" % number for number in range(100))], 2)
    async with bench.reads():
        await soon(lambda: bench.outbox.waiting(Priority.LIVE) == 100, what="it is read")


async def test_changes_without_end_keep_neither_what_was_asked_for_nor_a_walk() -> None:
    bench = Bench()

    def more() -> None:
        bench.outbox.mark([b"%d" % number for number in range(10_000)], 2)
        bench.send_all()
        bench.scheduler.wake()

    more()
    bench.outbox.walk(Priority.SNAPSHOT, [b""])
    async with bench.reads(more):
        await soon(lambda: bench.outbox.idle(Priority.SNAPSHOT), what="the walk has been read")
        bench.scheduler.stop_walking()  # those who walk would take it as well
        bench.outbox.ask([b""], 1)
        await soon(lambda: bench.outbox.idle(Priority.ASKED), what="what was asked for has been read")
