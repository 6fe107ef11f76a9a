"""A locked layer keeps still; what must get through does."""

import pytest

from fustor_core.state import (
    EventType,
    HealthState,
    InvalidTransitionError,
    LifecycleState,
    Lock,
    LockedError,
    MachineState,
    OperationalState,
    Rejection,
    StateMachine,
)

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine("nas-1:research", initial=MachineState(L.ACTIVE, O.RUNNING, H.WARNING))


SPOKEN_TO = {
    "operational": {E.TASK_PAUSE, E.TASK_STOP, E.TASK_COMPLETE, E.SET_BACKGROUND, E.INTERRUPT},
    "lifecycle": {E.SHUTDOWN, E.FAULT_DETECTED},
    "health": {E.CLEAR_WARNING, E.FAULT},
}


@pytest.mark.parametrize("layer", SPOKEN_TO)
def test_a_lock_refuses_the_events_of_its_layer_and_no_others(machine: StateMachine, layer: str) -> None:
    before = set(machine.allowed_events())
    machine.lock(layer, owner="admin", reason="maintenance")
    assert set(machine.allowed_events()) == before - SPOKEN_TO[layer]
    for event in SPOKEN_TO[layer]:
        with pytest.raises(LockedError, match=f"{layer} is locked by admin: maintenance") as caught:
            machine.handle_event(event)
        assert event not in caught.value.allowed
        assert not machine.can(event)
    assert machine.snapshot.version == 0
    machine.unlock(layer, owner="admin")
    assert set(machine.allowed_events()) == before


def test_a_lock_does_not_make_the_state_a_lie(machine: StateMachine) -> None:
    machine.lock("operational", owner="admin", reason="maintenance")
    assert machine.handle_event(E.FAULT).after == MachineState(L.RECOVERING, O.STOPPED, H.CRITICAL, warned=True)


def test_emergency_stop_passes_every_lock(machine: StateMachine) -> None:
    for layer in SPOKEN_TO:
        machine.lock(layer, owner="admin", reason="maintenance")
    assert machine.handle_event(E.EMERGENCY_STOP).changed


def test_a_table_is_asked_before_a_lock(machine: StateMachine) -> None:
    machine.lock("operational", owner="admin", reason="maintenance")
    rejection = machine.try_event(E.TASK_RESET)
    assert isinstance(rejection, Rejection)
    assert rejection.kind is InvalidTransitionError


def test_a_lock_refuses_a_whole_batch(machine: StateMachine) -> None:
    machine.lock("health", owner="admin", reason="maintenance")
    with pytest.raises(LockedError):
        machine.handle_events([(E.TASK_PAUSE, None), (E.CLEAR_WARNING, None)])
    assert machine.snapshot.operational is O.RUNNING


def test_a_lock_belongs_to_its_owner(machine: StateMachine) -> None:
    machine.lock("operational", owner="admin", reason="maintenance")
    machine.lock("operational", owner="admin", reason="still at it")
    assert machine.locks == {"operational": Lock("admin", "still at it")}
    with pytest.raises(LockedError, match="locked by admin: still at it"):
        machine.lock("operational", owner="cron", reason="backup")
    with pytest.raises(LockedError):
        machine.unlock("operational", owner="cron")
    machine.unlock("operational")
    machine.unlock("operational", owner="cron")
    assert machine.locks == {}


def test_what_changes_nothing_passes_a_lock() -> None:
    machine = StateMachine("a:b", initial=MachineState(L.ACTIVE, O.READY, H.HEALTHY))
    machine.lock("operational", owner="admin", reason="maintenance")
    assert not machine.handle_event(E.INTERRUPT).changed


def test_there_are_three_layers(machine: StateMachine) -> None:
    with pytest.raises(ValueError, match="a layer is one of lifecycle, operational, health"):
        machine.lock("mood", owner="admin", reason="maintenance")
    with pytest.raises(ValueError, match="not 'mood'"):
        machine.unlock("mood")
