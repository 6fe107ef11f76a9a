"""Directories that cannot be watched are listed in rounds; of them no more is claimed than the last committed round has seen."""

from fustor_agent.noticing.unwatched import EVERY, MOST_TOLD, SHARE, Sent, Unwatched
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Lists, Priority, Work

SECOND = 1_000_000_000
START = 1000 * SECOND


def sent(number: int, acknowledged: int = 0, *, walks_wait: bool = False) -> Sent:
    return Sent(number, acknowledged, walks_wait)


def taken(outbox: Outbox) -> Work:
    work = outbox.take_walk(100)
    assert work is not None
    return work


def begun(outbox: Outbox, *directories: bytes) -> Unwatched:
    """A first round over these directories, at START."""
    unwatched = Unwatched(outbox)
    assert not unwatched.look(START - SECOND, START - SECOND, sent(0))
    assert unwatched.below(directories) == list(directories)
    assert unwatched.look(START, START, sent(5, 5))
    unwatched.list_all(directories)
    return unwatched


def test_what_is_watched_is_known_as_far_as_events_are() -> None:
    unwatched = Unwatched(Outbox())
    assert unwatched.below([]) == []
    assert not unwatched.look(START, START - 7, sent(0))
    assert unwatched.listed_to == START - 7


def test_a_round_counts_once_what_it_found_is_committed() -> None:
    outbox = Outbox()
    unwatched = begun(outbox, b"a", b"b")
    work = taken(outbox)
    assert work == Lists((b"a", b"b"), False, Priority.UNWATCHED)
    looks = [sent(5, 5), sent(5, 5), sent(6, 5, walks_wait=True), sent(6, 5), sent(7, 5)]
    for seconds, session in enumerate(looks, start=1):
        if seconds == 3:
            outbox.done(work)
        assert not unwatched.look(START + seconds * SECOND, START, session)
        assert unwatched.listed_to == START - SECOND
    assert not unwatched.look(START + 6 * SECOND, START, sent(7, 6))
    assert unwatched.listed_to == START


def test_what_is_lost_with_its_session_does_not_count() -> None:
    outbox = Outbox()
    unwatched = begun(outbox, b"a")
    work = taken(outbox)
    outbox.done(work)
    assert not unwatched.look(START + SECOND, START, sent(6, 5))
    outbox.put_back(work, was_done=True)
    unwatched.session_began()
    for seconds in (2, 3):
        assert not unwatched.look(START + seconds * SECOND, START, sent(9, 9))
    assert unwatched.listed_to == START - SECOND
    outbox.done(taken(outbox))
    for seconds in (4, 5):
        assert not unwatched.look(START + seconds * SECOND, START, sent(9, 9))
    assert unwatched.listed_to == START


def test_what_can_be_watched_again_is_told_until_a_later_round_is_committed() -> None:
    outbox = Outbox()
    unwatched = begun(outbox, b"a", b"b")
    outbox.done(taken(outbox))
    for seconds in (1, 2):
        assert unwatched.below([b"b"]) == [b"a", b"b"]
        unwatched.look(START + seconds * SECOND, START, sent(5, 5))
    assert unwatched.below([b"b"]) == [b"b"], "the round listed a, and it could be watched from there on"


def test_a_round_that_takes_long_is_followed_by_a_long_rest() -> None:
    for lasted, rest in ((SECOND, EVERY), (60 * SECOND, 60 * SHARE * SECOND)):
        outbox = Outbox()
        unwatched = begun(outbox, b"a")
        outbox.done(taken(outbox))
        unwatched.below([b"a"])
        for later in (lasted - 1, lasted):
            unwatched.look(START + later, START, sent(5, 5))
            unwatched.below([b"a"])
        assert not unwatched.look(START + rest - 1, START, sent(5, 5))
        assert unwatched.look(START + rest, START, sent(5, 5))


def test_many_are_told_by_the_directories_that_hold_them() -> None:
    unwatched = Unwatched(Outbox())
    told = unwatched.below([b"d%d/%d" % (number % 3, number) for number in range(3 * MOST_TOLD)])
    assert sorted(told) == [b"d0", b"d1", b"d2"]
