"""What a new session begins with, case by case."""

import pytest

from fustor_agent.session.walks import Begin, Walk, begin
from fustor_core.clock import SLOTS
from fustor_core.wire import Role, Welcome

SLOT = 3
AT = 5 * SLOTS + SLOT
AS_LEADER, AS_FOLLOWER = Walk(AT, "clock", leads=True), Walk(AT, "clock", leads=False)


def welcome(role: Role, *, snapshot: bool = False, clock: str = "clock", slot: int = SLOT) -> Welcome:
    return Welcome("s", slot, role, clock, 100, 0, 0, 16, snapshot, "because" if snapshot else "")


LEADER, FOLLOWER = welcome(Role.LEADER), welcome(Role.FOLLOWER)


@pytest.mark.parametrize(
    ("what", "welcomed", "unfinished", "walked", "begins"),
    [
        ("the first session", LEADER, None, False, Begin.WALK),
        ("the first session of a follower", FOLLOWER, None, False, Begin.WALK),
        ("a session found again", LEADER, None, True, Begin.FOLLOW),
        ("a follower's session found again", FOLLOWER, None, True, Begin.FOLLOW),
        ("a snapshot is wanted", welcome(Role.LEADER, snapshot=True), None, True, Begin.WALK),
        ("a snapshot is wanted in the middle of one", welcome(Role.LEADER, snapshot=True), AS_LEADER, False, Begin.WALK),
        ("lost in a snapshot", LEADER, AS_LEADER, False, Begin.GO_ON),
        ("lost while setting watches", FOLLOWER, AS_FOLLOWER, False, Begin.GO_ON),
        ("a leader's walk sets watches too", FOLLOWER, AS_LEADER, False, Begin.GO_ON),
        ("a follower's walk is no leader's snapshot", LEADER, AS_FOLLOWER, True, Begin.WALK),
        ("a store that forgot who had which slot", welcome(Role.FOLLOWER, slot=4), AS_LEADER, False, Begin.WALK),
        ("a store that is new", welcome(Role.LEADER, clock="another"), AS_LEADER, True, Begin.WALK),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_session_begins_with(what: str, welcomed: Welcome, unfinished: Walk | None, walked: bool, begins: Begin) -> None:
    assert begin(welcomed, unfinished, walked=walked) is begins, what


def test_what_a_walk_has_listed_is_counted_over_sessions_and_without_what_others_listed() -> None:
    walk = Walk(5, "clock", leads=True, expected=100, counted=-40)  # its session had listed 40 entries before
    assert walk.listed(40) == 0
    walk.session_over(70)
    assert (walk.listed(0), walk.listed(25)) == (30, 55)
