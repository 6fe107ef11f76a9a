"""What every root store promises, in the words of its port (`fustor_fusion.stores`) and of DESIGN §2, §5."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fustor_core.digest import listing_digest
from fustor_core.errors import MalformedInput, Refused
from fustor_core.evidence import Entry, Evidence, Gone, Kind, Listing, Same, Seen, Unreadable
from fustor_core.paths import components, is_below, split
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.changes import KEPT
from fustor_fusion.merge.drift import Drift, Drifts
from fustor_fusion.query import Filter, Usage
from fustor_fusion.stores import ChangeSpan, Contribution, Outcome, OutOfSequence, RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from tests.oracle import entry_of, every_child, held

IDENTITY = Identity("ext4", "0123", 2)
DIRECTORY = entry_of("d", 1)
FILE = entry_of("f", 2)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RootStore]:
    made: RootStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "root.db")
    yield made
    made.close()


class Agent:
    """An agent that leads: it commits one frame after the other, and follows live what it lists from stamp 1 on."""

    def __init__(self, store: RootStore, name: str = "nas1", watching_since: int | None = 1) -> None:
        self.store, self.name, self.watching_since, self.sequence = store, name, watching_since, 0
        self.store.open_session(name, "run", "session", IDENTITY, 1)

    def frame(self, *evidence: Evidence, **details: object) -> Contribution:
        self.sequence += 1
        settings: dict[str, object] = {"via": Via.LIVE, "watching_since": self.watching_since, **details}
        return Contribution(self.name, "run", "session", self.sequence, evidence=evidence, **settings)  # type: ignore[arg-type]

    def says(self, *evidence: Evidence, drop_to: int = 0, **details: object) -> Outcome:
        (outcome,) = self.store.commit([self.frame(*evidence, **details)], 1000, drop_to)
        assert outcome.problem is None
        return outcome


@pytest.fixture
def agent(store: RootStore) -> Agent:
    return Agent(store)


def names(store: RootStore, path: bytes) -> list[bytes]:
    with store.reading() as reading:
        return [found.path for found in every_child(reading, path)]


def usage(store: RootStore, path: bytes) -> Usage | None:
    with store.reading() as reading:
        return reading.usage(path)


def fresh(store: RootStore, path: bytes) -> bool:
    with store.reading() as reading:
        return reading.trust(path).fresh


# What the root is to an agent


def test_what_the_root_is_to_an_agent_is_remembered_until_another_is_accepted(store: RootStore) -> None:
    other = Identity("tmpfs", "77", 1)
    store.accept("new", other)
    Agent(store)
    store.accept("nas1", other)
    with store.reading() as reading:
        assert {each.agent: (each.slot, each.identity, each.session) for each in reading.agents()} == {
            "new": (1, other, ""),
            "nas1": (2, other, "session"),
        }
    assert store.open_session("new", "run", "first", other, 1).run == ""


# The newest evidence about a path wins


def test_a_new_root_is_an_empty_directory_of_which_nothing_is_known(store: RootStore) -> None:
    with store.reading() as reading:
        root = reading.find(b"")
        assert root is not None
        assert (root.kind, root.entry, root.path) == (Kind.DIRECTORY, None, b"")
        assert reading.children(b"", None, 10) == []
        assert reading.usage(b"") == Usage(0, 1, 0, 0, 0, None)
        assert not reading.trust(b"").fresh
        assert reading.record().clock
        assert reading.agents() == []


def test_an_older_listing_changes_nothing(agent: Agent) -> None:
    agent.says(Listing(b"", 20, {b"new": FILE}))
    agent.says(Listing(b"", 10, {b"old": FILE}))
    assert names(agent.store, b"") == [b"new"]


def test_a_child_known_from_newer_evidence_is_left_alone_by_a_listing(agent: Agent) -> None:
    agent.says(Seen(b"new", 20, FILE), Gone(b"gone", 21))
    agent.says(Listing(b"", 10, {b"gone": FILE, b"other": FILE}))
    assert names(agent.store, b"") == [b"new", b"other"]


def test_what_was_seen_has_ancestors_whose_attributes_are_not_known_yet(agent: Agent) -> None:
    agent.says(Seen(b"a/b/c", 10, FILE))
    with agent.store.reading() as reading:
        implied = reading.find(b"a/b")
        assert implied is not None
        assert (implied.kind, implied.entry) == (Kind.DIRECTORY, None)
    agent.says(Listing(b"a", 9, {b"b": DIRECTORY}))
    with agent.store.reading() as reading:
        implied = reading.find(b"a/b")
        assert implied is not None
        assert implied.entry == DIRECTORY


def test_evidence_from_before_a_directory_was_removed_is_dead(agent: Agent) -> None:
    agent.says(Gone(b"a", 20), Seen(b"a/new", 30, FILE))
    agent.says(Seen(b"a/old", 10, FILE))
    assert names(agent.store, b"a") == [b"a/new"]


def test_a_removed_directory_is_gone_with_all_below_it(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": DIRECTORY}), Listing(b"a", 11, {b"b": DIRECTORY}), Listing(b"a/b", 12, {b"c": FILE}))
    agent.says(Gone(b"a", 20))
    with agent.store.reading() as reading:
        assert held(reading).keys() == {b""}
        assert reading.usage(b"") == Usage(0, 1, 0, 0, 0, None)
        assert reading.find(b"a/b/c") is None
    while agent.store.purge(1):
        pass
    with agent.store.reading() as reading:
        assert held(reading).keys() == {b""}


def test_what_a_contribution_brings_first_is_applied_first_and_repeats_are_harmless(agent: Agent) -> None:
    evidence = Listing(b"", 10, {b"a": FILE}), Seen(b"b", 11, FILE), Gone(b"a", 12)
    for _ in range(3):
        agent.says(*evidence)
    assert names(agent.store, b"") == [b"b"]


def test_the_same_listing_by_its_digest_is_that_listing(agent: Agent) -> None:
    entries = {b"a": FILE, b"d": DIRECTORY}
    agent.says(Listing(b"", 10, entries))
    assert agent.says(Same(b"", 20, listing_digest(entries))).unlike == []
    with agent.store.reading() as reading:
        assert reading.trust(b"").listed_at == 20
    agent.says(Gone(b"a", 15))  # older than the listing that Same stood for
    assert names(agent.store, b"") == [b"a", b"d"]


def test_a_directory_that_is_unlike_is_asked_for(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": FILE, b"d": DIRECTORY}))
    assert agent.says(Same(b"", 20, listing_digest({b"a": FILE}))).unlike == [b""]
    assert agent.says(Same(b"nowhere", 9, listing_digest({}))).unlike == []  # known to be absent: nothing to ask
    assert agent.says(Same(b"nowhere", 21, listing_digest({}))).unlike == [b"nowhere"]
    with agent.store.reading() as reading:
        assert reading.trust(b"").listed_at == 10


def test_the_digest_does_not_depend_on_the_order_of_the_listing() -> None:
    assert listing_digest({b"a": FILE, b"b": DIRECTORY}) == listing_digest({b"b": DIRECTORY, b"a": FILE})
    assert len({listing_digest(each) for each in ({}, {b"a": FILE}, {b"b": FILE}, {b"a": DIRECTORY})}) == 4


def test_a_part_of_a_listing_is_refused_before_anything_is_applied(agent: Agent) -> None:
    with pytest.raises(ValueError, match="the receiver joins the parts"):
        agent.store.commit([agent.frame(Seen(b"a", 10, FILE)), agent.frame(Listing(b"", 11, {}, part=1, last=False))], 1000, 0)
    assert names(agent.store, b"") == []
    agent.sequence = 0
    agent.says(Seen(b"a", 10, FILE))


def test_a_change_is_dated_and_relisting_the_same_is_none(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": FILE, b"d": DIRECTORY}), via=Via.SNAPSHOT)
    agent.says(Listing(b"", 20, {b"a": FILE, b"d": DIRECTORY}), via=Via.AUDIT)
    agent.says(Seen(b"b", 30, FILE), Seen(b"d/x", 31, FILE), via=Via.LIVE)
    agent.says(Listing(b"", 40, {b"a": FILE, b"b": FILE, b"d": entry_of("d", 9)}), via=Via.AUDIT)
    with agent.store.reading() as reading:
        changes = {found.path: (found.changed_at, found.via) for found in reading.children(b"", None, 10)}
    assert changes == {b"a": (10, "snapshot"), b"b": (30, "live"), b"d": (40, "audit")}


# Sequences, sessions, agents


def rests(store: RootStore, path: bytes) -> tuple[int, bool]:
    """Since when nothing at or below the path has changed, and whether that is known of all of it."""
    with store.reading() as reading:
        found = reading.find(path)
        assert found is not None
        [same] = reading.search(path, Filter(max_depth=0), None, 1).entries
        assert (same.changed_below, same.fresh, same.newest) == (found.changed_below, found.fresh, found.newest)
        return found.changed_below, found.fresh


def test_a_directory_remembers_when_anything_below_it_changed_last(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 10, {b"d": DIRECTORY, b"e": DIRECTORY, b"f": FILE}), Listing(b"d", 11, {b"f": FILE, b"g": FILE}))
    assert (rests(agent.store, b""), rests(agent.store, b"d"), rests(agent.store, b"e")) == ((11, False), (11, True), (10, False))
    agent.says(Listing(b"e", 12, {}), Seen(b"", 13, DIRECTORY))
    assert (rests(agent.store, b""), rests(agent.store, b"e"), rests(agent.store, b"d/f")) == ((13, True), (10, True), (11, True))
    agent.says(Seen(b"d/f", 20, entry_of("f", 3)))
    assert (rests(agent.store, b""), rests(agent.store, b"d"), rests(agent.store, b"d/f")) == ((20, True), (20, True), (20, True))
    assert (rests(agent.store, b"d/g"), rests(agent.store, b"e")) == ((11, True), (10, True))
    agent.says(Listing(b"d", 30, {b"f": entry_of("f", 3)}))
    assert (rests(agent.store, b"d"), rests(agent.store, b"d/f"), rests(agent.store, b"")) == ((30, True), (20, True), (30, True))
    agent.says(Listing(b"d", 40, {b"f": entry_of("f", 3)}), Seen(b"d/f", 41, entry_of("f", 3)), Gone(b"nothing", 42))
    assert rests(agent.store, b"") == (30, True), "what is seen once more has not changed"
    agent.says(Gone(b"e", 50), Seen(b"d/new/deep", 51, FILE))
    assert (rests(agent.store, b""), rests(agent.store, b"d/new"), rests(agent.store, b"d/new/deep")) == (
        (51, False),
        (51, False),
        (51, False),
    )


def feed(store: RootStore, after: int = 0, limit: int = 100) -> list[tuple[int, str, str, bytes]]:
    """The changes behind a number: number, kind, act, path."""
    with store.reading() as reading:
        return [(change.number, change.kind, change.via, change.path) for change in reading.changes(after, limit)]


def test_every_change_has_a_number_and_what_changes_nothing_has_none(agent: Agent) -> None:
    store = agent.store
    with store.reading() as reading:
        assert (reading.change_span(), store.last_change) == (ChangeSpan(1, 0), 0)
    agent.says(Seen(b"", 5, DIRECTORY), Listing(b"", 6, {b"d": DIRECTORY, b"f": FILE}), via=Via.SNAPSHOT)
    assert feed(store) == [(1, "changed", "snapshot", b""), (2, "listed", "snapshot", b"")]
    agent.says(Listing(b"d", 10, {b"a": FILE, b"sub": DIRECTORY}), Seen(b"f", 11, entry_of("f", 9)), Seen(b"d/sub/x", 12, FILE))
    assert feed(store, after=2) == [
        (3, "appeared", "live", b"d/a"),
        (4, "appeared", "live", b"d/sub"),
        (5, "changed", "live", b"f"),
        (6, "appeared", "live", b"d/sub/x"),
    ]
    agent.says(Seen(b"f", 13, entry_of("f", 9)), Gone(b"never", 14), Listing(b"", 1, {}), Listing(b"d/sub", 15, {b"x": FILE}))
    assert store.last_change == 6
    agent.says(Seen(b"d/sub", 20, DIRECTORY), Seen(b"d/sub", 21, FILE), Gone(b"d", 22), via=Via.AUDIT)
    assert feed(store, after=6) == [(7, "gone", "audit", b"d/sub"), (8, "appeared", "audit", b"d/sub"), (9, "gone", "audit", b"d")]
    assert feed(store, after=3, limit=2) == feed(store)[3:5]
    with store.reading() as reading:
        assert (reading.change_span(), store.last_change) == (ChangeSpan(1, 9), 9)
        stamps = [change.at for change in reading.changes(0, 100)]
        assert stamps == sorted(stamps)


def test_the_feed_keeps_the_last_changes_and_their_numbers(agent: Agent) -> None:
    for at in range(100, 100 + KEPT // 1000):
        agent.says(*(Seen(b"%d-%d" % (at, name), at * 1000 + name, FILE) for name in range(1000)))
    agent.says(Seen(b"one more", 10**6, FILE))
    with agent.store.reading() as reading:
        assert reading.change_span() == ChangeSpan(2, KEPT + 1)
        assert len(reading.changes(0, 10 * KEPT)) == KEPT
        [last] = reading.changes(KEPT, 10)
        assert (last.number, last.path) == (KEPT + 1, b"one more")


def test_a_frame_out_of_sequence_changes_nothing_and_harms_no_other(store: RootStore) -> None:
    first, second = Agent(store, "nas1"), Agent(store, "nas2", None)
    first.sequence = 7
    outcomes = store.commit([first.frame(Seen(b"a", 10, FILE)), second.frame(Seen(b"b", 11, FILE))], 1000, 0)
    assert isinstance(outcomes[0].problem, OutOfSequence)
    assert outcomes[1].problem is None
    assert names(store, b"") == [b"b"]
    with store.reading() as reading:
        assert [(agent.agent, agent.sequence, agent.highest) for agent in reading.agents()] == [("nas1", 0, 0), ("nas2", 1, 11)]


def test_a_repeated_frame_is_fine_and_not_applied_again(agent: Agent) -> None:
    frame = agent.frame(Listing(b"", 10, {b"a": FILE}), begins=Via.AUDIT)
    for _ in range(2):
        (outcome,) = agent.store.commit([frame], 1000, 0)
        assert outcome.problem is None
    with agent.store.reading() as reading:
        (record,) = reading.agents()
        assert (record.sequence, record.highest) == (1, 10)


def test_frames_of_an_earlier_session_are_out_of_sequence(store: RootStore) -> None:
    agent = Agent(store)
    agent.says(Seen(b"a", 10, FILE))
    late = agent.frame(Seen(b"b", 11, FILE))
    before = store.open_session("nas1", "run2", "session2", IDENTITY, 1000)
    assert (before.slot, before.run, before.session, before.sequence, before.highest) == (1, "run", "session", 1, 10)
    (outcome,) = store.commit([late], 1000, 0)
    assert isinstance(outcome.problem, OutOfSequence)
    with store.reading() as reading:
        (now,) = reading.agents()
    assert (now.slot, now.run, now.session, now.sequence, now.highest, now.identity) == (1, "run2", "session2", 0, 10, IDENTITY)


def test_every_agent_has_a_slot_of_its_own_for_good(store: RootStore) -> None:
    slots = [store.open_session(name, "run", "session", IDENTITY, 1).slot for name in ("a", "b", "a", "c", "b")]
    assert slots == [1, 2, 1, 3, 2]
    new = store.open_session("d", "run", "session", IDENTITY, 1)
    assert (new.run, new.session, new.sequence, new.highest, new.identity) == ("", "", 0, 0, None)


def test_there_are_slots_for_1023_agents(store: RootStore) -> None:
    slots = {store.open_session(f"nas{number}", "run", "session", IDENTITY, 1).slot for number in range(1023)}
    assert slots == set(range(1, 1024))
    with pytest.raises(Refused, match="1,023 agents") as caught:
        store.open_session("one more", "run", "session", IDENTITY, 1)
    assert caught.value.code == "too-many-agents"
    assert store.open_session("nas7", "another", "session", IDENTITY, 1).slot == 8


def test_an_agent_that_never_opened_a_session_is_out_of_sequence(store: RootStore) -> None:
    (outcome,) = store.commit([Contribution("nobody", "run", "session", 1, Via.LIVE)], 1000, 0)
    assert isinstance(outcome.problem, OutOfSequence)


def test_the_record_tells_of_marks_and_of_the_clock(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 1500, {b"a": FILE, b"d": DIRECTORY}))
    agent.says(ends=Via.SNAPSHOT)
    agent.store.commit([agent.frame(begins=Via.AUDIT)], 2000, 0)
    agent.store.commit([agent.frame(ends=Via.AUDIT)], 3000, 5)
    agent.store.commit([agent.frame()], 2500, 4)
    with agent.store.reading() as reading:
        record, (known,) = reading.record(), reading.agents()
    assert (record.watching_since, record.watched_by, record.snapshot_at, record.audit_at) == (1, "nas1", 1000, 3000)
    assert (record.high_water, record.drop_mark, record.writes) == (3000, 5, 6)
    assert known.entries == 3


# The drop mark


def test_evidence_at_or_below_the_drop_mark_is_to_be_read_again(agent: Agent) -> None:
    agent.says(drop_to=50)
    outcome = agent.says(Seen(b"a", 50, FILE), Seen(b"b", 51, FILE), Listing(b"c", 7, {}), drop_to=10)
    assert outcome.stale == [b"a", b"c"]
    assert names(agent.store, b"") == [b"b"]


def test_attributes_not_newer_than_a_floor_stay_unknown_when_the_floor_is_dropped(agent: Agent) -> None:
    agent.says(Seen(b"a", 10, DIRECTORY), Seen(b"a/b", 30, FILE), Gone(b"a", 20), drop_to=25)
    with agent.store.reading() as reading:
        directory = reading.find(b"a")
        assert directory is not None
        assert directory.entry is None
    assert usage(agent.store, b"a") == Usage(1, 1, 0, FILE.size, FILE.allocated, (FILE.mtime, FILE.mtime_ns))


def test_evidence_that_raises_the_mark_is_applied_before_it(agent: Agent) -> None:
    assert agent.says(Seen(b"a", 10, FILE), drop_to=10).stale == []
    assert names(agent.store, b"") == [b"a"]


# Totals, freshness, trust


def test_usage_counts_all_below_and_the_path_itself(agent: Agent) -> None:
    link, pipe = entry_of("l", 5), entry_of("p", 6)
    agent.says(Listing(b"", 10, {b"d": DIRECTORY, b"f": FILE}), Listing(b"d", 11, {b"l": link, b"p": pipe, b"g": entry_of("f", 4)}))
    known = [DIRECTORY, link, pipe, entry_of("f", 4)]
    newest = max((entry.mtime, entry.mtime_ns) for entry in known)
    assert usage(agent.store, b"d") == Usage(1, 1, 2, 12, sum(entry.allocated for entry in known), newest)
    assert usage(agent.store, b"f") == Usage(1, 0, 0, 6, 1024, (2, 2))
    assert usage(agent.store, b"d/l") == Usage(0, 0, 1, 0, link.allocated, (link.mtime, link.mtime_ns))
    assert usage(agent.store, b"nowhere") is None


def test_the_newest_change_falls_back_when_the_newest_goes(agent: Agent) -> None:
    agent.says(Seen(b"a/b/new", 10, entry_of("f", 6)), Seen(b"a/old", 11, entry_of("f", 3)), Seen(b"x", 12, entry_of("f", 4)))
    agent.says(Gone(b"a/b/new", 20))
    for path, mark in ((b"a/b", None), (b"a", 3), (b"", 4)):
        found = usage(agent.store, path)
        assert found is not None
        assert found.newest == (None if mark is None else (mark % 7, mark % 3))


def test_a_root_is_fresh_when_everything_was_listed_since_watching_began(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": DIRECTORY, b"b": DIRECTORY}))
    assert not fresh(agent.store, b"")
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 20, {b"a": DIRECTORY, b"b": DIRECTORY}), Listing(b"a", 21, {b"f": FILE}))
    assert fresh(agent.store, b"a")
    assert fresh(agent.store, b"a/f")
    assert fresh(agent.store, b"a/nowhere/at/all")
    assert fresh(agent.store, b"nowhere")
    assert not fresh(agent.store, b"b")
    assert not fresh(agent.store, b"")
    agent.says(Listing(b"b", 22, {}), clean_to=23)
    assert fresh(agent.store, b"")
    with agent.store.reading() as reading:
        assert reading.record().as_of == 23
        assert (reading.trust(b"a").listed_at, reading.trust(b"a/f").listed_at, reading.trust(b"zz").listed_at) == (21, 21, 20)
    agent.says(Seen(b"b/new", 24, DIRECTORY), clean_to=30)
    assert not fresh(agent.store, b"")
    with agent.store.reading() as reading:
        assert reading.record().as_of == 23
    agent.says(Gone(b"b/new", 25), clean_to=31)
    assert fresh(agent.store, b"")
    with agent.store.reading() as reading:
        assert reading.record().as_of == 31


@pytest.mark.parametrize("phase", [Via.SNAPSHOT, Via.AUDIT])
def test_what_was_listed_for_another_watching_is_fresh_no_more(store: RootStore, phase: Via) -> None:
    first, second = Agent(store, "nas1", 5), Agent(store, "nas2", 30)
    first.says(begins=Via.SNAPSHOT)
    first.says(Listing(b"", 10, {b"a": DIRECTORY}), Listing(b"a", 11, {}))
    assert fresh(store, b"")
    first.says(begins=Via.AUDIT)
    assert fresh(store, b"")
    second.says(begins=phase)
    assert not fresh(store, b"")
    second.says(Listing(b"", 40, {b"a": DIRECTORY}))
    first.says(begins=phase)  # the first watching is back, but who followed meanwhile what it had listed?
    assert not fresh(store, b"a")
    first.says(Listing(b"", 50, {b"a": DIRECTORY}), Listing(b"a", 51, {}))
    assert fresh(store, b"")


def test_the_oldest_listing_at_and_below_a_path(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": DIRECTORY, b"f": FILE}), Listing(b"a", 30, {b"b": DIRECTORY, b"g": FILE}), Listing(b"a/b", 20, {}))

    def oldest(path: bytes, most: int = 100) -> int | None:
        with agent.store.reading() as reading:
            return reading.oldest_listing(path, most)

    assert [oldest(path) for path in (b"", b"a", b"a/b", b"f", b"a/g", b"a/none")] == [10, 20, 20, 10, 30, 30]
    assert (oldest(b"a", 4), oldest(b"a", 2)) == (20, None)
    agent.says(Same(b"", 40, listing_digest({b"a": DIRECTORY, b"f": FILE})))
    assert oldest(b"") == 20
    agent.says(Seen(b"a/new", 50, DIRECTORY))
    assert oldest(b"") is None
    assert oldest(b"a/b") == 20


def test_a_listing_of_an_agent_that_does_not_lead_makes_nothing_fresh(store: RootStore) -> None:
    leader, follower = Agent(store, "nas1"), Agent(store, "nas2", None)
    leader.says(begins=Via.SNAPSHOT)
    follower.says(Listing(b"", 10, {}))
    assert not fresh(store, b"")


def unlisted(store: RootStore, limit: int = 10) -> set[bytes]:
    with store.reading() as reading:
        return set(reading.unlisted(limit))


def test_what_a_leader_has_not_listed_is_found_wherever_it_lies(store: RootStore) -> None:
    leader, follower = Agent(store, "nas1"), Agent(store, "nas2", None)
    assert unlisted(store) == {b""}
    leader.says(begins=Via.SNAPSHOT)
    leader.says(Listing(b"", 10, {b"a": DIRECTORY, b"f": FILE}), Listing(b"a", 11, {b"b": DIRECTORY, b"c": DIRECTORY}))
    assert unlisted(store) == {b"a/b", b"a/c"}
    assert len(unlisted(store, 1)) == 1
    leader.says(Listing(b"a/b", 12, {}), Unreadable(b"a/c", 13, "permission denied"))
    assert unlisted(store) == set()
    follower.says(Seen(b"a/new/deep/f", 20, FILE), Listing(b"a/other", 21, {b"below": DIRECTORY}))
    assert unlisted(store) == {b"a/new", b"a/new/deep", b"a/other", b"a/other/below"}
    leader.says(Gone(b"a/new", 30), Listing(b"a/other", 31, {b"below": entry_of("d", 3, mount=-1)}))
    assert unlisted(store) == set()


def test_what_is_unlisted_is_counted_anew_with_each_watching(store: RootStore) -> None:
    leader = Agent(store, "nas1")
    leader.says(begins=Via.SNAPSHOT)
    leader.says(Listing(b"", 10, {b"%04d" % each: DIRECTORY for each in range(1_200)}))
    leader.says(*(Listing(b"%04d" % each, 11 + each, {}) for each in range(1_200)))
    assert unlisted(store, 2_000) == set()
    Agent(store, "nas2", 1_300).says(begins=Via.AUDIT)
    assert len(unlisted(store, 2_000)) == 1_201


def test_a_mount_point_that_is_not_followed_need_not_be_listed(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 10, {b"proc": entry_of("d", 3, mount=-1)}))
    assert fresh(agent.store, b"")
    agent.says(Seen(b"proc", 11, entry_of("d", 3)))  # unmounted
    assert not fresh(agent.store, b"")
    agent.says(Listing(b"proc", 12, {}))
    assert fresh(agent.store, b"")
    agent.says(Seen(b"proc", 13, entry_of("d", 3, mount=-1)))
    assert fresh(agent.store, b"")


def test_a_directory_that_cannot_be_read_keeps_its_children_and_is_not_fresh(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 10, {b"a": DIRECTORY}), Listing(b"a", 11, {b"f": FILE}))
    agent.says(Unreadable(b"a", 20, "permission denied"), clean_to=21)
    assert names(agent.store, b"a") == [b"a/f"]
    with agent.store.reading() as reading:
        assert [(reading.trust(path).fresh, reading.trust(path).unreadable) for path in (b"", b"a")] == [(False, 1), (False, 1)]
        assert reading.record().as_of == 0
    agent.says(Unreadable(b"a", 21, "permission denied"), Listing(b"a", 19, {b"f": FILE}))
    with agent.store.reading() as reading:
        assert reading.trust(b"").unreadable == 1
    agent.says(Listing(b"a", 22, {b"f": FILE}))
    with agent.store.reading() as reading:
        assert (reading.trust(b"").fresh, reading.trust(b"").unreadable) == (True, 0)
    agent.says(Unreadable(b"a", 30, "permission denied"), Gone(b"a", 31))
    with agent.store.reading() as reading:
        assert (reading.trust(b"").fresh, reading.trust(b"").unreadable) == (True, 0)


# Readings


def test_children_come_by_name_in_pages(agent: Agent) -> None:
    listed = {b"%03d" % number: FILE for number in range(50)} | {b"\xff\xfe": FILE, b"a\nb": DIRECTORY}
    agent.says(Listing(b"", 10, listed))
    with agent.store.reading() as reading:
        assert [found.path for found in every_child(reading, b"", 7)] == sorted(listed)
        assert reading.children(b"000", None, 5) == []
        assert reading.children(b"nowhere", None, 5) == []


ATTRIBUTES = Entry(0o100644, 2**63 - 1, 2**63 - 1, 0, 2**32 - 1, 1, -(2**63), -(2**40), 999_999_999, 2**40, 1, -1)


def test_extreme_attributes_and_names_come_back_as_they_were(agent: Agent) -> None:
    """Times before 1970 and beyond 2262, an inode with the top bit, sizes whose sum passes 64 bits, names that are no UTF-8."""
    first, second = b"\xff\x80", b"\xe4/\xc3\x28"
    agent.says(Seen(first, 10, ATTRIBUTES), Seen(second, 11, ATTRIBUTES), Seen(b"\xe4/old", 12, FILE))
    agent.says(Gone(b"\xe4/old", 13))
    with agent.store.reading() as reading:
        for path in (first, second):
            found = reading.find(path)
            assert found is not None
            assert found.entry == ATTRIBUTES
        assert reading.usage(b"") == Usage(2, 2, 0, 2**64 - 2, 2**64 - 2, (-(2**40), 999_999_999))
        assert [found.path for found in reading.search(b"", Filter(name=b"\xff*"), None, 5).entries] == [first]
    agent.says(Seen(first, 20, FILE))
    assert usage(agent.store, b"") == Usage(2, 2, 0, 2**63 - 1 + 6, 2**63 - 1 + 1024, (2, 2))


def grown(agent: Agent) -> dict[bytes, Entry]:
    """A tree of three levels, with names of all sorts."""
    tree: dict[bytes, Entry] = {}
    stamps = itertools.count(10)
    for path in (b"", b"Docs", b"Docs/Sub", b"zoo"):
        below = [name for name in (b"Docs", b"zoo", b"Docs/Sub") if name.rpartition(b"/")[0] == path]
        entries = {name.rpartition(b"/")[2]: entry_of("d", 1) for name in below}
        for number in range(40):
            entries[b"report-%d.TXT" % number if number % 2 else b"image_%d.png" % number] = entry_of("f" if number % 3 else "l", number)
        agent.says(Listing(path, next(stamps), entries))
        tree |= {path + b"/" + name if path else name: entry for name, entry in entries.items()}
    return tree


FILTERS: list[tuple[Filter, Callable[[bytes, int, Entry], bool]]] = [
    (Filter(), lambda name, depth, entry: True),
    (Filter(name=b"*.png"), lambda name, depth, entry: name.endswith(b".png")),
    (Filter(name=b"report-1*"), lambda name, depth, entry: name.startswith(b"report-1")),
    (Filter(name=b"*port-2*"), lambda name, depth, entry: b"port-2" in name),
    (Filter(name=b"image_8.png"), lambda name, depth, entry: name == b"image_8.png"),
    (Filter(iname=b"REPORT*.txt"), lambda name, depth, entry: name.startswith(b"report")),
    (Filter(iname=b"*AGE_1*"), lambda name, depth, entry: b"image_1" in name),
    (Filter(kinds=frozenset({Kind.SYMLINK})), lambda name, depth, entry: entry.kind is Kind.SYMLINK),
    (
        Filter(kinds=frozenset({Kind.DIRECTORY, Kind.FILE}), name=b"[Ddz]*"),
        lambda name, depth, entry: name.startswith((b"D", b"d", b"z")) and entry.kind in (Kind.DIRECTORY, Kind.FILE),
    ),
    (Filter(kinds=frozenset()), lambda name, depth, entry: False),
    (Filter(min_size=30, max_size=60), lambda name, depth, entry: 30 <= entry.size <= 60),
    (Filter(newer=(3, 1)), lambda name, depth, entry: (entry.mtime, entry.mtime_ns) > (3, 1)),
    (Filter(older=(3, 1)), lambda name, depth, entry: (entry.mtime, entry.mtime_ns) < (3, 1)),
    (Filter(uid=1000, min_depth=2), lambda name, depth, entry: depth >= 2),
    (Filter(uid=0), lambda name, depth, entry: False),
    (Filter(max_depth=1), lambda name, depth, entry: depth <= 1),
    (Filter(max_depth=0), lambda name, depth, entry: depth == 0),
]


@pytest.mark.parametrize("number", range(len(FILTERS)))
@pytest.mark.parametrize("base", [b"", b"Docs", b"zoo", b"zoo/image_8.png", b"nowhere"])
def test_a_search_finds_each_match_once(agent: Agent, number: int, base: bytes) -> None:
    wanted, expected = FILTERS[number]
    tree = {b"": entry_of("d", 5), **grown(agent)}
    agent.says(Seen(b"", 100, tree[b""]))
    matches = []
    for path, entry in tree.items():
        if is_below(path, base) and expected(split(path)[1], len(components(path)) - len(components(base)), entry):
            matches.append(path)
    found: list[bytes] = []
    after: str | None = None
    while True:
        with agent.store.reading() as reading:
            page = reading.search(base, wanted, after, 7)
        assert len(page.entries) <= 7
        found += [each.path for each in page.entries]
        if (after := page.next) is None:
            break
    assert sorted(found) == sorted(matches)


@pytest.mark.parametrize("base", [b"", b"Docs/Sub"])
def test_a_cursor_holds_across_commits(agent: Agent, base: bytes) -> None:
    tree = grown(agent)
    lasting = {path for path in tree if path.startswith(base) and path.endswith(b".png")}
    found: list[bytes] = []
    after: str | None = None
    for at in itertools.count(200):
        with agent.store.reading() as reading:
            page = reading.search(base, Filter(name=b"*.*"), after, 5)
        found += [each.path for each in page.entries]
        if (after := page.next) is None:
            break
        if found[-1].endswith(b"TXT"):
            agent.says(Gone(found[-1], at))  # the very place that the cursor names
    assert len(found) == len(set(found))
    assert lasting <= set(found)


@pytest.mark.parametrize("cursor", ["", "x", "####", "é", "kaR3YWxrMsQA", "kqR3YWxrMcQA", "k6VzY2FuMc___________8QBYQ"])
def test_a_cursor_that_is_none_is_refused(agent: Agent, cursor: str) -> None:
    with agent.store.reading() as reading, pytest.raises(MalformedInput):
        reading.search(b"", Filter(), cursor, 5)


def test_a_detached_directory_is_found_by_no_search_before_it_is_purged(agent: Agent) -> None:
    grown(agent)
    agent.says(Gone(b"Docs", 300))
    with agent.store.reading() as reading:
        for base in (b"", b"zoo"):
            page = reading.search(base, Filter(name=b"*"), None, 10_000)
            assert not [found.path for found in page.entries if found.path.startswith(b"Docs")]
    agent.says(Seen(b"Docs/new", 301, FILE))
    while agent.store.purge(7):
        pass
    assert names(agent.store, b"Docs") == [b"Docs/new"]


def test_a_reading_is_one_state_whatever_is_committed_meanwhile(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": FILE}))
    if isinstance(agent.store, MemoryStore):
        pytest.skip("a reading of the memory store holds commits up")
    with agent.store.reading() as reading:
        agent.says(Gone(b"a", 20))
        assert [found.path for found in reading.children(b"", None, 10)] == [b"a"]
        usage_then = reading.usage(b"")
        assert usage_then is not None
        assert usage_then.files == 1
    assert names(agent.store, b"") == []


def grouped(agent: Agent, evidence: Sequence[Evidence]) -> list[Contribution]:
    return [agent.frame(each) for each in evidence]


def test_many_contributions_are_committed_together(agent: Agent) -> None:
    outcomes = agent.store.commit(grouped(agent, [Seen(b"d/%d" % at, at, FILE) for at in range(1, 200)]), 1000, 0)
    assert all(outcome.problem is None for outcome in outcomes)
    assert len(names(agent.store, b"d")) == 199


# Drift: what audits find otherwise


def drifts(store: RootStore) -> Drifts:
    with store.reading() as reading:
        return reading.drifts()


def test_what_an_audit_finds_is_counted_by_kind_and_directory(store: RootStore, agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"d": DIRECTORY, b"f": FILE}), Listing(b"d", 11, {b"a": FILE, b"b": FILE, b"c": FILE}))
    assert drifts(store) == Drifts()
    agent.says(Listing(b"d", 20, {b"a": FILE, b"b": entry_of("f", 9), b"new": FILE, b"new2": FILE}), via=Via.AUDIT)
    assert drifts(store).total == Drift(2, 1, 1, 1000)
    assert drifts(store).places == {b"d": Drift(2, 1, 1, 1000)}
    agent.says(Seen(b"f", 30, entry_of("f", 8)), via=Via.AUDIT)
    assert drifts(store).places == {b"d": Drift(2, 1, 1, 1000), b"": Drift(0, 0, 1, 1000)}


def test_what_an_audit_confirms_is_no_drift_nor_is_what_others_find(store: RootStore, agent: Agent) -> None:
    held = {b"d": DIRECTORY, b"f": FILE}
    agent.says(Listing(b"", 10, held))
    agent.says(Same(b"", 20, listing_digest(held)), Listing(b"", 21, held), Seen(b"f", 22, FILE), Gone(b"x", 23), via=Via.AUDIT)
    agent.says(Listing(b"", 30, {b"f": entry_of("f", 9)}), via=Via.ASKED)
    agent.says(Seen(b"f", 40, FILE), Gone(b"f", 41), via=Via.LIVE)
    assert drifts(store) == Drifts()


def test_a_directory_that_is_gone_counts_with_all_that_it_held(store: RootStore, agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"d": DIRECTORY}), Listing(b"d", 11, {b"a": FILE, b"e": DIRECTORY}), Listing(b"d/e", 12, {b"b": FILE}))
    agent.says(Gone(b"d", 20), via=Via.AUDIT)
    assert drifts(store).places == {b"": Drift(0, 4, 0, 1000)}
    agent.says(Listing(b"", 30, {b"d": DIRECTORY}), Listing(b"d", 31, {b"a": FILE, b"b": FILE}), via=Via.AUDIT)
    assert drifts(store).places == {b"": Drift(1, 4, 0, 1000), b"d": Drift(2, 0, 0, 1000)}


def test_a_directory_in_the_place_of_a_file_is_an_extra_and_a_missing_one(store: RootStore, agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"x": FILE}))
    agent.says(Listing(b"", 20, {b"x": DIRECTORY}), via=Via.AUDIT)
    assert drifts(store).total == Drift(1, 1, 0, 1000)


def test_drift_outlasts_the_process(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "root.db")
    Agent(store).says(Listing(b"", 10, {b"f": FILE}), via=Via.AUDIT)
    store.close()
    again = SqliteStore(tmp_path / "root.db")
    assert drifts(again) == Drifts(Drift(1, 0, 0, 1000), {b"": Drift(1, 0, 0, 1000)})
    again.close()
