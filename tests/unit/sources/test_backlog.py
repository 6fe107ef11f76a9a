"""Events that are taken in parts: none is lost, what has been taken is told no sooner than it is, and no directory waits for another."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fustor_agent.sources.fs import backlog as module
from fustor_agent.sources.fs.backlog import AT_ONCE, Backlog
from fustor_agent.sources.fs.inotify import Mask, parse
from fustor_core.clock import boottime
from tests.unit.sources.pretended import Pretended, event

Told = tuple[int, int, int, bytes]
"""The watch, the mask, the cookie and the name."""


class Bench:
    """A backlog of what is made to happen."""

    def __init__(self) -> None:
        self.queue = Pretended()
        self.backlog = Backlog(self.queue)

    def happen(self, *events: bytes) -> None:
        self.queue.blocks.extend(events)
        self.backlog.fetch()

    def take(self) -> list[Told]:
        return list(parse(self.backlog.take()))

    def take_all(self) -> list[Told]:
        taken: list[Told] = []
        while self.backlog:
            taken += self.take()
        return taken


def many(watch: int, size: int) -> bytes:
    """Events of one watch, of about so many bytes."""
    return event(watch, Mask.DELETE, b"x" * 15) * (size // 32)


def test_what_has_come_by_a_time_has_been_taken_only_with_its_last_part() -> None:
    bench = Bench()
    bench.happen()
    begun = bench.backlog.taken_to
    assert 0 < begun <= boottime()
    bench.happen(many(1, 3 * AT_ONCE))
    bench.take()
    between = boottime()
    bench.happen(event(1, Mask.CREATE, b"last"))
    bench.take()
    assert bench.backlog.taken_to == begun
    bench.take()
    assert begun < bench.backlog.taken_to < between, "the last is still to be taken"
    assert bench.take() == [(1, Mask.CREATE, 0, b"last")]
    assert between < bench.backlog.taken_to < boottime()
    assert not bench.backlog
    assert bench.take() == []


def test_an_event_elsewhere_does_not_wait_for_all_of_a_directory_that_is_full_of_them() -> None:
    bench = Bench()
    bench.happen(many(1, 10 * AT_ONCE))
    bench.happen(event(2, Mask.MODIFY, b"elsewhere"), many(1, AT_ONCE))
    assert (2, Mask.MODIFY, 0, b"elsewhere") in bench.take()
    assert len(bench.take_all()) > 9 * AT_ONCE // 32


def test_beyond_its_bound_events_wait_in_the_kernel() -> None:
    bench = Bench()
    bench.happen(many(1, module.MOST))
    later = event(1, Mask.CREATE, b"later")
    bench.happen(later)
    assert bench.queue.blocks == [later]
    bench.take_all()
    between = boottime()
    assert bench.backlog.taken_to < between
    bench.happen()
    assert bench.take() == [(1, Mask.CREATE, 0, b"later")]
    assert bench.backlog.taken_to > between


def test_its_bound_is_of_memory_where_each_event_is_of_another_directory() -> None:
    bench = Bench()
    scattered = b"".join(event(1 + number % 2, Mask.DELETE, b"x") for number in range(50_000))
    bench.happen(scattered)
    bench.happen(scattered)
    assert bench.queue.blocks == [scattered]
    assert len(bench.take_all()) == 50_000


def test_the_halves_of_a_move_stay_in_their_order_and_nothing_overtakes_that_events_were_dropped() -> None:
    bench = Bench()
    first, second = event(2, Mask.MOVED_FROM, b"a", 7), event(1, Mask.MOVED_TO, b"b", 7)
    bench.happen(many(1, 5 * AT_ONCE), first + second, many(2, 5 * AT_ONCE), event(-1, Mask.Q_OVERFLOW), event(3, Mask.CREATE, b"c"))
    taken = bench.take_all()
    halves = [taken.index((2, Mask.MOVED_FROM, 7, b"a")), taken.index((1, Mask.MOVED_TO, 7, b"b"))]
    assert halves == sorted(halves)
    assert taken[-2:] == [(-1, Mask.Q_OVERFLOW, 0, b""), (3, Mask.CREATE, 0, b"c")]


events = st.builds(
    event,
    st.integers(1, 4),
    st.sampled_from([Mask.CREATE, Mask.DELETE, Mask.MODIFY, Mask.IGNORED]),
    st.sampled_from([b"", b"name", b"n" * 200]),
    st.integers(0, 9_999),
)
"""Told apart by their cookies."""
acts = st.lists(st.one_of(st.none(), st.lists(st.tuples(events, st.integers(1, 200)), max_size=4)), max_size=12)


@given(acts)
def test_everything_is_taken_once_and_what_is_of_one_directory_in_its_order(acts: list[list[tuple[bytes, int]] | None]) -> None:
    bench = Bench()
    came: list[tuple[int, list[Told]]] = []
    taken: list[Told] = []
    times = [0]
    for act in [*acts, *[None] * 100]:
        if act is None:
            taken += bench.take()
        else:
            blocks = [one * often for one, often in act]
            came.append((boottime(), [told for block in blocks for told in parse(block)]))
            bench.happen(*blocks)
        times.append(bench.backlog.taken_to)
        for at, told in came:
            if at < bench.backlog.taken_to:
                assert not set(told) - set(taken)
    by_watch: dict[int, list[Told]] = defaultdict(list)
    for one in taken:
        by_watch[one[0]].append(one)
    expected: dict[int, list[Told]] = defaultdict(list)
    for _, told in came:
        for one in told:
            expected[one[0]].append(one)
    assert by_watch == expected
    assert all(before <= after for before, after in pairwise(times))
    assert not bench.backlog
