"""How far an answer may be trusted (DESIGN §5), case by case."""

from dataclasses import replace

import pytest

from fustor_core.wire import Condition
from fustor_fusion.query import Trust
from fustor_fusion.stores import RootRecord
from fustor_fusion.trust import LiveRoot, Pending, Progress, Reason, Trustworthiness, assess, combine

EPOCH = 1_000_000
FRESH = Trust(fresh=True, unreadable=0, listed_at=500)
NOT_FRESH = Trust(fresh=False, unreadable=0, listed_at=50)
NEVER = Trust(fresh=False, unreadable=0, listed_at=None)
RECORD = RootRecord("clock", 1000, 0, watching_since=400, watched_by="nas-1", snapshot_at=450, audit_at=0, as_of=600, writes=7)
NEW = replace(RECORD, watching_since=0, watched_by="", snapshot_at=0, as_of=0, writes=0)
LIVE = LiveRoot(leader="nas-1", alive=True, clean_to=900)
REMOTE = replace(LIVE, remote_writers=True)
AWAY = LiveRoot(leader="nas-1", alive=False, clean_to=0, away_since=EPOCH + 800)


def to_wall(stamp: int) -> int:
    return stamp + EPOCH


def pending(path: bytes, since: int = 700, reason: Reason = Reason.ASKED) -> LiveRoot:
    return replace(LIVE, pending=[Pending(path, reason, since)])


@pytest.mark.parametrize(
    ("what", "trust", "record", "live", "as_of", "complete", "types"),
    [
        ("live and fresh: as of the last drained queue", FRESH, RECORD, LIVE, 900, True, []),
        ("what the store vouches for never gets older", FRESH, RECORD, replace(LIVE, clean_to=300), 600, True, []),
        ("not listed since watching began: only what the store vouches for", NOT_FRESH, RECORD, LIVE, 600, False, ["stale"]),
        ("never listed", NEVER, replace(NEW, writes=1), LIVE, None, False, ["never-listed"]),
        (
            "in the first snapshot",
            NEVER,
            replace(NEW, watching_since=400, writes=3),
            replace(LIVE, snapshot=Progress(EPOCH + 400, "43 %")),
            None,
            False,
            ["snapshot-running"],
        ),
        ("a subtree that a running snapshot has done", FRESH, RECORD, replace(LIVE, snapshot=Progress(EPOCH, "")), 900, True, []),
        ("the leader is away", FRESH, RECORD, AWAY, 600, False, ["agent-away"]),
        ("away, and it had said more than the store keeps", FRESH, RECORD, replace(AWAY, clean_to=900), 900, False, ["agent-away"]),
        ("nobody ever came", NEVER, NEW, LiveRoot(), None, False, ["never-connected", "never-listed"]),
        ("after a restart of fusion, before its agents are back", FRESH, RECORD, LiveRoot(), 600, False, ["agent-away"]),
        ("unreadable directories", replace(FRESH, unreadable=3), RECORD, LIVE, 900, False, ["unreadable"]),
        ("something below is pending", FRESH, RECORD, pending(b"dir/sub/x"), 700, False, ["pending"]),
        ("the path itself is pending", FRESH, RECORD, pending(b"dir"), 700, False, ["pending"]),
        ("what is above is pending: perhaps the path is gone", FRESH, RECORD, pending(b""), 700, False, ["pending"]),
        ("something elsewhere is pending", FRESH, RECORD, pending(b"dirx"), 900, True, []),
        ("pending since nobody knows when", FRESH, RECORD, pending(b"dir", since=0), None, False, ["pending"]),
        ("pending since after what is vouched for", FRESH, RECORD, pending(b"dir", since=950), 900, False, ["pending"]),
        ("no event tells of it: as of its last listing", FRESH, RECORD, pending(b"dir", 700, Reason.UNWATCHED), 700, True, ["unwatched"]),
        ("remote writers: only listings vouch", FRESH, replace(RECORD, as_of=0), REMOTE, 400, True, []),
        ("remote writers: everything was listed once more", FRESH, RECORD, REMOTE, 600, True, []),
        ("remote writers: this was listed later than the rest", replace(FRESH, oldest=700), RECORD, REMOTE, 700, True, []),
        ("remote writers, not fresh: only what the store vouches for", NOT_FRESH, RECORD, REMOTE, 600, False, ["stale"]),
    ],
)
def test_trust(what: str, trust: Trust, record: RootRecord, live: LiveRoot, as_of: int | None, complete: bool, types: list[str]) -> None:
    result = assess(b"dir", trust, record, live, to_wall)
    assert result.as_of == (None if as_of is None else as_of + EPOCH), what
    assert result.complete is complete, what
    assert [each.type for each in result.conditions] == types, what
    assert all(each.message and each.remedy for each in result.conditions)


def test_what_is_incomplete_always_says_why() -> None:
    for trust in (FRESH, NOT_FRESH, NEVER, replace(FRESH, unreadable=1)):
        for record in (RECORD, NEW, replace(NEW, writes=1)):
            for live in (LIVE, AWAY, replace(LIVE, heard=False), LiveRoot(), pending(b"dir"), replace(LIVE, snapshot=Progress(0, ""))):
                result = assess(b"dir", trust, record, live, to_wall)
                assert result.complete is not bool(result.conditions)


def test_conditions_are_said_in_words() -> None:
    def message(trust: Trust, live: LiveRoot) -> str:
        return assess(b"", trust, RECORD, live, to_wall).conditions[0].message

    assert message(NEVER, replace(LIVE, snapshot=Progress(EPOCH, "43 %"))) == "a snapshot is running: 43 %"
    assert message(NEVER, replace(LIVE, snapshot=Progress(EPOCH, ""))) == "a snapshot is running"
    assert message(replace(FRESH, unreadable=3), LIVE) == "3 directories could not be read"
    assert message(replace(FRESH, unreadable=1), LIVE) == "1 directory could not be read"
    away = "agent nas-1 has been away since 1970-01-01T00:00:00.001000800Z; what is shown is as of 1970-01-01T00:00:00.001000600Z"
    assert message(FRESH, AWAY) == away
    assert message(FRESH, replace(LIVE, heard=False)) == "agent nas-1 has just come back, and has not said yet what it missed"
    many = replace(LIVE, pending=[Pending(b"d/%d" % i, Reason.GUARDED, 700 + i) for i in range(5)])
    [condition] = assess(b"d", FRESH, RECORD, many, to_wall).conditions
    assert "5 paths (/d/0, /d/1, /d/2, …)" in condition.message
    assert "fustor pipe confirm" in condition.remedy
    assert condition.since == to_wall(700)
    [condition] = assess(b"", FRESH, RECORD, replace(LIVE, pending=[Pending(b"d" * 60_000, Reason.GUARDED, 700)]), to_wall).conditions
    assert len(condition.message) < 500


def test_each_reason_for_a_look_is_a_condition_of_its_own() -> None:
    live = replace(LIVE, pending=[Pending(b"a", reason, 700) for reason in Reason])
    conditions = assess(b"", FRESH, RECORD, live, to_wall).conditions
    assert sorted(each.type for each in conditions) == ["pending"] * (len(Reason) - 1) + ["unwatched"]
    assert len({each.message for each in conditions}) == len(Reason)


def test_what_agents_report_of_themselves_is_passed_on() -> None:
    watches = Condition("watch-limit", 5, "12 directories are not watched", "sysctl …")
    result = assess(b"", FRESH, RECORD, replace(LIVE, conditions=[watches]), to_wall)
    assert result.complete
    assert result.conditions == [watches]


def test_over_several_roots_the_oldest_and_the_worst_count() -> None:
    good = Trustworthiness(900, True, [])
    old = Trustworthiness(500, False, [Condition("stale", 1, "words", "remedy")])
    unknown = Trustworthiness(None, False, [])
    assert combine([("a", good)]) == good
    assert combine([("b", old)]) == old
    assert combine([("a", good), ("c", good)]) == good
    assert combine([("a", good), ("b", old)]) == Trustworthiness(500, False, [Condition("stale", 1, "b: words", "remedy")])
    assert combine([("a", good), ("c", unknown)]).as_of is None
    nothing = combine([])
    assert (nothing.as_of, nothing.complete) == (None, False)
    assert nothing.conditions
