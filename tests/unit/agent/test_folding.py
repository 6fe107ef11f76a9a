"""What the outbox remembers of what it folded, and of the times of marks."""

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.floods import RESTS_AFTER
from fustor_agent.outbox.folding import MOST_TOLD, Folded
from fustor_agent.outbox.mark_times import MarkTimes
from fustor_agent.outbox.work import Checks, Lists, Priority, Work


def take_asked(outbox: Outbox) -> Work | None:
    """What is asked for, when all directories have come to rest."""
    return outbox.take_asked(100, 1) or outbox.take_asked(100, 1 + RESTS_AFTER)


def test_it_is_told_below_which_directories_changes_were_folded_until_they_are_read() -> None:
    outbox = Outbox(bound=10)
    outbox.mark([b"elsewhere"], 1)
    outbox.mark([b"d/%d" % number for number in range(20)], 5)
    assert outbox.folded_below() == [b"d"]
    works: list[Work] = []
    while work := outbox.take_changes(100) or take_asked(outbox):
        assert outbox.folded_below() == ([] if any(isinstance(each, Lists) for each in works) else [b"d"])
        outbox.done(work)
        works.append(work)
    assert works == [Checks({b"elsewhere": 1}), Lists((b"d",), False, Priority.ASKED, 5)]
    assert outbox.folded_below() == []


def test_what_is_marked_later_does_not_keep_it_up() -> None:
    outbox = Outbox(bound=10)
    outbox.mark([b"d/%d" % number for number in range(20)], 5)
    outbox.mark([b"other"], 6)
    work = take_asked(outbox)
    assert isinstance(work, Lists)
    outbox.done(work)
    assert outbox.oldest() == 6
    assert outbox.folded_below() == []


def test_few_directories_stand_for_many() -> None:
    folded = Folded()
    folded.add({b"a/%d/%d" % (number, number): number for number in range(1000)})
    assert len(folded.below(0)) <= MOST_TOLD
    assert folded.below(999) == [b"a"]
    assert folded.below(1000) == []


def test_one_old_time_keeps_no_others_in_memory() -> None:
    times = MarkTimes()
    times.add(0)
    for time in range(1, 1_000_000):
        times.add(time)
        times.remove(time)
    assert times.least() == 0
    assert len(times) < 10_000
    times.remove(0)
    assert times.least() is None
