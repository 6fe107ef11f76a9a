"""The sending half of a session: order, batches, the window, and what comes back when a session breaks."""

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Checks, Priority
from fustor_agent.session.outgoing import CHANGES_AHEAD, FULL_BATCH, MOST_CHANGES, MOST_FLYING, MOST_IN_BATCH, Outgoing, size_of
from fustor_core.clock import Stamper
from fustor_core.evidence import Entry, Gone, Listing
from fustor_core.wire import Batch, Mark, Via

ENTRY = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)


class Bench:
    """An outgoing half, with readers played by hand."""

    def __init__(self, window: int = 2) -> None:
        self.outbox = Outbox()
        self.stamper = Stamper(lambda: 1_000_000, slot=1, above=0)
        self.outgoing = Outgoing(self.outbox, self.stamper, window)

    def read_mark(self, path: bytes) -> int:
        """A marked path is read, and found to be gone; its stamp."""
        self.outbox.mark([path], 1)
        work = self.outbox.take_changes(10)
        assert work is not None
        at = self.stamper.take()
        self.outgoing.add([Gone(path, at)], work, work)
        return at

    def read_walk(self, path: bytes, entries: int) -> int:
        """A directory of a snapshot is read."""
        self.outbox.walk(Priority.SNAPSHOT, [path])
        work = self.outbox.take_walk(10)
        assert work is not None
        at = self.stamper.take()
        self.outgoing.add([Listing(path, at, {b"%d" % i: ENTRY for i in range(entries)})], work, work)
        return at

    def read_asked(self, path: bytes, entries: int) -> int:
        """A directory that was asked for is read."""
        self.outbox.ask([path], recursive=False, since=1)
        work = self.outbox.take_asked(10)
        assert work is not None
        at = self.stamper.take()
        self.outgoing.add([Listing(path, at, {b"%d" % i: ENTRY for i in range(entries)})], work, work)
        return at

    def next(self) -> Batch | Mark | None:
        return self.outgoing.next(lambda: 99, list, list)

    def turns(self, *, acknowledged: bool) -> list[Via]:
        """Of what the batches are that may be sent now, if each is acknowledged at once, or none."""
        vias = []
        while batch := self.next():
            assert isinstance(batch, Batch)
            vias.append(batch.via)
            if acknowledged:
                self.outgoing.acknowledge(batch.sequence)
        return vias


def test_evidence_is_sent_at_once_when_nothing_is_in_flight() -> None:
    bench = Bench()
    at = bench.read_mark(b"a")
    batch = bench.next()
    assert isinstance(batch, Batch)
    assert (batch.sequence, batch.via, batch.evidence, batch.clean_to) == (1, Via.LIVE, [Gone(b"a", at)], 99)


def test_changes_without_end_do_not_keep_a_walk_for_ever() -> None:
    bench = Bench(window=100)
    bench.read_walk(b"d", 3)
    vias = []
    for number in range(20):
        bench.read_mark(b"f%d" % number)
        batch = bench.next()
        assert isinstance(batch, Batch)
        vias.append(batch.via)
        bench.outgoing.acknowledge(batch.sequence)
    assert vias[:4] == [Via.LIVE] * 4
    assert vias.count(Via.SNAPSHOT) == 1


def test_small_evidence_waits_while_something_is_in_flight_and_then_goes_together() -> None:
    bench = Bench()
    bench.read_mark(b"a")
    bench.next()
    bench.read_mark(b"b")
    bench.read_mark(b"c")
    assert bench.next() is None
    bench.outgoing.acknowledge(1)
    batch = bench.next()
    assert isinstance(batch, Batch)
    assert [one.path for one in batch.evidence] == [b"b", b"c"]


def test_full_batches_do_not_wait_but_the_window_holds_them() -> None:
    bench = Bench(window=2)
    for number in range(3):
        bench.read_walk(b"d%d" % number, FULL_BATCH // 64)
        bench.outgoing.add_mark(Via.SNAPSHOT, False, 1)  # keeps the listings in batches of their own
    assert isinstance(bench.next(), Batch)
    assert isinstance(bench.next(), Mark)
    assert bench.next() is None
    bench.outgoing.acknowledge(1)
    assert isinstance(bench.next(), Batch)


def test_a_storm_of_changes_goes_in_small_batches_and_few_of_them_at_once() -> None:
    bench = Bench(window=1_000)
    for number in range(2 * CHANGES_AHEAD):
        bench.read_mark(b"%d" % number)
    assert not bench.outgoing.has_room_for_changes
    sizes = []
    while batch := bench.next():
        assert isinstance(batch, Batch)
        sizes.append(len(batch.evidence))
    assert sizes == [MOST_CHANGES] * (CHANGES_AHEAD // MOST_CHANGES)
    bench.outgoing.acknowledge(1)
    assert isinstance(bench.next(), Batch)
    assert bench.next() is None
    while bench.outgoing.sequence < 2 * CHANGES_AHEAD // MOST_CHANGES:
        bench.outgoing.acknowledge(bench.outgoing.sequence)
        assert bench.next()
    assert bench.outgoing.has_room_for_changes


def test_changes_and_what_was_asked_for_take_turns() -> None:
    bench = Bench()
    for number in range(4):
        bench.read_asked(b"d%d" % number, MOST_IN_BATCH // 64)  # a batch each
    for number in range(3 * MOST_CHANGES):
        bench.read_mark(b"f%d" % number)
    assert bench.turns(acknowledged=True) == [Via.LIVE, Via.ASKED] * 3 + [Via.ASKED]
    assert bench.outgoing.quiet


def test_little_that_was_asked_for_has_its_turn_among_many_changes_without_a_wait() -> None:
    bench = Bench(window=100)
    bench.read_asked(b"d", 1)
    for number in range(2 * MOST_CHANGES):
        bench.read_mark(b"%d" % number)
    assert bench.turns(acknowledged=False) == [Via.LIVE, Via.ASKED, Via.LIVE]


def test_many_small_lists_that_were_asked_for_are_not_all_ahead_of_a_change() -> None:
    bench = Bench(window=1_000)
    for number in range(4 * CHANGES_AHEAD):
        bench.read_asked(b"%d" % number, 1)
    flying = 0
    while batch := bench.next():
        assert isinstance(batch, Batch)
        flying += len(batch.evidence)
    assert flying == CHANGES_AHEAD
    bench.outgoing.acknowledge(1)
    bench.read_mark(b"f")
    batch = bench.next()
    assert isinstance(batch, Batch)
    assert [one.path for one in batch.evidence] == [b"f"]


def test_a_change_is_sent_while_the_parts_of_a_large_list_wait() -> None:
    bench = Bench(window=100)
    for number in range(20):
        bench.read_walk(b"w%d" % number, 10_000)
        bench.read_asked(b"a%d" % number, 10_000)
    flying = 0
    while batch := bench.next():
        assert isinstance(batch, Batch)
        flying += sum(map(size_of, batch.evidence))
    assert MOST_FLYING <= flying < MOST_FLYING + MOST_IN_BATCH
    bench.read_mark(b"f")
    batch = bench.next()
    assert isinstance(batch, Batch)
    assert [one.path for one in batch.evidence] == [b"f"]
    assert bench.next() is None
    bench.outgoing.acknowledge(batch.sequence)
    assert isinstance(bench.next(), Batch)


def test_live_evidence_overtakes_a_walk_and_a_mark_does_not() -> None:
    bench = Bench(window=9)
    bench.read_walk(b"d", 1)
    bench.outgoing.add_mark(Via.SNAPSHOT, True, 5)
    bench.read_mark(b"live")
    first = bench.next()
    assert isinstance(first, Batch)
    assert first.via is Via.LIVE
    bench.outgoing.acknowledge(1)
    second = bench.next()
    assert isinstance(second, Batch)
    assert second.via is Via.SNAPSHOT
    assert bench.next() == Mark(3, Via.SNAPSHOT, True, 5)


def test_low_never_passes_evidence_that_still_waits() -> None:
    bench = Bench(window=9)
    waiting = bench.read_walk(b"d", 1)
    bench.read_mark(b"live")
    batch = bench.next()
    assert isinstance(batch, Batch)
    assert batch.low < waiting
    bench.outgoing.acknowledge(1)
    second = bench.next()
    assert isinstance(second, Batch)
    assert second.low >= waiting


def test_what_was_not_acknowledged_is_read_again() -> None:
    bench = Bench(window=9)
    bench.read_mark(b"committed")
    bench.next()
    bench.outgoing.acknowledge(1)
    bench.read_mark(b"sent")
    bench.next()
    bench.read_mark(b"ready")
    bench.outgoing.lost()
    work = bench.outbox.take_changes(10)
    assert isinstance(work, Checks)
    assert set(work.paths) == {b"sent", b"ready"}
    bench.outbox.done(work)
    assert bench.outbox.oldest() is None
    assert bench.outbox.idle(*Priority)


def test_work_that_found_nothing_is_done_all_the_same() -> None:
    bench = Bench()
    bench.outbox.answer(3, [b"x"], [], recursive=False, since=1)
    work = bench.outbox.take_asked(10)
    assert work is not None
    bench.outgoing.add([], work, work)
    batch = bench.next()
    assert isinstance(batch, Batch)
    assert batch.looks == [3]
