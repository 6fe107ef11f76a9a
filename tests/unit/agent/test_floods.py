"""Where more has changed in a directory than is worth looking at one by one, it is listed when it has come to rest."""

import pytest

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.floods import LISTED_FOR_ONE, MANY, RESTS_AFTER, WAITS, WAITS_FOR_NAME
from fustor_agent.outbox.work import Checks, Lists, Priority

NOW = 1_000_000_000_000
OFTEN = RESTS_AFTER // 2


def flooded(since: int = 5, *, size: int = 0, marks: int = MANY + 1) -> Outbox:
    outbox = Outbox(bound=1_000_000)
    outbox.note_size(b"d", size)
    outbox.mark([b"d/%d" % number for number in range(marks)], since)
    return outbox


def listed(since: int = 5) -> Lists:
    return Lists((b"d",), False, Priority.ASKED, since)


def test_it_is_listed_when_nothing_has_changed_for_a_while() -> None:
    outbox = flooded()
    outbox.mark([b"e/f"], 6)
    assert outbox.take_changes(100) == Checks({b"e/f": 6})
    assert outbox.folded_below() == [b"d"]
    assert outbox.take_asked(10, NOW) is None
    assert outbox.take_asked(10, NOW + RESTS_AFTER - 1) is None
    assert outbox.take_asked(10, NOW + RESTS_AFTER) == listed()
    assert not outbox.flooded


def test_few_are_looked_at_one_by_one_and_more_where_a_list_would_be_long() -> None:
    assert not flooded(marks=MANY).flooded
    large = 10 * MANY * LISTED_FOR_ONE
    assert not flooded(size=large, marks=large // LISTED_FOR_ONE).flooded
    assert flooded(size=large, marks=large // LISTED_FOR_ONE + 1).flooded
    outbox = flooded(size=large, marks=0)
    outbox.note_size(b"d", 1)
    outbox.mark([b"d/%d" % number for number in range(MANY + 1)], 5)
    assert outbox.flooded


def test_what_changes_in_it_meanwhile_waits_for_the_list() -> None:
    outbox = flooded()
    assert outbox.take_asked(10, NOW) is None
    outbox.mark([b"d/new", b"d", b"d/sub/file"], 7)
    assert outbox.take_changes(100) == Checks({b"d": 7, b"d/sub/file": 7})
    assert outbox.oldest() == 5
    assert outbox.take_asked(10, NOW + RESTS_AFTER) is None, "it does not rest"
    assert outbox.take_asked(10, NOW + 2 * RESTS_AFTER) == listed()


def test_what_changes_while_it_is_listed_stands_for_itself() -> None:
    outbox = flooded()
    outbox.take_asked(10, NOW)
    work = outbox.take_asked(10, NOW + RESTS_AFTER)
    outbox.mark([b"d/1"], 7)
    assert work is not None
    outbox.done(work)
    assert outbox.oldest() == 7
    assert outbox.take_changes(100) == Checks({b"d/1": 7})


def test_a_mark_that_is_older_is_kept() -> None:
    outbox = flooded(since=5)
    outbox.mark([b"d/1"], 4)
    assert outbox.oldest() == 4
    assert outbox.take_changes(100) == Checks({b"d/1": 4})


def test_where_it_never_rests_it_is_listed_nevertheless_and_later_where_that_takes_longer() -> None:
    large = MANY * LISTED_FOR_ONE + 1
    for size, waits in (0, WAITS), (large, WAITS + WAITS_FOR_NAME * large):
        outbox = flooded(size=size, marks=2 * MANY)
        now = NOW
        while outbox.take_asked(10, now) is None:
            now += OFTEN
            outbox.mark([b"d/1"], 7)
        assert waits <= now - NOW < waits + 2 * OFTEN


def test_no_more_than_was_asked_for_is_taken_and_nothing_that_is_being_listed() -> None:
    outbox = flooded()
    outbox.take_asked(10, NOW)
    first = outbox.take_asked(10, NOW + RESTS_AFTER)
    assert first is not None
    for directory in b"d", b"e", b"f":
        outbox.mark([b"%s/%d" % (directory, number) for number in range(MANY + 1)], 9)
    outbox.take_asked(10, NOW)
    works = [outbox.take_asked(1, NOW + RESTS_AFTER) for _ in range(3)]
    assert works == [Lists((b"e",), False, Priority.ASKED, 9), Lists((b"f",), False, Priority.ASKED, 9), None]
    assert outbox.waiting(Priority.ASKED) == 1
    outbox.done(first)
    assert outbox.take_asked(1, NOW + RESTS_AFTER) == listed(9)


def test_a_walk_that_may_be_given_up_takes_nothing_over() -> None:
    outbox = flooded()
    outbox.answer(1, [], [b"d"], recursive=False, since=9, priority=Priority.AUDIT)
    outbox.forget_looks()
    outbox.forget_walks(Priority.AUDIT)
    assert outbox.oldest() == 5
    outbox.take_asked(10, NOW)
    assert outbox.take_asked(10, NOW + RESTS_AFTER) == listed()


def test_what_is_lost_of_the_list_is_listed_again_at_once() -> None:
    outbox = flooded()
    outbox.take_asked(10, NOW)
    work = outbox.take_asked(10, NOW + RESTS_AFTER)
    assert work is not None
    outbox.put_back(work, was_done=False)
    assert outbox.oldest() == 5
    assert outbox.take_asked(10, NOW + RESTS_AFTER) == listed()


@pytest.mark.parametrize(
    ("path", "recursive", "ends"), [(b"d", False, True), (b"d", True, True), (b"", True, True), (b"", False, False), (b"e", True, False)]
)
def test_one_that_is_listed_for_another_reason_is_not_listed_once_more(path: bytes, recursive: bool, ends: bool) -> None:
    outbox = flooded()
    outbox.answer(1, [], [path], recursive=recursive, since=9)
    assert outbox.flooded is not ends
    assert outbox.oldest() == 5
    work = outbox.take_asked(10, NOW)
    assert work == Lists((path,), recursive, Priority.ASKED, 5 if ends else 9, look=1)
    outbox.mark([b"d/1"], 10)
    assert work is not None
    outbox.done(work)
    assert outbox.oldest() == (10 if ends else 5)
    assert outbox.folded_below() == ([] if ends else [b"d"])
    assert outbox.take_changes(10) == (Checks({b"d/1": 10}) if ends else None)
    outbox.take_asked(10, NOW)
    assert outbox.take_asked(10, NOW + RESTS_AFTER) == (None if ends else listed())
