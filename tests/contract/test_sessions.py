"""What every root store promises about agents and their sessions: which frames it commits, and what it remembers of who sent them."""

import pytest

from fustor_core.errors import Refused
from fustor_core.evidence import Listing, Seen
from fustor_core.wire import Identity, Via
from fustor_fusion.stores import Contribution, OutOfSequence, RootStore
from tests.contract.root_stores import DIRECTORY, FILE, IDENTITY, Agent, names


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


def test_many_contributions_are_committed_together(agent: Agent) -> None:
    outcomes = agent.store.commit([agent.frame(Seen(b"d/%d" % at, at, FILE)) for at in range(1, 200)], 1000, 0)
    assert all(outcome.problem is None for outcome in outcomes)
    assert len(names(agent.store, b"d")) == 199


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
