"""How much reading the storage has to bear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_agent.reading.pace import DAY, MOST_AT_ONCE, MOST_REST, LoadLimits, Pace, Window

minutes = st.floats(0, DAY - 0.01)


def test_without_limits_nothing_waits() -> None:
    pace = Pace()
    for _ in range(10):
        pace.end(pace.begin(0.0), 10**6, 100.0, 0.0)
    assert pace.pause(0.0) == 0
    assert pace.most_at_once == MOST_AT_ONCE


@given(st.floats(1, 1e6), st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 0.1)), min_size=2, max_size=50))
def test_walks_never_read_more_in_a_second_than_they_may(rate: float, readings: list[tuple[int, float]]) -> None:
    pace, now, total = Pace(LoadLimits(ops_per_second=rate)), 0.0, 0
    for ops, seconds in readings:
        now += pace.pause(now) * 1.0000001
        # All that was read so far is paid for by the time that has passed.
        assert total <= rate * now * 1.001 + 1e-3
        assert pace.pause(now) == 0
        reserved = pace.begin(now)
        now += seconds
        pace.end(reserved, ops, seconds, now)
        total += ops


def test_readings_at_the_same_time_are_counted_before_they_end() -> None:
    pace = Pace(LoadLimits(ops_per_second=1000))
    pace.begin(0.0)
    assert pace.pause(0.0) == pytest.approx(0.1)


def test_what_is_looked_at_one_by_one_counts_against_walks() -> None:
    pace = Pace(LoadLimits(ops_per_second=100))
    for _ in range(20):
        pace.end(pace.begin(0.0), 10, 0.0, 0.0)
    assert pace.pause(0.0) == pytest.approx(2.0)


def test_no_more_readings_at_a_time_than_are_allowed() -> None:
    pace = Pace(LoadLimits(parallel=2))
    reserved = pace.begin(0.0)
    pace.begin(0.0)
    assert pace.pause(0.0) > 0
    pace.end(reserved, 1, 0.1, 0.1)
    assert pace.pause(0.1) == 0


def read(pace: Pace, latency: float, now: float) -> None:
    pace.end(pace.begin(now), 100, 100 * latency, now)


def test_walks_rest_longer_and_longer_while_the_storage_is_slow_and_less_when_it_is_not() -> None:
    pace, now, rests = Pace(LoadLimits(latency=0.01)), 0.0, []
    for _ in range(9):
        read(pace, 0.02, now)
        rests.append(pace.pause(now))
        now += rests[-1]
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, MOST_REST]
    for _ in range(3):
        read(pace, 0.005, now)
        assert pace.pause(now) == 0
    read(pace, 0.02, now)
    assert pace.pause(now) == pytest.approx(15)


def test_a_latency_within_the_limit_is_none_of_its_business() -> None:
    pace = Pace(LoadLimits(latency=0.01))
    read(pace, 0.0099, 0.0)
    assert pace.pause(0.0) == 0


NIGHT = Window(22 * 60, 6 * 60)


@pytest.mark.parametrize(
    ("minute", "left", "opens_in"),
    [(22 * 60, 480, 0), (23 * 60, 420, 0), (0, 360, 0), (5 * 60 + 59, 1, 0), (6 * 60, 0, 16 * 60), (12 * 60, 0, 600), (21 * 60 + 59, 0, 1)],
)
def test_a_window_over_midnight(minute: int, left: float, opens_in: float) -> None:
    assert (NIGHT.left(minute), NIGHT.opens_in(minute)) == (left, opens_in)


@given(st.integers(0, DAY - 1), st.integers(0, DAY - 1), minutes)
def test_a_window_opens_when_it_says_and_closes_when_it_says(begins: int, ends: int, minute: float) -> None:
    window = Window(begins, ends)
    opens, left = window.opens_in(minute), window.left(minute)
    assert (opens == 0) == (left > 0)
    if opens:
        assert window.left((minute + opens + 0.001) % DAY) > 0
    if left and begins != ends:
        assert window.left((minute + left + 0.001) % DAY) == 0


def test_the_next_of_several_windows_counts() -> None:
    limits = LoadLimits(windows=(NIGHT, Window(12 * 60, 13 * 60)))
    assert limits.opens_in(11 * 60) == 60
    assert limits.opens_in(12 * 60 + 30) == 0
    assert limits.closes_in(12 * 60 + 30) == 30
    assert LoadLimits().opens_in(0) == 0
    assert LoadLimits().closes_in(0) == DAY
