"""The outbox loses nothing, whatever is marked, taken, done, put back or folded."""

from dataclasses import replace
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fustor_agent.outbox import FEW_CHANGES, Outbox
from fustor_agent.outbox.floods import RESTS_AFTER
from fustor_agent.outbox.folding import fold
from fustor_agent.outbox.work import Checks, Lists, Priority, Work
from fustor_core.paths import is_below, join, split

names = st.sampled_from([b"a", b"b", b"c"])
paths = st.lists(names, max_size=4).map(b"/".join)
later = count(RESTS_AFTER, RESTS_AFTER)
"""Times, of which each is so much later than the one before that a directory rests."""


def take(outbox: Outbox, *, live: bool = True, checks: int = 100, directories: int = 100) -> Work | None:
    """What a lane takes next, all directories being at rest: changes first where it is `live`; otherwise walks before them."""
    if live:
        return outbox.take_changes(checks) or take_asked(outbox, directories)
    return take_asked(outbox, directories) or outbox.take_walk(directories) or outbox.take_changes(checks)


def take_asked(outbox: Outbox, directories: int) -> Work | None:
    return outbox.take_asked(directories, next(later)) or outbox.take_asked(directories, next(later))


def test_a_path_marked_a_thousand_times_is_one_check() -> None:
    outbox = Outbox()
    for now in range(1, 1001):
        outbox.mark([b"a/b"], now)
    assert take(outbox) == Checks({b"a/b": 1})
    assert take(outbox) is None


def test_a_mark_made_while_the_path_is_read_stands_for_itself() -> None:
    outbox = Outbox()
    outbox.mark([b"a"], 1)
    work = take(outbox)
    outbox.mark([b"a"], 2)
    assert work is not None
    outbox.done(work)
    assert take(outbox) == Checks({b"a": 2})


def test_the_oldest_mark_holds_until_its_evidence_is_handed_over() -> None:
    outbox = Outbox()
    outbox.mark([b"a"], 5)
    outbox.mark([b"b"], 7)
    work = take(outbox, checks=1)
    assert outbox.oldest() == 5
    assert work is not None
    outbox.done(work)
    assert outbox.oldest() == 7


def test_what_is_lost_with_its_session_holds_again_with_its_own_time() -> None:
    outbox = Outbox()
    outbox.mark([b"a"], 5)
    work = take(outbox)
    assert work is not None
    outbox.done(work)
    assert outbox.oldest() is None
    outbox.mark([b"a"], 9)
    outbox.put_back(work, was_done=True)
    assert outbox.oldest() == 5
    assert take(outbox) == Checks({b"a": 5})


def test_a_new_directory_holds_until_all_below_it_is_listed() -> None:
    outbox = Outbox()
    outbox.ask([b"new"], 3)
    work = take(outbox)
    assert work == Lists((b"new",), True, Priority.ASKED, 3)
    outbox.push_rest(work, [b"new/deep"])
    outbox.done(work)
    assert outbox.oldest() == 3
    below = take(outbox)
    assert below == Lists((b"new/deep",), True, Priority.ASKED, 3)
    outbox.done(below)
    assert outbox.oldest() is None
    assert outbox.idle(*Priority)


def test_a_walk_goes_down_before_it_goes_on() -> None:
    outbox = Outbox()
    outbox.walk(Priority.SNAPSHOT, [b"a", b"b", b"c"])
    first = take(outbox, live=False, directories=1)
    assert isinstance(first, Lists)
    assert first.directories == (b"c",)
    outbox.push_rest(first, [b"c/x"])
    second = take(outbox, live=False, directories=1)
    assert isinstance(second, Lists)
    assert second.directories == (b"c/x",)


def test_a_directory_that_is_being_listed_is_not_listed_once_more_at_the_same_time() -> None:
    outbox = Outbox()
    outbox.ask([b"big"], 1)
    first = take(outbox)
    assert first == Lists((b"big",), True, Priority.ASKED, 1)
    outbox.ask([b"big", b"other"], 2)
    other = take(outbox)
    assert other == Lists((b"other",), True, Priority.ASKED, 2)
    outbox.done(other)
    assert take(outbox) is None
    assert not outbox.idle(Priority.ASKED)
    outbox.done(first)
    assert outbox.oldest() == 2
    assert take(outbox) == Lists((b"big",), True, Priority.ASKED, 2)


def test_whoever_takes_changes_alone_leaves_what_may_take_long() -> None:
    outbox = Outbox()
    outbox.ask([b"big"], 1)
    outbox.answer(1, [b"p"], [], recursive=False, since=1)
    assert outbox.take_changes(10) is None
    outbox.mark([b"a"], 2)
    assert outbox.take_changes(10) == Checks({b"a": 2})
    assert outbox.running(Priority.LIVE)


def test_whether_something_was_told_of_any_name_in_a_directory() -> None:
    outbox = Outbox()
    names = {b"b": 1, b"c": 2}
    outbox.mark([b"d", b"d/a", b"e/b", b"d/b/c"], 1)
    assert not outbox.tells_of_any(b"d", names)
    outbox.mark([b"d/b"], 1)
    assert outbox.tells_of_any(b"d", names)
    work = outbox.take_changes(100)
    assert outbox.tells_of_any(b"d", names), "until its evidence is handed over"
    assert work is not None
    outbox.done(work)
    assert not outbox.tells_of_any(b"d", names)
    assert not outbox.tells_of_any(b"", names)
    outbox.ask([b"elsewhere"], 1)
    assert outbox.tells_of_any(b"d", names), "it may be among what is folded"


def test_a_look_is_answered_when_all_of_it_and_all_below_is_done() -> None:
    outbox = Outbox()
    outbox.answer(4, [b"p"], [b"d"], recursive=True, since=1)
    done = []
    while work := take(outbox):
        if isinstance(work, Lists) and work.directories == (b"d",):
            outbox.push_rest(work, [b"d/e"])
        assert outbox.answered() == []
        outbox.done(work)
        done.append(work)
    assert len(done) == 3
    assert outbox.answered() == [4]
    assert outbox.answered() == []


def test_a_look_for_nothing_is_answered_at_once() -> None:
    outbox = Outbox()
    outbox.answer(1, [], [], recursive=False, since=1)
    assert outbox.answered() == [1]


def test_what_a_lost_session_asked_for_is_still_read() -> None:
    outbox = Outbox()
    outbox.answer(4, [b"p"], [b"d"], recursive=False, since=1)
    outbox.forget_looks()
    works = []
    while work := take(outbox):
        outbox.done(work)
        works.append(work)
    assert works == [Checks({b"p": 1}), Lists((b"d",), False, Priority.ASKED, 1)]
    assert outbox.answered() == []


def test_beyond_its_bound_the_set_is_folded_and_says_so() -> None:
    outbox = Outbox(bound=100)
    outbox.mark([b"few%d/f" % i for i in range(50)] + [b"many/f%d" % i for i in range(51)], 1)
    assert outbox.folded == 51
    checks, lists = take(outbox), take(outbox)
    assert isinstance(checks, Checks)
    assert set(checks.paths) == {b"few%d/f" % i for i in range(50)}
    assert lists == Lists((b"many",), False, Priority.ASKED, 1)


def test_changes_in_one_directory_do_not_wait_for_all_of_another() -> None:
    outbox = Outbox()
    outbox.mark([b"full/%d" % number for number in range(1_000)], 1)
    outbox.mark([b"few/a", b"few/b"], 2)
    works = [outbox.take_changes(10) for _ in range(2)]
    assert works[0] == Checks(
        {b"full/%d" % number: 1 for number in range(5)} | {b"few/a": 2, b"few/b": 2} | {b"full/%d" % number: 1 for number in range(5, 8)}
    )
    assert works[1] == Checks({b"full/%d" % number: 1 for number in range(8, 18)})
    assert outbox.waiting(Priority.LIVE) == 982


def test_changes_of_directories_that_have_few_go_first() -> None:
    outbox = Outbox()
    outbox.mark([b"many/%d" % number for number in range(FEW_CHANGES + 1)], 1)
    outbox.mark([b"few/a", b"few/b", b"other/c"], 2)
    first = outbox.take_first(100, lambda directory: 0)
    assert first == Checks({b"few/a": 2, b"few/b": 2, b"other/c": 2}, first=True)
    assert outbox.take_first(100, lambda directory: 0) is None
    outbox.put_back(first, was_done=False)
    assert outbox.take_first(2, lambda directory: 0) == Checks({b"few/a": 2, b"few/b": 2}, first=True)


def test_few_are_counted_with_those_that_are_on_their_way() -> None:
    outbox = Outbox()
    outbox.mark([b"d/%d" % number for number in range(FEW_CHANGES)], 1)
    reading = outbox.take_changes(FEW_CHANGES)
    outbox.mark([b"d/new", b"e/new"], 2)
    assert outbox.take_first(100, lambda directory: 0) == Checks({b"e/new": 2}, first=True)
    assert reading is not None
    outbox.done(reading)
    assert outbox.take_first(100, lambda directory: FEW_CHANGES) is None
    assert outbox.take_first(100, lambda directory: FEW_CHANGES - 1) == Checks({b"d/new": 2}, first=True)


@given(st.dictionaries(paths, st.integers(1, 100), max_size=40), st.integers(1, 10))
def test_folding_covers_every_path_with_its_time(directories: dict[bytes, int], most: int) -> None:
    folded = fold(directories, most)
    assert len(folded) <= max(most, 1)
    for path, since in directories.items():
        assert any(is_below(path, cover) and time <= since for cover, time in folded.items())


class NothingIsLost(RuleBasedStateMachine):
    """Whatever was marked is, until it is done, either waiting, folded into a list, or being read."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(bound=6)
        self.owed: dict[bytes, int] = {}
        """The time of the last mark of each path."""
        self.reading: list[tuple[Work, int]] = []
        self.flying: list[tuple[Work, int]] = []
        """What was taken, and when: it is about what was marked by then."""
        self.now = 0

    @rule(path=paths.filter(bool))
    def mark(self, path: bytes) -> None:
        self.now += 1
        self.outbox.mark([path], self.now)
        self.owed[path] = self.now

    @rule(path=paths)
    def ask(self, path: bytes) -> None:
        self.now += 1
        self.outbox.ask([path], self.now)

    @rule(live=st.booleans(), most=st.integers(1, 3))
    def read(self, live: bool, most: int) -> None:
        if work := take(self.outbox, live=live, checks=most, directories=most):
            self.reading.append((work, self.now))

    @rule()
    def send(self) -> None:
        if self.reading:
            work, taken = self.reading.pop(0)
            if isinstance(work, Lists) and work.recursive:
                self.outbox.push_rest(work, sorted({below for path in self.owed if (below := self.directory_below(work, path))}))
            self.outbox.done(work)
            self.flying.append((replace(work, recursive=False) if isinstance(work, Lists) else work, taken))

    def directory_below(self, work: Lists, path: bytes) -> bytes | None:
        """The directory on the way to `path` that listing finds in one of its own."""
        for directory in work.directories:
            rest = path[len(directory) + 1 if directory else 0 :]
            if is_below(path, directory) and b"/" in rest:
                return join(directory, rest.split(b"/")[0])
        return None

    @rule()
    def acknowledge(self) -> None:
        if self.flying:
            work, taken = self.flying.pop(0)
            self.owed = {path: marked for path, marked in self.owed.items() if marked > taken or not covers(work, path)}

    @rule()
    def lose_the_session(self) -> None:
        for work, _ in self.reading:
            self.outbox.put_back(work, was_done=False)
        for work, _ in self.flying:
            self.outbox.put_back(work, was_done=True)
        self.reading, self.flying = [], []
        self.outbox.forget_looks()

    @invariant()
    def oldest_is_not_later_than_anything_that_waits(self) -> None:
        oldest = self.outbox.oldest()
        for work, _ in self.reading:
            times = list(work.paths.values()) if isinstance(work, Checks) else [work.since]
            assert oldest is not None
            assert oldest <= min(times)

    def teardown(self) -> None:
        for work, _ in self.reading:
            self.outbox.done(work)
        done = [*self.reading, *self.flying]
        while left := take(self.outbox):
            done.append((left, self.now))
            self.outbox.done(left)
        for path, marked in self.owed.items():
            assert any(marked <= taken and covers(work, path) for work, taken in done), path
        assert self.outbox.oldest() is None
        assert self.outbox.idle(*Priority)


def covers(work: Work, path: bytes) -> bool:
    """Whether doing the work looks at the path."""
    if isinstance(work, Checks):
        return path in work.paths
    if work.recursive:
        return any(is_below(path, directory) for directory in work.directories)
    return split(path)[0] in work.directories


TestNothingIsLost = NothingIsLost.TestCase
