"""Very many events at once are noticed in parts, between which everything else in the process has its turn."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from fustor_agent.noticing.watching import MANY, OVERFLOWED, Watching
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Priority
from fustor_agent.sources import Noticed
from fustor_agent.sources.fs.source import FsSource
from fustor_core.clock import Stamper, boottime
from fustor_core.conditions import Conditions
from tests.polling import soon

FILES = 6_000
MOST_QUEUED = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


class Failing(FsSource):
    """Cannot go on after the first part."""

    failing = False

    def notice(self) -> Noticed:
        if self.failing:
            raise OSError("no more")
        self.failing = True
        return super().notice()


class Bench:
    """A watched directory, of which the events are taken into an outbox. To be used in a running loop."""

    def __init__(self, root: Path, stack: ExitStack, kind: type[FsSource] = FsSource) -> None:
        self.root = root
        self.outbox, self.conditions = Outbox(), Conditions()
        self.source = kind(root)
        self.watching = Watching(self.source, self.outbox, self.conditions, lambda: None)
        self.begin(stack)

    def begin(self, stack: ExitStack) -> None:
        stack.enter_context(self.source.open())
        self.watching.begin(stack)
        self.source.list(b"", Stamper(boottime, 1, 0))

    def make_files(self) -> None:
        for number in range(FILES):
            (self.root / f"{number:06}").touch()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def test_others_have_their_turn_between_the_parts(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    bench.make_files()
    done = boottime()
    bench.watching.notice()
    assert 0 < bench.outbox.waiting(Priority.LIVE) < FILES / 4
    assert bench.watching.noticed_to < done
    await soon(lambda: bench.watching.noticed_to >= done, what="all is noticed")
    counting.cancel()
    assert bench.outbox.waiting(Priority.LIVE) == FILES + 1
    assert turns > 4
    assert bench.conditions.all() == []


async def test_whoever_waits_for_what_has_happened_finds_all_of_it(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack)
    bench.make_files()
    done = boottime()
    await bench.watching.catch_up()
    assert bench.watching.noticed_to >= done
    assert bench.outbox.waiting(Priority.LIVE) == FILES + 1


async def test_what_is_noticed_later_does_not_pass_for_older_than_what_was_noticed_before(tmp_path: Path, stack: ExitStack) -> None:
    """While a part is left, everything from before is known only as far as before it."""
    bench = Bench(tmp_path, stack)
    before = boottime()
    await bench.watching.catch_up()
    bench.make_files()
    while bench.outbox.waiting(Priority.LIVE) < FILES:
        bench.watching.notice()
        oldest = bench.outbox.oldest()
        assert oldest is not None
        assert before <= oldest
        assert bench.watching.noticed_to <= boottime()
        if bench.outbox.waiting(Priority.LIVE) < FILES:
            assert bench.watching.noticed_to == oldest


async def test_what_is_noticed_first_may_be_as_old_as_the_watching(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack)
    before = boottime()
    (tmp_path / "f").touch()
    await bench.watching.catch_up()
    oldest = bench.outbox.oldest()
    assert oldest is not None
    assert oldest <= before


async def test_nobody_waits_for_parts_that_cannot_be_noticed(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack, Failing)
    bench.make_files()
    await bench.watching.catch_up()
    assert str(bench.watching.failure) == "no more"


async def test_nobody_waits_for_parts_of_a_root_that_is_closed(tmp_path: Path, stack: ExitStack) -> None:
    bench = Bench(tmp_path, stack)
    bench.make_files()
    waiting = asyncio.create_task(bench.watching.catch_up())
    await asyncio.sleep(0)
    assert not waiting.done()
    stack.close()
    await waiting
    assert bench.watching.noticed_to == 0


@pytest.mark.skipif(MOST_QUEUED > 20_000, reason="the queue is large here")
async def test_the_queue_of_the_kernel_is_emptied_before_its_events_are_noticed(tmp_path: Path, stack: ExitStack) -> None:
    """Far more happens than it holds, while the event loop is busy with something else."""
    bench = Bench(tmp_path, stack)
    for number in range(2 * MOST_QUEUED):
        (tmp_path / f"{number % 100}").touch()
    await bench.watching.catch_up()
    assert bench.conditions.stands(OVERFLOWED) is None


async def test_where_changes_are_many_those_that_follow_are_gathered(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable, called = Watching._readable, 0

    def counted(watching: Watching) -> None:
        nonlocal called
        called += 1
        readable(watching)

    monkeypatch.setattr(Watching, "_readable", counted)
    monkeypatch.setattr("fustor_agent.noticing.watching.GATHERS", 0.5)
    bench = Bench(tmp_path, stack)
    for name in b"first", b"second":
        (tmp_path / os.fsdecode(name)).touch()
        await soon(partial(bench.outbox.tells_of, name), what="it is noticed at once")
    make(tmp_path, "some", MANY)
    await soon(lambda: bench.outbox.tells_of(b"some0"), what="they are noticed")
    called = 0
    make(tmp_path, "more", MANY)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not bench.outbox.tells_of(b"more0")
    assert called <= 1, "the loop rests meanwhile"
    await soon(lambda: bench.outbox.tells_of(b"more%d" % (MANY - 1)), what="the others are noticed by themselves")
    make(tmp_path, "last", MANY)
    await bench.watching.catch_up()
    assert bench.outbox.tells_of(b"last0"), "nobody who waits for them waits for that"


async def test_who_ends_while_changes_are_gathered_may_begin_anew(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fustor_agent.noticing.watching.GATHERS", 3600)
    bench = Bench(tmp_path, stack)
    make(tmp_path, "some", MANY)
    await soon(lambda: bench.outbox.tells_of(b"some0"), what="they are noticed")
    make(tmp_path, "more", MANY)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stack.close()
    bench.begin(stack)
    (tmp_path / "new").touch()
    await soon(lambda: bench.outbox.tells_of(b"new"), what="it is noticed")


def make(root: Path, name: str, count: int) -> None:
    for number in range(count):
        (root / f"{name}{number}").touch()
