"""The view clock, the offset estimate and the stamps keep what DESIGN §2 promises of time."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from fustor_core.clock import DRIFT, SLOTS, Offset, Stamper, ViewClock

SECOND = 1_000_000_000


class Times:
    """A machine's clocks, moved by hand."""

    def __init__(self, boottime: int = 0, wall: int = 0) -> None:
        self.boot, self.wall = boottime, wall

    def boottime(self) -> int:
        return self.boot

    def wall_time(self) -> int:
        return self.wall


def view_clock(times: Times, high_water: int = 0) -> ViewClock:
    return ViewClock("c", high_water, times.boottime, times.wall_time)


def test_a_new_view_clock_starts_at_the_wall_clock_and_runs_on_boottime() -> None:
    times = Times(boottime=5 * SECOND, wall=1_000 * SECOND)
    clock = view_clock(times)
    assert clock.now() == 1_000 * SECOND
    times.boot += 3 * SECOND
    times.wall -= 86_400 * SECOND  # a step of the wall clock
    assert clock.now() == 1_003 * SECOND


def test_a_view_clock_never_starts_below_its_past() -> None:
    times = Times(wall=100 * SECOND)
    assert view_clock(times, high_water=500 * SECOND).now() == 500 * SECOND + 1


def test_a_stamp_is_printed_by_what_the_wall_clock_says_at_present() -> None:
    times = Times(boottime=0, wall=100 * SECOND)
    clock = view_clock(times, high_water=1_000 * SECOND)
    stamp = clock.now()
    times.boot += 7 * SECOND
    times.wall += 7 * SECOND
    assert clock.to_wall(stamp) == 100 * SECOND


@given(
    true=st.integers(-(10**15), 10**15),
    trips=st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**10)), min_size=1, max_size=20),
)
def test_the_offset_is_never_wrong_by_more_than_it_says(true: int, trips: list[tuple[int, int, int]]) -> None:
    offset, now = Offset(), 10**12
    for there, back, pause in trips:
        sent = now
        remote = sent + there + true
        now = sent + there + back
        offset.sample(sent, remote, now)
        assert abs(offset.at(now) - true) <= offset.error(now) + 1
        now += pause
        assert abs(offset.at(now) - true) <= offset.error(now) + 1


def test_an_old_sample_loses_to_a_worse_one_when_drift_has_made_it_worse_still() -> None:
    offset = Offset()
    offset.sample(0, 1_000, 2_000)  # half a trip: 1 µs
    much_later = 100 * SECOND
    offset.sample(much_later, much_later + 500_000, much_later + 1_000_000)  # 0.5 ms, against 100 s of drift: 50 ms
    assert offset.error(much_later + 1_000_000 + 10 * SECOND) < 100 * SECOND * DRIFT


def test_a_better_sample_is_approached_by_slewing() -> None:
    offset = Offset()
    offset.sample(0, 10_000_000, 10_000_000)
    before = offset.at(10_000_000)
    offset.sample(20_000_000, 20_000_000 + 9_000_000, 20_000_100)
    assert offset.at(20_000_100) == before
    assert abs(offset.at(20_000_100 + SECOND) - before) <= SECOND // 1_000
    assert offset.at(20_000_100 + 60 * SECOND) == offset.at(20_000_100 + 120 * SECOND)


def test_a_new_session_begins_with_the_best_estimate_and_not_on_the_way_to_it() -> None:
    offset = Offset()
    offset.sample(0, 650_000_000, 650_000_000)  # a slow round trip, all of it on the way there: off by 0.325 s
    offset.sample(700_000_000, 700_000_050, 700_000_100)
    assert abs(offset.at(700_000_100)) > 300_000_000
    offset.settle(700_000_100)
    assert abs(offset.at(700_000_100)) <= 100
    assert offset.error(700_000_100) <= 100


def test_stamps_are_unique_ordered_and_carry_the_slot_whatever_the_clock_does() -> None:
    readings = iter([100_000, 100_000, 50_000, 100_001, 900_000, *[900_000] * 10])
    stamper = Stamper(lambda: next(readings), slot=7, above=0)
    stamps = [stamper.take() for _ in range(10)]
    assert stamps == sorted(set(stamps))
    assert {stamp % SLOTS for stamp in stamps} == {7}


def test_stamps_start_above_what_is_committed() -> None:
    assert Stamper(lambda: 1_000, slot=3, above=5_000_000).take() > 5_000_000


def test_low_stays_below_every_stamp_that_is_out_and_every_one_to_come() -> None:
    stamper = Stamper(lambda: 1_000_000, slot=1, above=0)
    first, second = stamper.take(), stamper.take()
    assert stamper.low() < first
    stamper.drop(first)
    assert first <= stamper.low() < second
    stamper.drop(second)
    low = stamper.low()
    assert second <= low < stamper.take()


def test_low_goes_on_with_the_clock_while_nothing_is_read() -> None:
    now = [1_000_000]
    stamper = Stamper(lambda: now[0], slot=1, above=0)
    before = stamper.low()
    now[0] += SECOND
    assert stamper.low() > before
    assert stamper.low() < stamper.take()


def test_threads_never_share_a_stamp() -> None:
    stamper = Stamper(lambda: 0, slot=9, above=0)
    taken: list[list[int]] = [[] for _ in range(4)]

    def take(into: list[int]) -> None:
        into.extend(stamper.take() for _ in range(2_000))

    threads = [threading.Thread(target=take, args=(into,)) for into in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({stamp for into in taken for stamp in into}) == 8_000
