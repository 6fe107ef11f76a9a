"""What every root store promises about mass losses (`fustor_fusion.merge.guard`)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from fustor_core.evidence import Entry, Evidence, Gone, Listing, Seen
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.guard import GuardRules
from fustor_fusion.merge.held import FEW, MOST_HELD, Extent
from fustor_fusion.stores import Contribution, Outcome, RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from tests.oracle import entry_of, held

WINDOW, DELAY = 10_000, 1_000
RULES = GuardRules(max_loss=0.5, min_entries=20, window=WINDOW, delay=DELAY)
MOUNT = 77


def leaf(number: int, mount: int = 0) -> Entry:
    return msgspec.structs.replace(entry_of("f", number, mount), inode=100_000 + number)


def directory(number: int, mount: int = 0) -> Entry:
    return msgspec.structs.replace(entry_of("d", number, mount), inode=10 + number)


def files(count: int, first: int = 0, mount: int = 0) -> dict[bytes, Entry]:
    return {b"f%d" % number: leaf(number, mount) for number in range(first, first + count)}


class Agent:
    """Says one thing after the other to a store, each at its own stamp, which is the view clock too."""

    def __init__(self, open_store: Callable[[GuardRules], RootStore], rules: GuardRules) -> None:
        self._open, self._rules = open_store, rules
        self.store = open_store(rules)
        self._sequence = 0
        self.now = 100
        self.store.open_session("nas1", "run", "session", Identity("ext4", "0123", 2), 1)

    def says(self, *evidence: Evidence, later: int = 0, via: Via = Via.LIVE, clean_to: int = 0) -> Outcome:
        self.now += later + len(evidence) + 1
        self._sequence += 1
        stamped = [msgspec.structs.replace(one, at=self.now - len(evidence) + index) for index, one in enumerate(evidence)]
        begins = Via.SNAPSHOT if self._sequence == 1 else None
        contribution = Contribution(
            "nas1", "run", "session", self._sequence, via, stamped, clean_to=clean_to, watching_since=1, begins=begins
        )
        [outcome] = self.store.commit([contribution], self.now, 0)
        assert outcome.problem is None
        return outcome

    def view(self) -> set[bytes]:
        with self.store.reading() as reading:
            return set(held(reading))

    def reopen(self) -> None:
        self.store.close()
        self.store = self._open(self._rules)

    def looks_again(self, *evidence: Evidence) -> Outcome:
        """After the delay, what is due is looked at, and this is found."""
        self.now += DELAY + 1
        due = self.store.due_held(self.now)
        outcome = self.says(*evidence, via=Via.ASKED)
        self.store.forget_held(due)
        return outcome


Make = Callable[..., Agent]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    made: list[Agent] = []

    def open_store(rules: GuardRules) -> RootStore:
        return MemoryStore(rules) if request.param == "memory" else SqliteStore(tmp_path / "root.db", rules)

    def agent(rules: GuardRules = RULES) -> Agent:
        made.append(Agent(open_store, rules))
        return made[-1]

    yield agent
    for each in made:
        each.store.close()


@pytest.fixture
def agent(make: Make) -> Agent:
    """A root with `small`, of 10 files, and `big`, of 40."""
    made = make()
    made.says(Listing(b"", 0, {b"small": directory(1), b"big": directory(2)}), Seen(b"", 0, directory(0)), via=Via.SNAPSHOT)
    made.says(Listing(b"small", 0, files(10)), Listing(b"big", 0, files(40, 10)), via=Via.SNAPSHOT, clean_to=50)
    made.now += WINDOW
    return made


BIG = {b"big", *(b"big/" + name for name in files(40, 10))}


def test_less_than_half_goes_at_once_and_more_waits_for_a_second_look(agent: Agent) -> None:
    assert agent.says(Gone(b"small", 0)).held == []
    before = agent.view()
    outcome = agent.says(Gone(b"big", 0), clean_to=90)
    assert [one.path for one in outcome.held] == [b"big"]
    assert agent.view() == before
    [waiting] = agent.store.held
    assert (waiting.path, waiting.since, waiting.clean_to, waiting.extent) == (b"big", agent.now, 50, Extent.ITSELF)
    assert agent.store.due_held(agent.now + DELAY) == []
    assert agent.store.due_held(agent.now + DELAY + 1) == [waiting]
    assert agent.looks_again(Gone(b"big", 0)).held == []
    assert agent.view() == {b""}
    assert list(agent.store.held) == []


def test_what_is_there_after_all_stays(agent: Agent) -> None:
    before = agent.view()
    agent.says(Gone(b"big", 0))
    agent.looks_again(Seen(b"big", 0, directory(2)))
    assert agent.view() == before
    assert list(agent.store.held) == []


def test_until_then_it_waits_however_often_it_is_said(agent: Agent) -> None:
    agent.says(Gone(b"big", 0))
    [first] = agent.store.held
    for _ in range(3):
        assert len(agent.says(Gone(b"big", 0)).held) == 1
    assert list(agent.store.held) == [first]


def test_a_small_root_loses_what_it_loses_at_once(make: Make) -> None:
    agent = make()
    agent.says(Listing(b"", 0, files(19)), via=Via.SNAPSHOT)
    assert agent.says(Listing(b"", 0, {}), later=WINDOW).held == []
    assert agent.view() == {b""}


def test_with_a_max_loss_of_one_nothing_is_held_back(make: Make) -> None:
    agent = make(GuardRules(1.0, 0, WINDOW, DELAY))
    agent.says(Listing(b"", 0, {b"m": directory(3, MOUNT)}), Listing(b"m", 0, files(90, mount=MOUNT)), via=Via.SNAPSHOT)
    assert agent.says(Gone(b"m", 0), later=WINDOW).held == []


def test_small_losses_add_up_within_the_window_only(agent: Agent) -> None:
    for number in range(10, 36):
        assert agent.says(Gone(b"big/f%d" % number, 0)).held == []
    assert len(agent.says(Gone(b"big/f36", 0)).held) == 1
    agent.now += WINDOW
    for number in range(37, 45):
        assert agent.says(Gone(b"big/f%d" % number, 0)).held == []


def test_a_restart_does_not_part_one_loss_into_two_small_ones(agent: Agent) -> None:
    if not isinstance(agent.store, SqliteStore):
        pytest.skip("what is in memory does not outlast it")
    for number in range(10, 36):
        assert agent.says(Gone(b"big/f%d" % number, 0)).held == []
    agent.reopen()
    assert len(agent.says(Gone(b"big/f36", 0)).held) == 1
    agent.now += WINDOW
    agent.reopen()
    for number in range(37, 45):
        assert agent.says(Gone(b"big/f%d" % number, 0)).held == []


def test_a_listing_is_held_back_as_a_whole(agent: Agent) -> None:
    before = agent.view()
    outcome = agent.says(Listing(b"big", 0, {b"new": leaf(99)}))
    assert [one.path for one in outcome.held] == [b"big"]
    assert agent.view() == before
    [waiting] = agent.store.held
    assert waiting.extent is Extent.LISTING
    agent.looks_again(Listing(b"big", 0, {b"new": leaf(99)}))
    assert agent.view() == before - BIG | {b"big", b"big/new"}


@pytest.mark.parametrize("other", [Seen(b"big", 0, leaf(5)), Listing(b"", 0, {b"small": directory(1), b"big": leaf(5)})])
def test_a_directory_that_became_something_else_is_lost(agent: Agent, other: Evidence) -> None:
    assert len(agent.says(other).held) == 1
    assert agent.view() >= BIG


def test_a_move_is_no_loss_in_either_order_and_by_a_listing(agent: Agent) -> None:
    assert agent.says(Gone(b"big", 0), Seen(b"moved", 0, directory(2))).held == []
    agent.says(Listing(b"moved", 0, files(40, 10)), via=Via.ASKED)
    assert agent.says(Seen(b"small/below", 0, directory(2)), Gone(b"moved", 0)).held == []
    agent.says(Listing(b"small/below", 0, files(40, 10)), via=Via.ASKED)
    renamed = {b"g%d" % number: leaf(number) for number in range(10, 50)}
    assert agent.says(Listing(b"small/below", 0, renamed)).held == []
    # Found by a walk, in two directories.
    assert agent.says(Listing(b"", 0, {b"small": directory(1), b"back": directory(2)}), via=Via.SNAPSHOT).held == []
    assert agent.says(Listing(b"small", 0, files(10)), via=Via.SNAPSHOT).held == []
    assert list(agent.store.held) == []


def test_what_is_seen_elsewhere_only_later_is_looked_at_again_at_once(agent: Agent) -> None:
    assert len(agent.says(Gone(b"big", 0)).held) == 1
    assert agent.store.due_held(agent.now + 1) == []
    agent.says(Seen(b"moved", 0, directory(2)))
    assert [each.path for each in agent.store.due_held(agent.now + 1)] == [b"big"]
    assert agent.says(Gone(b"big", 0)).held == []


def test_files_that_are_moved_one_by_one_are_no_loss(agent: Agent) -> None:
    for number in range(10, 50):
        evidence: list[Evidence] = [Gone(b"big/f%d" % number, 0), Seen(b"small/f%d" % number, 0, leaf(number))]
        assert agent.says(*(evidence if number % 2 else reversed(evidence))).held == []


def test_files_that_come_and_go_are_no_loss_and_a_large_directory_that_came_lately_is(agent: Agent) -> None:
    for number in range(100, 200):
        agent.says(Seen(b"big/f%d" % number, 0, leaf(number)))
        assert agent.says(Gone(b"big/f%d" % number, 0)).held == []
    agent.says(Seen(b"new", 0, directory(7)), Seen(b"new/big", 0, directory(2)), Gone(b"big", 0))
    agent.says(Listing(b"new/big", 0, files(40, 10)), via=Via.ASKED)
    assert len(agent.says(Gone(b"new", 0)).held) == 1


def test_after_a_loss_that_a_second_look_confirmed_small_ones_are_at_once_again(agent: Agent) -> None:
    agent.says(*(Seen(b"small/f%d" % number, 0, leaf(number)) for number in range(60, 75)))
    agent.says(Gone(b"big", 0))
    assert agent.looks_again(Gone(b"big", 0)).held == []
    assert agent.says(Gone(b"small/f0", 0)).held == []


def test_below_what_was_looked_at_again_and_in_a_listing_it_counts_too(agent: Agent) -> None:
    agent.says(Gone(b"big", 0))
    agent.now += DELAY
    assert agent.says(Listing(b"big", 0, {})).held == []
    assert agent.says(Listing(b"", 0, {b"small": directory(1)})).held == []


def test_nothing_is_vouched_for_as_a_whole_while_something_is_held_back(agent: Agent) -> None:
    def as_of() -> int:
        with agent.store.reading() as reading:
            return reading.record().as_of

    agent.says(Seen(b"small/f0", 0, leaf(0)), clean_to=agent.now)
    before = as_of()
    assert before > 50
    agent.says(Gone(b"big", 0), clean_to=agent.now)
    assert as_of() == before
    agent.looks_again(Gone(b"big", 0))
    agent.says(Seen(b"small/f0", 0, leaf(0)), clean_to=agent.now)
    assert as_of() > before


def test_an_operator_may_have_it_looked_at_again_at_once(agent: Agent) -> None:
    agent.says(Gone(b"big", 0))
    agent.store.hurry_held(agent.now)
    assert len(agent.store.due_held(agent.now + 1)) == 1
    assert agent.says(Gone(b"big", 0)).held == []


def test_what_is_held_back_outlasts_the_process(agent: Agent, request: pytest.FixtureRequest) -> None:
    if not isinstance(agent.store, SqliteStore):
        pytest.skip("what is in memory does not")
    agent.says(Gone(b"big", 0))
    before = list(agent.store.held)
    agent.reopen()
    assert list(agent.store.held) == before
    agent.store.forget_held(before)
    agent.reopen()
    assert list(agent.store.held) == []


def test_many_names_of_one_directory_are_one_listing_and_too_many_are_everything_below(make: Make) -> None:
    agent = make(GuardRules(0.5, 20, 10**9, 10**9))
    names = 2 * MOST_HELD
    agent.says(Listing(b"", 0, {b"top": directory(0)}), via=Via.SNAPSHOT)
    agent.says(Listing(b"top", 0, {b"d%d" % number: directory(number) for number in range(names)}), via=Via.SNAPSHOT)
    for number in range(names):
        agent.says(Listing(b"top/d%d" % number, 0, {b"a": leaf(number), b"b": leaf(number + names)}), via=Via.SNAPSHOT)
    agent.now += 10**9
    agent.says(*(Gone(b"top/d%d" % number, 0) for number in range(names)))
    lost = len(agent.view())
    assert [(each.path, each.extent) for each in agent.store.held] == [(b"top", Extent.LISTING)]
    agent.says(Gone(b"top/d%d" % (names - 1), 0))
    assert len(agent.store.held) == 1
    agent.says(*(Gone(b"top/d%d/%s" % (number, name), 0) for number in range(MOST_HELD + 10, names) for name in (b"a", b"b")))
    assert [(each.path, each.extent) for each in agent.store.held] == [(b"top", Extent.ALL_BELOW)]
    assert len(agent.view()) >= lost - 1 > names > FEW


# Nested mounts: of whatever size


@pytest.fixture
def nested(make: Make) -> Agent:
    """A small root with the mount `m`, in which `f0`, `f1` and `s/f2` are."""
    agent = make()
    agent.says(Listing(b"", 0, {b"m": directory(3, MOUNT), b"other": leaf(50)}), Seen(b"", 0, directory(0)), via=Via.SNAPSHOT)
    agent.says(Listing(b"m", 0, {**files(2, mount=MOUNT), b"s": directory(4, MOUNT)}), via=Via.SNAPSHOT)
    agent.says(Listing(b"m/s", 0, files(1, 2, MOUNT)), via=Via.SNAPSHOT)
    agent.now += WINDOW
    return agent


@pytest.mark.parametrize(
    "evidence",
    [
        [Gone(b"m", 0)],
        [Gone(b"m/s", 0), Seen(b"m", 0, directory(9))],
        [Gone(b"m/f1", 0), Seen(b"m", 0, directory(9))],
        [Listing(b"", 0, {b"other": leaf(50)})],
        [Listing(b"m", 0, {})],
        [Listing(b"m", 0, {b"under the mount": leaf(8)})],
        [Seen(b"m", 0, directory(9)), Listing(b"m", 0, {})],
        [Seen(b"m", 0, directory(9, MOUNT + 1)), Listing(b"m", 0, {b"f0": leaf(0, MOUNT + 1)})],
    ],
    ids=["gone", "a directory in it", "a file in it", "not listed", "empty", "other things", "a directory", "another mount"],
)
def test_a_nested_mount_goes_only_after_a_second_look(nested: Agent, evidence: list[Evidence]) -> None:
    before = nested.view()
    assert len(nested.says(*evidence).held) == 1
    assert nested.view() == before
    assert nested.looks_again(*evidence).held == []
    assert len(nested.view()) < len(before)


def test_what_goes_in_a_nested_mount_that_stays_is_nothing_special(nested: Agent) -> None:
    assert nested.says(Gone(b"m/s", 0), Gone(b"m/f0", 0)).held == []
    assert nested.says(Listing(b"m", 0, {b"new": leaf(60, MOUNT)})).held == []
    assert nested.view() == {b"", b"m", b"m/new", b"other"}
