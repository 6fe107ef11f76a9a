"""Who may have a session, who leads, and when a snapshot is wanted: decisions, with the time passed in."""

import pytest

from fustor_core.errors import Refused
from fustor_core.wire import SILENT_PULSES, Hello, Identity, Role
from fustor_fusion.sessions.table import LiveSession, Table
from fustor_fusion.stores import AgentRecord

LEASE = 10.0
SECOND = 10**9
MS = 10**6


def hello(agent: str, *, run: str = "r1", excludes: list[str] | None = None, session: str = "", sequence: int = 0) -> Hello:
    return Hello(agent, "boot", b"/srv", run, "p", "data", Identity("ext4", "1", 2), excludes or [], session, sequence, 0.0, False)


def record(agent: str, *, run: str = "r1", session: str = "s1", sequence: int = 7) -> AgentRecord:
    return AgentRecord(agent, 1, run, session, sequence, 100, 50, None, 0)


def join(table: Table, agent: str, now: int = 0, **changes: str) -> LiveSession:
    """The agent asks for a session and gets it."""
    greeting = hello(agent, **changes)  # type: ignore[arg-type]  # the fields of a hello that are texts
    admission = table.admit(greeting, None, now, watched_by="")
    if admission.replaces:
        table.remove(admission.replaces, now)
    session = LiveSession(f"{agent}-{now}", greeting, 1, admission.role, now, now, "")
    table.add(session)
    return session


def test_the_first_leads_and_the_next_follows() -> None:
    table = Table(LEASE)
    assert join(table, "a").role is Role.LEADER
    assert join(table, "b").role is Role.FOLLOWER
    assert table.leader == "a"


def test_a_blink_of_the_network_changes_nothing() -> None:
    table = Table(LEASE)
    first = join(table, "a")
    join(table, "b")
    table.remove(first, SECOND)
    assert table.promote(9 * SECOND) is None
    assert join(table, "a", 9 * SECOND).role is Role.LEADER
    assert table.promote(100 * SECOND) is None


def test_after_its_lease_the_next_in_line_takes_over_and_the_old_one_follows() -> None:
    table = Table(LEASE)
    first = join(table, "a")
    second = join(table, "b", 1)
    join(table, "c", 2)
    table.remove(first, SECOND)
    assert table.promote(12 * SECOND) is second
    assert second.role is Role.LEADER
    assert join(table, "a", 13 * SECOND).role is Role.FOLLOWER
    assert table.leading is second


def test_who_cannot_lead_is_passed_over() -> None:
    table = Table(LEASE)
    first = join(table, "a")
    second, third = join(table, "b", 1), join(table, "c", 2)
    table.remove(first, SECOND)
    assert table.promote(12 * SECOND, lambda session: session is not second and session is not third) is None
    assert table.promote(12 * SECOND, lambda session: session is not second) is third


def test_without_anybody_in_line_the_next_to_come_leads_once_the_lease_is_over() -> None:
    table = Table(LEASE)
    first = join(table, "a")
    table.remove(first, 0)
    assert join(table, "b", 5 * SECOND).role is Role.FOLLOWER
    table = Table(LEASE)
    table.remove(join(table, "a"), 0)
    assert table.promote(20 * SECOND) is None
    assert join(table, "b", 20 * SECOND).role is Role.LEADER


def test_a_new_session_of_the_same_process_takes_the_place_of_its_old_one() -> None:
    table = Table(LEASE)
    old = join(table, "a")
    new = join(table, "a", 1)
    assert table.all() == [new]
    assert new.role is Role.LEADER
    table.remove(old, 2)  # its end is noticed late
    assert table.leading is new
    assert table.leader_lost_at is None


def test_another_process_with_the_same_id_is_refused() -> None:
    table = Table(LEASE)
    join(table, "a")
    with pytest.raises(Refused, match="another process") as caught:
        table.admit(hello("a", run="r2"), None, 0, watched_by="")
    assert caught.value.code == "agent-twice"


def test_agents_that_leave_out_different_things_are_refused_and_told_which() -> None:
    table = Table(LEASE)
    join(table, "a")
    with pytest.raises(Refused, match=r"\*\.tmp") as caught:
        table.admit(hello("b", excludes=["*.tmp"]), None, 0, watched_by="")
    assert caught.value.code == "excludes-differ"


def test_the_same_patterns_in_another_order_are_not_the_same() -> None:
    table = Table(LEASE)
    first = LiveSession("s", hello("a", excludes=["*.tmp", "!keep.tmp"]), 1, Role.LEADER, 0, 0, "")
    table.add(first)
    with pytest.raises(Refused, match="a have the same patterns in another order"):
        table.admit(hello("b", excludes=["!keep.tmp", "*.tmp"]), None, 0, watched_by="")


def test_a_leader_that_is_away_for_a_moment_does_not_find_itself_refused_for_what_another_leaves_out() -> None:
    table = Table(LEASE)
    table.remove(join(table, "a"), SECOND)
    other = hello("b", excludes=["*.tmp"])
    with pytest.raises(Refused, match=r"\*\.tmp"):
        table.admit(other, None, 2 * SECOND, watched_by="a")
    assert table.admit(hello("a", excludes=["*.tmp"]), None, 2 * SECOND, watched_by="a").role is Role.LEADER
    # After its lease nobody waits for it.
    assert table.admit(other, None, 20 * SECOND, watched_by="a").role is Role.LEADER


@pytest.mark.parametrize(
    ("greeting", "known", "watched_by", "wanted"),
    [
        (hello("a"), None, "", True),
        (hello("a"), record("a", run=""), "", True),
        (hello("a"), record("a", run="r0"), "a", True),
        (hello("a", session="s1", sequence=7), record("a"), "a", False),
        (hello("a", session="s1", sequence=5), record("a"), "a", False),
        (hello("a", session="s1", sequence=9), record("a"), "a", True),
        (hello("a", session="s0", sequence=5), record("a"), "a", True),
        (hello("a", session="s1", sequence=7), record("a"), "b", True),
        (hello("a"), record("a"), "a", False),
    ],
    ids=[
        "a root that nobody knows",
        "an agent that never had a session",
        "a new run",
        "all is as acknowledged",
        "an acknowledgement was lost on the way",
        "fusion forgot what it acknowledged",
        "fusion knows another session",
        "another agent led before",
        "the first session of the run broke before anything was acknowledged",
    ],
)
def test_when_a_snapshot_is_wanted(greeting: Hello, known: AgentRecord | None, watched_by: str, wanted: bool) -> None:
    admission = Table(LEASE).admit(greeting, known, 0, watched_by=watched_by)
    assert admission.snapshot is wanted
    assert bool(admission.why) is wanted


def test_a_follower_is_asked_for_a_snapshot_only_where_what_it_told_is_lost() -> None:
    table = Table(LEASE)
    join(table, "a")
    assert table.admit(hello("b"), None, 0, watched_by="a").snapshot is False
    assert table.admit(hello("b", run="r2"), record("b"), 0, watched_by="a").snapshot is False
    assert table.admit(hello("b", session="s1", sequence=7), record("b"), 0, watched_by="a").snapshot is False
    for lost in (record("b", sequence=6), record("b", session="s0"), None):
        assert table.admit(hello("b", session="s1", sequence=7), lost, 0, watched_by="a").snapshot is True


def test_a_session_of_which_nothing_is_heard_is_lost() -> None:
    table = Table(LEASE)
    heard, silent, not_listened_to = join(table, "a"), join(table, "b"), join(table, "c")
    not_listened_to.awaited = False
    for _ in range(SILENT_PULSES - 1):
        heard.frames += 1
        assert table.pulse() == []
    heard.frames += 1
    assert table.pulse() == [silent]
    table.remove(silent, 0)
    assert table.pulse() == []


def test_one_frame_is_enough_to_be_there() -> None:
    table = Table(LEASE)
    session = join(table, "a")
    for _ in range(3):
        session.frames += 1
        assert not any(table.pulse() for _ in range(SILENT_PULSES))
    assert table.pulse() == [session]


def test_a_silent_session_does_not_hold_the_drop_mark_for_ever() -> None:
    table = Table(LEASE)
    silent, heard = join(table, "a"), join(table, "b")
    silent.low, heard.low = 10, 50
    lost: list[LiveSession] = []
    while not lost:
        heard.frames += 1
        assert table.lowest() == 10
        lost = table.pulse()
    for session in lost:
        table.remove(session, 0)
    assert table.lowest() == 50


def test_a_session_that_has_ended_may_be_contradicted_for_a_while() -> None:
    table = Table(LEASE)
    first = join(table, "a")
    assert table.stamp_errors(0) == {}
    second = LiveSession("b", hello("b"), 2, Role.FOLLOWER, 0, 0, "")
    table.add(second)
    first.clock_error.tell(MS, 0)
    second.clock_error.tell(3 * MS, 0)
    both = table.stamp_errors(0)
    assert both.keys() == {1, 2}
    assert (both[1] >= MS, both[2] >= 3 * MS) == (True, True)
    table.remove(second, 0)
    assert table.stamp_errors(6 * MS)[2] == both[2]
    assert table.stamp_errors(SECOND) == {}
    assert table.stamp_errors(0) == {}


def test_evidence_may_still_come_from_the_slowest_session() -> None:
    table = Table(LEASE)
    assert table.lowest() == 0
    first, second = join(table, "a"), join(table, "b")
    first.low = 50
    assert table.lowest() == 0
    second.low = 30
    assert table.lowest() == 30
