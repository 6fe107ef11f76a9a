"""When which part of an audit is due."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_agent.audit.plan import MOST_IN_SLICE, AuditOptions, AuditPlan, Order, Slice

HOUR = 3600.0


def plan(every: float = 24 * HOUR, shallow: float = 0.0, directories: int = 24_000) -> AuditPlan:
    made = AuditPlan(AuditOptions(every, shallow))
    made.listed(0.0, directories)
    return made


def run_round(made: AuditPlan, directories: int, now: float = 0.0) -> list[tuple[float, int]]:
    """Carry out slices as they come due until the round has ended, each in no time: when, and of how many directories."""
    left = directories
    slices: list[tuple[float, int]] = []
    while left:
        now += made.pause(now, scheduled=True)
        due = made.next(now, scheduled=True)
        assert isinstance(due, Slice)
        assert due.first == (not slices)
        listed = min(due.directories, left)
        left -= listed
        made.sliced(now, listed, ended=not left)
        slices.append((now, listed))
    return slices


def test_nothing_is_due_before_everything_has_been_listed() -> None:
    made = AuditPlan(AuditOptions(HOUR, 60.0))
    assert made.pause(9 * HOUR, scheduled=True) == inf
    assert made.next(9 * HOUR, scheduled=True) is None


def test_never_is_never() -> None:
    made = plan(every=0.0, shallow=0.0)
    assert made.pause(1e9, scheduled=True) == inf
    assert made.next(1e9, scheduled=True) is None


@given(st.integers(1, 3_000_000), st.sampled_from([2.0, 60.0, HOUR, 24 * HOUR, 30 * 24 * HOUR]))
def test_a_round_is_spread_evenly_over_its_time(directories: int, every: float) -> None:
    made = plan(every, directories=directories)
    slices = run_round(made, directories)
    done = 0
    for now, listed in slices:
        assert listed <= MOST_IN_SLICE
        # Never ahead of the time, except for the one directory that begins a round.
        done += listed
        assert done <= max(directories * now / every, 1) + 1
    gap = max(every / 240, every * MOST_IN_SLICE / directories, 1.0)
    assert slices[-1][0] <= max(every, gap * directories / MOST_IN_SLICE) + 2 * gap
    apart = [later - earlier for (earlier, _), (later, _) in pairwise(slices)]
    assert all(pause >= min(1.0, every / 4) * 0.999 for pause in apart)


def test_the_next_round_begins_when_the_time_of_the_last_is_over() -> None:
    made = plan(every=HOUR, directories=10)
    last, _ = run_round(made, 5)[-1]
    assert last < HOUR
    assert last + made.pause(last, scheduled=True) == pytest.approx(HOUR)
    slices = run_round(made, 5, now=last)
    assert slices[0][0] >= HOUR
    assert slices[-1][0] == pytest.approx(2 * HOUR, rel=0.01)


def test_a_tree_that_has_grown_is_read_to_its_end() -> None:
    made = plan(every=HOUR, directories=10)
    assert run_round(made, 1000)[-1][0] <= HOUR + 60


def test_what_is_overdue_keeps_its_pauses() -> None:
    made = plan(every=HOUR, directories=100_000)
    due = made.next(50 * HOUR, scheduled=True)
    assert due == Slice(MOST_IN_SLICE, first=True)
    made.sliced(50 * HOUR, MOST_IN_SLICE, ended=False)
    assert made.next(50 * HOUR, scheduled=True) is None
    assert made.pause(50 * HOUR, scheduled=True) > 1


def test_a_shallow_audit_comes_before_the_round_and_again_after_its_time() -> None:
    made = plan(shallow=600.0)
    assert made.pause(0.0, scheduled=True) == 360
    order = made.next(601.0, scheduled=True)
    assert order == Order(shallow=True)
    assert isinstance(order, Order)
    made.carried_out(order, 602.0)
    assert isinstance(made.next(602.0, scheduled=True), Slice)
    assert made.next(1203.0, scheduled=True) == Order(shallow=True)


def test_what_is_ordered_is_due_at_once_also_where_nothing_is_scheduled() -> None:
    made = plan(every=0.0)
    made.order(b"a", shallow=False)
    made.order(b"a", shallow=False)
    made.order(b"", shallow=False)
    assert made.pause(0.0, scheduled=False) == 0
    first = made.next(0.0, scheduled=False)
    assert isinstance(first, Order)
    assert (first.path, first.whole) == (b"a", False)
    made.carried_out(first, 1.0)
    second = made.next(1.0, scheduled=False)
    assert isinstance(second, Order)
    assert second.whole
    made.carried_out(second, 2.0)
    assert made.next(2.0, scheduled=False) is None


def test_what_is_ordered_twice_is_done_twice_only_if_it_had_begun() -> None:
    made = plan(every=0.0)
    made.order(b"a", shallow=False)
    made.order(b"a", shallow=False)
    order = made.next(0.0, scheduled=False)
    assert isinstance(order, Order)
    order.begun = True
    made.order(b"a", shallow=False)
    made.carried_out(order, 1.0)
    again = made.next(1.0, scheduled=False)
    assert isinstance(again, Order)
    assert not again.begun
    made.carried_out(again, 2.0)
    assert made.next(2.0, scheduled=False) is None


def test_a_follower_has_no_audits_of_its_own() -> None:
    made = plan(shallow=600.0)
    assert made.next(9 * HOUR, scheduled=False) is None
    assert made.pause(9 * HOUR, scheduled=False) == inf


def test_an_order_is_begun_anew_when_everything_has_been_listed_again() -> None:
    made = plan()
    made.order(b"", shallow=False)
    order = made.next(1.0, scheduled=True)
    assert isinstance(order, Order)
    order.begun = True
    made.listed(2.0, 10)
    assert not order.begun


def test_an_order_is_begun_anew_by_a_pipe_that_takes_over() -> None:
    """What it read as a follower vouches for nothing, and fusion was not told that it began."""
    made = plan()
    made.order(b"", shallow=False)
    order = made.next(1.0, scheduled=False)
    assert isinstance(order, Order)
    order.begun = True
    made.begin_anew()
    made.order(b"", shallow=False)
    assert made.next(2.0, scheduled=True) is order
    assert not order.begun


def test_an_ordered_audit_of_everything_begins_the_round_anew() -> None:
    made = plan(every=HOUR, directories=10)
    made.sliced(30 * 60, 5, ended=False)
    made.order(b"", shallow=False)
    order = made.next(30 * 60, scheduled=True)
    assert isinstance(order, Order)
    made.carried_out(order, 40 * 60)
    assert made.pause(40 * 60, scheduled=True) == pytest.approx(6 * 60)
    assert made.next(46 * 60 + 1, scheduled=True) == Slice(1, first=True)
