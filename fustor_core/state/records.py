"""What a machine says of itself: a step that it took, one that it refused, and where it stands. All are immutable."""

import os
from typing import Final, NamedTuple
from uuid import uuid4

from fustor_core.state.errors import InvalidTransitionError
from fustor_core.state.orders import Event
from fustor_core.state.projection import PipeState, project
from fustor_core.state.vocabulary import (
    EventType,
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
    Phases,
)

# Tuples, not dataclasses: a frozen dataclass takes three times as long to make, and one of each is made for every event.


class Transition(NamedTuple):
    """One atomic step that was taken; (run, version) identifies it.

    `at` is nanoseconds UTC since 1970 on the machine's clock, `events` what was asked with copied payloads, `reason` the last
    reason that they gave. `changed` is false where the step was accepted and left everything as it was.
    """

    machine: str
    run: str
    version: int
    at: int
    events: tuple[Event, ...]
    before: MachineState
    after: MachineState
    changed: bool
    reason: str | None

    @property
    def pipe_state(self) -> PipeState:
        return project(self.after)


class Rejection(NamedTuple):
    """A step that was refused; false where it is asked for its truth, and `error()` is what `handle_event` raises.

    `version` is what the machine stood at, `event` the one of `events` that was refused and `state` where: within a batch that is
    where the events before it had led.
    """

    machine: str
    run: str
    version: int
    at: int
    events: tuple[Event, ...]
    event: EventType
    state: MachineState
    kind: type[InvalidTransitionError]
    reason: str
    allowed: tuple[EventType, ...]
    already: bool

    def __bool__(self) -> bool:
        return False

    def error(self) -> InvalidTransitionError:
        return self.kind(self.state, self.event, self.reason, self.allowed, self.already)


class Snapshot(NamedTuple):
    """Where a machine stands after `version` steps.

    `since` is when the state last changed (nanoseconds UTC since 1970), and `reason` what that step gave as its reason.
    """

    machine: str
    run: str
    version: int
    state: MachineState
    pipe_state: PipeState
    reason: str | None
    since: int

    @property
    def lifecycle(self) -> LifecycleState:
        return self.state.lifecycle

    @property
    def operational(self) -> OperationalState:
        return self.state.operational

    @property
    def health(self) -> HealthState:
        return self.state.health

    @property
    def phases(self) -> Phases:
        return self.state.phases


class _Run:
    """The id of this process: another after a fork, because parent and child both go on counting."""

    def __init__(self) -> None:
        self.id = uuid4().hex
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.id = uuid4().hex


_RUN: Final = _Run()


def run_id() -> str:
    """What makes the versions of this process's machines unique."""
    return _RUN.id
