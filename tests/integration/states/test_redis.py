"""A real Redis that is killed, hangs and comes back."""

import time

import pytest

from fustor_core.state import (
    ConcurrentUpdateError,
    PersistenceError,
    Saving,
    StateMachine,
)
from fustor_core.state.stores.redis import RedisStateStore
from fustor_core.state_keeping import Keeping
from tests.integration.states.parts import READY, STOPPED, E, in_thread, replayed
from tests.polling import eventually
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture


def test_emergency_stop_takes_effect_at_once_while_redis_hangs(redis_server: RedisServer) -> None:
    store = RedisStateStore(redis_server.url, timeout=20)
    machine = StateMachine("a:b", store=store, initial=READY)
    machine.handle_event(E.WARN)
    redis_server.hang()
    with in_thread(lambda: machine.handle_event(E.TASK_START)) as outcome:
        eventually(machine._saver.writing.locked)  # type: ignore[union-attr]  # the only sign of a writer that waits
        began = time.perf_counter()
        machine.handle_event(E.EMERGENCY_STOP, {"reason": "smoke"})
        took = time.perf_counter() - began
        assert machine.snapshot.state == STOPPED
        assert took < 0.5
        redis_server.go_on()
    assert isinstance(outcome[0], ConcurrentUpdateError)
    assert machine.flush(30)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert (again.snapshot.state, again.snapshot.version) == (STOPPED, 2)
    store.close()


def test_a_redis_that_hangs_is_a_persistence_error_in_time(redis_server: RedisServer) -> None:
    store = RedisStateStore(redis_server.url, timeout=0.2)
    machine = StateMachine("a:b", store=store, initial=READY)
    machine.handle_event(E.WARN)
    redis_server.hang()
    with pytest.raises(PersistenceError, match="Redis does not answer"):
        machine.handle_event(E.TASK_START)
    assert machine.snapshot.version == 1
    redis_server.go_on()
    # The request that nobody waited for is executed when the server goes on; the owner is not confused by its own.
    assert machine.handle_event(E.TASK_START).version == 2
    machine.handle_event(E.TASK_COMPLETE)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert (again.snapshot.version, replayed(again)) == (3, machine.snapshot.state)
    store.close()


def test_redis_is_killed_and_comes_back_under_best_effort(redis_server: RedisServer) -> None:
    store = RedisStateStore(redis_server.url, timeout=1)
    machine = StateMachine("a:b", store=store, policy="best_effort", initial=READY)
    machine.handle_event(E.WARN)
    assert machine.flush(30)
    redis_server.kill()
    for _ in range(50):
        machine.handle_event(E.TASK_START)
        machine.handle_event(E.TASK_COMPLETE, {"reason": "done"})
    assert machine.snapshot.version == 101
    away = eventually(lambda: machine.saving if machine.saving and machine.saving.failure else None)
    assert away is not None
    assert away.unsaved == 100
    assert "does not answer" in (away.failure or "")
    redis_server.start()
    assert machine.flush(30)
    assert machine.saving == Saving("best_effort", 0, None, False)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert again.snapshot == machine.snapshot
    assert again.history()[1:] == machine.history()[1:]
    assert machine.close()
    store.close()


def test_a_redis_that_hangs_or_goes_is_noticed_without_a_step(redis_server: RedisServer) -> None:
    store = RedisStateStore(redis_server.url, timeout=1)
    machine = StateMachine("a:b", store=store, policy="best_effort", initial=READY)
    machine.handle_event(E.WARN)
    assert machine.flush(30)
    keeping = Keeping(machine)
    assert keeping.look() is None
    redis_server.hang()
    hangs = eventually(keeping.look)
    assert hangs is not None
    assert "does not answer" in hangs.message
    redis_server.go_on()
    eventually(lambda: keeping.look() is None)
    redis_server.kill()
    assert eventually(keeping.look)
    redis_server.start()
    eventually(lambda: keeping.look() is None)
    assert machine.snapshot.version == 1
    assert machine.close()
    store.close()
