"""Walks over a whole root, which go on over lost sessions, and what a new session begins with. Pure."""

from dataclasses import dataclass
from enum import Enum

from fustor_core.clock import SLOTS
from fustor_core.wire import Role, Welcome


@dataclass(slots=True)
class Walk:
    """A walk over the whole root that is not finished. `at` is when watching had begun, on the view clock `clock`; `leads` whether it is
    the snapshot of a leader, or sets the watches of a follower."""

    at: int
    clock: str
    leads: bool
    expected: int = 0
    """How many entries there were at the last snapshot; 0 where there was none."""
    counted: int = 0
    """Entries that were listed in sessions that are over, less those that the present one had listed before this walk."""

    def listed(self, in_session: int) -> int:
        """How many entries it has listed, where its session has listed so many."""
        return self.counted + in_session

    def session_over(self, in_session: int) -> None:
        """It goes on in the next session."""
        self.counted += in_session


class Begin(Enum):
    """What a session begins with."""

    WALK = "everything is listed from the beginning"
    GO_ON = "the walk that is not finished goes on"
    FOLLOW = "everything is listed and watched"


def begin(welcome: Welcome, unfinished: Walk | None, *, walked: bool) -> Begin:
    """`walked`: everything has been listed once since it is watched."""
    if welcome.snapshot:
        return Begin.WALK
    if unfinished is None:
        return Begin.FOLLOW if walked else Begin.WALK
    # What a follower walked does not count as listed by the leader that it has become.
    counts = unfinished.leads or welcome.role is not Role.LEADER
    # A fusion that has forgotten this agent with its last commits takes none of the stamps that it gave under its former slot.
    stamped = unfinished.clock == welcome.clock and unfinished.at % SLOTS == welcome.slot
    return Begin.GO_ON if counts and stamped else Begin.WALK
