"""One machine: atomic steps, what it records, what it shows."""

import copy
import pickle
from collections.abc import Callable
from itertools import count

import pytest

from fustor_core.state import (
    NEW,
    EventType,
    HealthState,
    InvalidTransitionError,
    LayerViolationError,
    LifecycleState,
    MachineState,
    OperationalState,
    Phases,
    PipeState,
    Rejection,
    StateMachine,
    Transition,
    run_id,
)

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741


def ticking() -> Callable[[], int]:
    """A clock that shows 0, 1, 2, …"""
    ticks = count()
    return lambda: next(ticks)


def running() -> StateMachine:
    return StateMachine("nas-1:research", initial=MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY, sync="MESSAGE"), clock=ticking())


def test_a_step_returns_what_it_did() -> None:
    machine = StateMachine("nas-1:research", clock=ticking(), run="r1")
    change = machine.handle_event(E.START, {"reason": "asked"})
    assert isinstance(change, Transition)
    after = MachineState(L.INITIALIZING, O.IDLE, H.HEALTHY)
    assert change == Transition("nas-1:research", "r1", 1, 1, ((E.START, {"reason": "asked"}),), NEW, after, True, "asked")
    assert change.pipe_state == PipeState.INITIALIZING


def test_the_snapshot_shows_where_it_stands() -> None:
    machine = running()
    snapshot = machine.snapshot
    assert (snapshot.version, snapshot.lifecycle, snapshot.operational, snapshot.health) == (0, L.ACTIVE, O.RUNNING, H.HEALTHY)
    assert snapshot.phases == Phases(sync="MESSAGE")
    assert snapshot.pipe_state == PipeState.RUNNING | PipeState.MESSAGE_SYNC
    machine.handle_event(E.TASK_PAUSE, {"reason": "asked"})
    assert (snapshot.version, snapshot.operational) == (0, O.RUNNING)
    assert (machine.snapshot.version, machine.snapshot.operational, machine.snapshot.reason) == (1, O.PAUSED, "asked")
    with pytest.raises(AttributeError):
        snapshot.version = 9  # type: ignore[misc]


def test_a_step_that_changes_nothing_is_a_row_but_not_a_new_state() -> None:
    machine = StateMachine("a:b", clock=ticking())
    machine.handle_event(E.START, {"reason": "asked"})
    nothing = machine.handle_event(E.INTERRUPT, {"reason": "to be sure"})
    assert (nothing.version, nothing.changed, nothing.reason) == (2, False, "to be sure")
    assert (machine.snapshot.version, machine.snapshot.reason, machine.snapshot.since) == (2, "asked", 1)


def test_a_refusal_raises_changes_nothing_and_is_recorded() -> None:
    machine = running()
    stood = machine.snapshot
    with pytest.raises(InvalidTransitionError) as caught:
        machine.handle_event(E.TASK_START, {"phase": "SNAPSHOT"})
    assert caught.value.already
    assert machine.snapshot is stood
    assert len(machine.history()) == 1
    (row,) = machine.refusals()
    assert (row.version, row.event, row.state, row.kind) == (0, E.TASK_START, stood.state, InvalidTransitionError)
    assert row.events == ((E.TASK_START, {"phase": "SNAPSHOT"}),)
    assert (row.reason, row.allowed, row.already) == (caught.value.reason, machine.allowed_events(), True)


def test_try_event_never_raises() -> None:
    machine = running()
    rejection = machine.try_event(E.START)
    assert isinstance(rejection, Rejection)
    assert not rejection
    assert isinstance(rejection.error(), InvalidTransitionError)
    assert machine.try_event(E.TASK_PAUSE)
    assert isinstance(machine.try_events([(E.FINISHED, None)]), Rejection)


def test_can_asks_and_leaves_no_trace() -> None:
    machine = running()
    assert machine.can(E.TASK_PAUSE)
    assert not machine.can(E.START)
    assert (machine.snapshot.version, machine.refusals(), len(machine.history())) == (0, (), 1)


def test_a_batch_is_one_step_or_nothing() -> None:
    machine = running()
    seen: list[Transition] = []
    machine.subscribe(seen.append)
    change = machine.handle_events([(E.FAULT, {"reason": "root gone"}), (E.RECOVER, None), (E.RECOVERY_SUCCESS, None)])
    assert (change.version, change.after, change.reason) == (1, MachineState(L.ACTIVE, O.STOPPED, H.HEALTHY), "root gone")
    with pytest.raises(LayerViolationError) as caught:
        machine.handle_events([(E.TASK_RESET, None), (E.FAULT, None), (E.RECOVERY_SUCCESS, None)])
    assert caught.value.state.health is H.CRITICAL
    assert machine.snapshot.version == 1
    assert seen == [change]
    with pytest.raises(ValueError, match="at least one"):
        machine.handle_events([])


def test_a_batch_without_effect_is_not_a_change() -> None:
    machine = running()
    change = machine.handle_events([(E.WARN, None), (E.CLEAR_WARNING, None)])
    assert (change.version, change.changed) == (1, False)


def test_emergency_stop_is_accepted_everywhere_and_again() -> None:
    machine = running()
    first = machine.handle_event(E.EMERGENCY_STOP, {"reason": "smoke"})
    again = machine.handle_event(E.EMERGENCY_STOP)
    assert first.after == again.after == MachineState(L.SHUTTING_DOWN, O.STOPPED, H.CRITICAL)
    assert (first.changed, again.changed, again.version) == (True, False, 2)
    assert machine.snapshot.reason == "smoke"


@pytest.mark.parametrize("payload", [{"reason": 3}, {"unknown": object()}, "smoke", 7, {}])
def test_emergency_stop_takes_any_payload(payload: dict[str, object]) -> None:
    assert running().handle_event(E.EMERGENCY_STOP, payload).events == ((E.EMERGENCY_STOP, None),)


def test_the_history_is_bounded_and_without_gaps() -> None:
    machine = StateMachine("a:b", history_size=5, refusals_size=2)
    first = machine.history()
    assert [(row.version, row.events, row.before, row.after) for row in first] == [(0, (), NEW, NEW)]
    for _ in range(10):
        machine.handle_event(E.INTERRUPT)
        machine.try_event(E.FINISHED)
    assert [row.version for row in machine.history()] == [6, 7, 8, 9, 10]
    assert [row.version for row in machine.refusals()] == [9, 10]
    with pytest.raises(ValueError, match="at least one"):
        StateMachine("a:b", history_size=0)


def test_a_record_does_not_follow_what_the_caller_changes() -> None:
    machine = StateMachine("a:b")
    payload = {"reason": "one"}
    machine.handle_event(E.START, payload)
    payload["reason"] = "two"
    ((_, recorded),) = machine.history()[-1].events
    assert recorded == {"reason": "one"}
    with pytest.raises(TypeError):
        recorded["reason"] = "three"  # type: ignore[index]


def test_steps_are_identified_by_run_and_version() -> None:
    assert StateMachine("a:b").run == StateMachine("a:c").run == run_id()
    machine = StateMachine("a:b", run="r7")
    assert (machine.handle_event(E.START).run, machine.snapshot.run, machine.history()[0].run) == ("r7", "r7", "r7")


def test_an_error_survives_copying_and_pickling() -> None:
    with pytest.raises(LayerViolationError) as caught:
        StateMachine("a:b").handle_event(E.SET_READY)
    for other in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert type(other) is LayerViolationError
        assert str(other) == str(caught.value)
        assert (other.state, other.event, other.allowed) == (caught.value.state, caught.value.event, caught.value.allowed)


def test_a_clock_that_fails_changes_nothing() -> None:
    broken = False

    def clock() -> int:
        if broken:
            raise OSError("no clock")
        return 0

    machine = StateMachine("a:b", clock=clock)
    broken = True
    with pytest.raises(OSError, match="no clock"):
        machine.handle_event(E.START)
    broken = False
    assert (machine.snapshot.version, machine.snapshot.state, len(machine.history())) == (0, NEW, 1)
    assert machine.handle_event(E.START).version == 1
