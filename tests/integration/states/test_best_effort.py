"""Policy `best_effort`: no step waits for the store, and all are saved behind, in order."""

import pytest

from fustor_core.state import (
    ConcurrentUpdateError,
    PersistenceError,
    StateMachine,
)
from fustor_core.state.stores.memory import MemoryStateStore
from tests.integration.states.parts import READY, E, Gated
from tests.polling import eventually
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture


def test_best_effort_waits_for_no_store_and_saves_in_order(gated: Gated) -> None:
    machine = StateMachine("a:b", store=gated, policy="best_effort", initial=READY)
    gated.open.clear()
    for _ in range(100):
        machine.handle_event(E.TASK_START)
        machine.handle_event(E.TASK_COMPLETE)
    assert machine.saving is not None
    assert machine.saving.unsaved > 0
    assert not machine.flush(0.01)
    gated.open.set()
    assert machine.close(30)
    again = StateMachine("a:b", store=gated)
    assert again.restore_state()
    assert again.history()[1:] == machine.history()[1:]


def test_what_waits_for_a_store_that_is_away_is_bounded(gated: Gated) -> None:
    machine = StateMachine("a:b", store=gated, policy="best_effort", initial=READY, history_size=10)
    gated.away = True
    for _ in range(30):
        machine.handle_event(E.WARN)
        machine.handle_event(E.CLEAR_WARNING)
    eventually(lambda: machine.saving is not None and machine.saving.unsaved == 10)
    gated.away = False
    assert machine.flush(30)
    again = StateMachine("a:b", store=gated)
    assert again.restore_state()
    assert (again.snapshot.version, [row.version for row in again.history()]) == (60, list(range(51, 61)))


def test_a_machine_that_another_owner_took_over_saves_nothing_more_and_says_so() -> None:
    store = MemoryStateStore()
    machine = StateMachine("a:b", store=store, policy="best_effort", initial=READY)
    machine.handle_event(E.WARN)
    assert machine.flush(30)
    other = StateMachine("a:b", store=store)
    assert other.restore_state()
    other.handle_event(E.TASK_START)
    machine.handle_event(E.CLEAR_WARNING)
    eventually(lambda: machine.saving is not None and machine.saving.overtaken)
    assert not machine.flush(30)
    machine.handle_event(E.WARN)
    last = StateMachine("a:b", store=store)
    assert last.restore_state()
    assert last.snapshot.state == other.snapshot.state
    assert machine.restore_state()
    machine.handle_event(E.TASK_COMPLETE)
    assert machine.flush(30)


def test_a_store_that_was_away_at_the_start_is_taken_over_when_it_is_back(gated: Gated) -> None:
    old = StateMachine("a:b", store=gated, initial=READY)
    old.handle_event(E.WARN)
    old.desire("paused")
    gated.away = True
    machine = StateMachine("a:b", store=gated, policy="best_effort", run="later")
    with pytest.raises(PersistenceError):
        machine.restore_state(mode="interrupted")
    machine.handle_event(E.START)
    gated.away = False
    assert machine.flush(30)
    again = StateMachine("a:b", store=gated)
    assert again.restore_state()
    assert (again.snapshot.state, again.desired) == (machine.snapshot.state, "paused")
    with pytest.raises(ConcurrentUpdateError):
        old.handle_event(E.CLEAR_WARNING)
