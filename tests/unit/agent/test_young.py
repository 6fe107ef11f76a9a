"""Which files are looked at again, and when."""

import pytest

from fustor_agent.noticing.young import Young
from fustor_core.evidence import Entry, Gone, Listing, Seen

S = 1_000_000_000
WALL = 1_800_000_000 * S
DIRECTORY = Entry(0o040755, 0, 0, 0, 0, 2, 7, WALL // S, 0, WALL // S, 0)


def file(mtime: float, ctime: float) -> Entry:
    """A file whose times are so many seconds before `WALL`."""
    at = [divmod(int(WALL - age * S), S) for age in (mtime, ctime)]
    return Entry(0o100644, 1, 512, 0, 0, 1, 7, *at[0], *at[1])


def young() -> Young:
    made = Young()
    made.quiet = 10 * S
    return made


@pytest.mark.parametrize(
    ("mtime", "ctime", "after"),
    [(1, 1, 9), (500, 2, 8), (2, 500, 8), (500, 500, None), (-3, 500, 13), (-(10**9), 4, 6), (-(10**9), 400, None)],
)
def test_a_file_is_looked_at_again_when_it_would_be_old(mtime: float, ctime: float, after: int | None) -> None:
    found = young()
    found.note(found.pick([Seen(b"f", 1, file(mtime, ctime))], WALL), 100 * S)
    if after is None:
        assert found.due(10**6 * S) == []
    else:
        assert found.due((100 + after) * S - 1) == []
        assert found.due((100 + after) * S) == [b"f"]
        assert found.due(10**6 * S) == []


def test_it_is_waited_for_as_long_as_it_changes() -> None:
    found = young()
    for second in range(100):
        found.note(found.pick([Seen(b"f", 1, file(-second, -second))], WALL + second * S), second * S)
        assert found.due(second * S) == []
    assert found.due(109 * S - 1) == []
    assert found.due(109 * S) == [b"f"]


def test_listings_hold_young_files_and_what_is_gone_or_no_file_is_not_looked_at() -> None:
    found = young()
    found.note(found.pick([Listing(b"d", 1, {b"new": file(1, 1), b"old": file(99, 99), b"sub": DIRECTORY})], WALL), 0)
    found.note(found.pick([Seen(b"gone", 1, file(1, 1)), Gone(b"gone", 2), Seen(b"directory", 1, DIRECTORY)], WALL), 0)
    assert found.due(100 * S) == [b"d/new"]


def test_a_file_that_is_old_when_it_is_seen_next_is_left_alone() -> None:
    found = young()
    found.note(found.pick([Seen(b"f", 1, file(1, 1))], WALL), 0)
    found.note(found.pick([Seen(b"f", 1, file(99, 99))], WALL), 0)
    assert found.due(100 * S) == []


def test_what_is_beyond_the_bound_is_counted() -> None:
    found = Young(most=3)
    found.quiet = 10 * S
    for number in range(5):
        found.note(found.pick([Seen(b"%d" % number, 1, file(1, 1))], WALL), 0)
    assert (found.due(100 * S), found.dropped) == ([b"0", b"1", b"2"], 2)
    found.note(found.pick([Seen(b"4", 1, file(1, 1))], WALL), 0)
    assert found.due(100 * S) == [b"4"]


def test_of_a_large_listing_no_more_are_picked_than_can_be_waited_for() -> None:
    found = Young(most=3)
    found.quiet = 10 * S
    picked = found.pick([Gone(b"g", 1), Listing(b"d", 1, {b"%d" % number: file(1, 1) for number in range(1_000)})], WALL)
    assert (len(picked.told), picked.beyond) == (3, 998)
    found.note(picked, 0)
    assert (found.due(100 * S), found.dropped) == ([b"d/0", b"d/1"], 998)


def test_without_a_time_to_rest_nothing_is_looked_at() -> None:
    found = Young()
    found.note(found.pick([Seen(b"f", 1, file(0, 0))], WALL), 0)
    assert found.due(100 * S) == []
