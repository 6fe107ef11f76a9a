"""The sending half of a session: order, batches, the window, and what comes back when a session breaks."""

from fustor_agent.outbox import FEW_CHANGES, Outbox
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

    def read_first(self, path: bytes) -> bool:
        """A marked path is read, if it goes first."""
        self.outbox.mark([path], 1)
        work = self.outbox.take_first(10, self.outgoing.flying_of) if self.outgoing.has_room_for_first else None
        if work is not None:
            self.outgoing.add([Gone(path, self.stamper.take())], work, work)
        return work is not None

    def paths(self) -> list[bytes]:
        """What the next batch is about; nothing if none may be sent."""
        batch = self.next()
        return [one.path for one in batch.evidence] if isinstance(batch, Batch) else []

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
        self.outbox.ask([path], 1)
        work = self.outbox.take_asked(10, 1)
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


def test_a_change_elsewhere_goes_past_a_storm_and_a_large_list_and_what_is_in_flight() -> None:
    bench = Bench(window=100)
    bench.read_asked(b"a", 10_000)
    for number in range(2 * CHANGES_AHEAD):
        bench.read_mark(b"d/%d" % number)
    while bench.next():
        pass
    assert bench.read_first(b"few/f")
    assert bench.paths() == [b"few/f"]
    assert bench.paths() == []
    assert not bench.read_first(b"d/new")


def test_what_goes_first_and_is_not_sent_yet_is_no_quiet() -> None:
    bench = Bench()
    assert bench.read_first(b"few/f")
    assert not bench.outgoing.quiet


def test_of_one_directory_few_go_first_until_those_are_acknowledged() -> None:
    bench = Bench(window=100)
    for number in range(FEW_CHANGES):
        assert bench.read_first(b"d/%d" % number)
        assert bench.paths() == [b"d/%d" % number]
    assert not bench.read_first(b"d/new")
    bench.outgoing.acknowledge(1)
    assert bench.read_first(b"d/new")


def test_what_goes_first_keeps_neither_changes_nor_a_list_nor_a_walk_for_ever() -> None:
    bench = Bench(window=100)
    bench.read_mark(b"d/f")
    bench.read_asked(b"a", 1)
    bench.read_walk(b"w", 1)
    sent = []
    for number in range(200):
        bench.read_first(b"%d/f" % number)
        sent += bench.paths()
        bench.outgoing.acknowledge(bench.outgoing.sequence - 1)  # something is always in flight
    assert {b"d/f", b"a", b"w"} <= set(sent)
    assert sent.index(b"w") < 100


def test_what_goes_first_leaves_the_turns_of_the_others_as_they_are() -> None:
    bench = Bench(window=1_000)
    turns = []
    for number in range(40):
        for _ in range(MOST_CHANGES):
            bench.read_mark(b"d/%d" % bench.stamper.take())
        bench.read_asked(b"a%d" % number, 1)
        bench.read_first(b"%d/f" % number)
        batch = bench.next()
        assert isinstance(batch, Batch)
        turns.append((batch.via, len(batch.evidence)))
        bench.outgoing.acknowledge(bench.outgoing.sequence)
    others = [via for via, count in turns if (via, count) != (Via.LIVE, 1)]
    assert others == [Via.LIVE if turn % 2 == 0 else Via.ASKED for turn in range(len(others))]
    assert len(others) >= 4


def test_there_is_an_end_to_what_goes_first() -> None:
    bench = Bench(window=10_000)
    unsent = 0
    while bench.read_first(b"%d/f" % unsent):
        unsent += 1
    assert unsent == 2 * CHANGES_AHEAD
    sent = 0
    while paths := bench.paths():
        sent += len(paths)
    assert sent == 2 * CHANGES_AHEAD
    assert bench.read_first(b"new/f")
    assert bench.paths() == []
    bench.outgoing.acknowledge(1)
    assert bench.paths()


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
    assert bench.read_first(b"first/f")
    bench.outgoing.lost()
    assert bench.outgoing.quiet
    assert not bench.outgoing.flying_of(b"")
    work = bench.outbox.take_changes(10)
    assert isinstance(work, Checks)
    assert set(work.paths) == {b"sent", b"ready", b"first/f"}
    bench.outbox.done(work)
    assert bench.outbox.oldest() is None
    assert bench.outbox.idle(*Priority)


def test_work_that_found_nothing_is_done_all_the_same() -> None:
    bench = Bench()
    bench.outbox.answer(3, [b"x"], [], recursive=False, since=1)
    work = bench.outbox.take_asked(10, 1)
    assert work is not None
    bench.outgoing.add([], work, work)
    batch = bench.next()
    assert isinstance(batch, Batch)
    assert batch.looks == [3]
