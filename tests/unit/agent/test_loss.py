"""A session that is lost is a warning at first, and a fault where that lasts."""

from fustor_agent.loss import DISCONNECTED, Loss
from fustor_core.conditions import Conditions
from fustor_core.errors import Unreachable
from fustor_core.state import EventType, HealthState, StateMachine
from fustor_core.steering import Steering


async def test_it_is_shown_at_once_and_is_a_fault_once_it_lasts_too_long() -> None:
    now = 0.0
    steering = Steering(StateMachine("nas:data"), Conditions())
    steering.step([(EventType.START, None)])
    steering.step([(EventType.INIT_SUCCESS, None)])
    loss = Loss(steering, 300.0, lambda: now)
    loss.look()
    loss.note(Unreachable("connection refused"))
    now = 200.0
    loss.note(Unreachable("still refused"))
    assert steering.state.health is HealthState.WARNING
    standing = steering.conditions.stands(DISCONNECTED)
    assert standing is not None
    assert standing.message == "still refused"
    now = 300.0
    loss.look()
    assert str(steering.state.health) == "Warning"
    now = 300.1
    loss.look()
    assert str(steering.state.health) == "Critical"
    loss.over()
    assert steering.conditions.all() == []


async def test_each_loss_has_a_time_of_its_own() -> None:
    now = 0.0
    steering = Steering(StateMachine("nas:data"), Conditions())
    steering.step([(EventType.START, None)])
    loss = Loss(steering, 300.0, lambda: now)
    loss.note(Unreachable("refused"))
    loss.over()
    now = 301.0
    loss.note(Unreachable("refused again"))
    loss.look()
    assert steering.state.health is not HealthState.CRITICAL
