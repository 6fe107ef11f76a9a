"""A lifecycle that should pass by itself, and does not."""

import pytest

from fustor_core.state import EventType, HealthState, LifecycleState, MachineState, OperationalState, StateMachine
from fustor_core.state.deadlines import OVERDUE

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        (MachineState(L.INITIALIZING, O.IDLE, H.HEALTHY), "INIT_FAILURE", L.RECOVERING),
        (MachineState(L.RECOVERING, O.PAUSED, H.HEALTHY), "RECOVERY_FAILED", L.SHUTTING_DOWN),
        (MachineState(L.SHUTTING_DOWN, O.IDLE, H.HEALTHY), "EMERGENCY_STOP", L.SHUTTING_DOWN),
    ],
    ids=str,
)
def test_a_lifecycle_that_lasts_too_long_is_ended(before: MachineState, event: str, after: LifecycleState) -> None:
    timer = Timer()
    machine = StateMachine("a:b", initial=before, deadlines={before.lifecycle: 30}, timer=timer)
    timer.now = 29.9
    machine.handle_event(E.PRIORITY_OVERRIDE, {"reason": "staying is not entering again"})
    assert machine.expire() is None
    timer.now = 30
    change = machine.expire()
    assert change is not None
    assert (str(change.events[0][0]), change.after.lifecycle) == (event, after)
    assert change.reason == f"{before.lifecycle} for longer than 30 s"


def test_a_lifecycle_that_ends_by_itself_is_not_overdue() -> None:
    timer = Timer()
    machine = StateMachine("a:b", initial=MachineState(L.INITIALIZING, O.IDLE, H.HEALTHY), deadlines={L.INITIALIZING: 30}, timer=timer)
    machine.handle_event(E.INIT_SUCCESS)
    timer.now = 100
    assert machine.expire() is None
    with pytest.raises(ValueError, match="Active may last"):
        StateMachine("a:b", deadlines={L.ACTIVE: 1})
    assert set(OVERDUE) == {L.INITIALIZING, L.RECOVERING, L.SHUTTING_DOWN}
