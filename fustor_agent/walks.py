"""Walks over a whole root, which go on over lost sessions, and what a new session begins with. Pure."""

from dataclasses import dataclass
from enum import Enum

from fustor_core.wire import Role, Welcome


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over the whole root that is not finished. `at` is when watching had begun, on the view clock `clock`; `leads` whether it is
    the snapshot of a leader, or sets the watches of a follower."""

    at: int
    clock: str
    leads: bool


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
    return Begin.GO_ON if counts and unfinished.clock == welcome.clock else Begin.WALK
