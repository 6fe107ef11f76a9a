"""Policy `required`: a step is stored before anyone sees it, or it is not taken."""

import threading
from collections.abc import Sequence

import pytest

from fustor_core.state import (
    ConcurrentUpdateError,
    LockedError,
    PersistenceError,
    StateMachine,
    Transition,
)
from fustor_core.state.stores import Fields, Mark, StoredStep
from fustor_core.state.stores.memory import MemoryStateStore
from tests.integration.states.parts import READY, STOPPED, E, Gated, O, in_thread, replayed
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture


def test_a_step_is_stored_before_anyone_sees_it(gated: Gated) -> None:
    machine = StateMachine("a:b", store=gated, initial=READY)
    gated.open.clear()
    with in_thread(lambda: machine.handle_event(E.TASK_START)) as outcome:
        assert gated.asked.wait(timeout=30)
        assert (machine.snapshot.version, gated.load("a:b")) == (0, None)
        gated.open.set()
    assert isinstance(outcome[0], Transition)
    assert machine.snapshot.version == 1


def test_a_store_that_is_away_is_a_persistence_error_and_nothing_has_changed(gated: Gated) -> None:
    machine = StateMachine("a:b", store=gated, initial=READY)
    gated.away = True
    stood = machine.snapshot
    for _ in range(2):
        with pytest.raises(PersistenceError, match="away"):
            machine.handle_event(E.TASK_START)
    assert machine.snapshot is stood
    assert len(machine.history()) == 1
    gated.away = False
    assert machine.handle_event(E.TASK_START).version == 1


def test_emergency_stop_waits_for_nobody_and_overtakes_who_waits(gated: Gated) -> None:
    machine = StateMachine("a:b", store=gated, initial=READY)
    heard: list[int] = []
    machine.subscribe(lambda change: heard.append(change.version))
    gated.open.clear()
    with in_thread(lambda: machine.handle_event(E.TASK_START)) as outcome:
        assert gated.asked.wait(timeout=30)
        assert machine.handle_event(E.EMERGENCY_STOP, {"reason": "smoke"}).version == 1
        assert machine.snapshot.state == STOPPED
        gated.open.set()
    assert isinstance(outcome[0], ConcurrentUpdateError)
    assert machine.flush(30)
    assert heard == [1]
    again = StateMachine("a:b", store=gated)
    assert again.restore_state()
    assert (again.snapshot.version, again.snapshot.state, again.snapshot.reason) == (1, STOPPED, "smoke")
    # The step that was overtaken is in no history: it never came to be.
    assert [row.events[0][0] for row in again.history()[1:]] == [E.EMERGENCY_STOP]


def test_a_lock_set_meanwhile_refuses_the_step_in_the_store_too(gated: Gated) -> None:
    machine = StateMachine("a:b", store=gated, initial=READY)
    machine.handle_event(E.WARN)
    gated.asked.clear()
    gated.open.clear()
    with in_thread(lambda: machine.handle_event(E.TASK_START)) as outcome:
        assert gated.asked.wait(timeout=30)
        machine.lock("operational", owner="admin", reason="maintenance")
        gated.open.set()
    assert isinstance(outcome[0], ConcurrentUpdateError)
    assert machine.flush(30)
    with pytest.raises(LockedError):
        machine.handle_event(E.TASK_START)
    again = StateMachine("a:b", store=gated)
    assert again.restore_state()
    assert (again.snapshot.version, again.snapshot.operational) == (1, O.READY)
    assert [row.version for row in again.history()] == [0, 1]


def test_ten_threads_send_task_start_and_one_wins() -> None:
    store = MemoryStateStore()
    machine = StateMachine("a:b", store=store, initial=READY)
    begin = threading.Barrier(10)
    won: list[Transition] = []

    def ask() -> None:
        begin.wait(timeout=30)
        outcome = machine.try_event(E.TASK_START)
        if isinstance(outcome, Transition):
            won.append(outcome)

    for _ in range(50):
        threads = [threading.Thread(target=ask) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert len(won) == 1
        won.clear()
        machine.handle_event(E.TASK_COMPLETE)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert again.snapshot.version == 100
    assert replayed(again) == READY


class Deaf(MemoryStateStore):
    """A store whose answers are lost: it does what is asked, and nobody learns of it."""

    deaf = False

    def save(self, machine: str, fields: Fields, steps: Sequence[StoredStep], expected: Mark | None) -> None:
        super().save(machine, fields, steps, expected)
        if self.deaf:
            raise PersistenceError("no answer")


def test_a_lost_answer_does_not_make_the_owner_a_stranger() -> None:
    store = Deaf()
    machine = StateMachine("a:b", store=store, initial=READY)
    store.deaf = True
    for event in (E.TASK_START, E.WARN):
        with pytest.raises(PersistenceError):
            machine.handle_event(event)
    assert machine.snapshot.version == 0
    store.deaf = False
    machine.handle_event(E.FAULT_DETECTED)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert (again.snapshot.version, again.snapshot.state) == (1, machine.snapshot.state)
    assert [row.version for row in again.history()] == [0, 1]
