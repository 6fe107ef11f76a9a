"""A machine that is taken up again where it was left."""

from collections.abc import Callable

import pytest

from fustor_core.state import MachineState, PersistenceError, StateMachine, Transition
from fustor_core.state.stores import StoredStep
from fustor_core.state.stores.memory import MemoryStateStore
from tests.integration.states.parts import READY, STOPPED, E, Gated, H, L, O, replayed
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture


@pytest.mark.parametrize("policy", ["required", "best_effort"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY, sync="MESSAGE", conf=True), MachineState(L.OFFLINE, O.IDLE, H.HEALTHY)),
        (MachineState(L.ACTIVE, O.PAUSED, H.HEALTHY, held=True), MachineState(L.OFFLINE, O.IDLE, H.HEALTHY, held=True)),
        (MachineState(L.RECOVERING, O.STOPPED, H.CRITICAL, warned=True), MachineState(L.OFFLINE, O.STOPPED, H.CRITICAL, warned=True)),
        (MachineState(L.SHUTTING_DOWN, O.IDLE, H.WARNING, failed=True), MachineState(L.OFFLINE, O.IDLE, H.WARNING, failed=True)),
        (MachineState(L.SHUTTING_DOWN, O.IDLE, H.HEALTHY, drain=True), MachineState(L.OFFLINE, O.IDLE, H.HEALTHY)),
        (MachineState(L.INITIALIZING, O.IDLE, H.HEALTHY), MachineState(L.OFFLINE, O.IDLE, H.HEALTHY)),
    ],
    ids=str,
)
def test_after_a_crash_nothing_runs_and_the_history_says_interrupted(policy: str, before: MachineState, after: MachineState) -> None:
    store = MemoryStateStore()
    # A step that changes nothing brings the state into the store.
    nothing = {"targets": {"health": str(before.health)}, "reason": "as it is"}
    StateMachine("a:b", store=store, initial=before, run="first").handle_event(E.PRIORITY_OVERRIDE, nothing)
    machine = StateMachine("a:b", store=store, policy="required" if policy == "required" else "best_effort", run="second")
    heard: list[Transition] = []
    machine.subscribe(heard.append)
    assert machine.restore_state(mode="interrupted")
    assert (machine.snapshot.version, machine.snapshot.state, machine.snapshot.reason) == (2, after, "interrupted")
    assert [(row.run, row.reason) for row in machine.history()] == [
        ("first", "initial state"),
        ("first", "as it is"),
        ("second", "interrupted"),
    ]
    assert tuple(heard) == machine.history()[2:]
    assert machine.flush(30)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert again.history() == machine.history()


def test_a_machine_that_had_ended_was_not_interrupted() -> None:
    store = MemoryStateStore()
    machine = StateMachine("a:b", store=store, initial=MachineState(L.SHUTTING_DOWN, O.IDLE, H.HEALTHY))
    machine.handle_event(E.FINISHED, {"reason": "asked"})
    again = StateMachine("a:b", store=store)
    assert again.restore_state(mode="interrupted")
    assert (again.snapshot.version, again.snapshot.reason) == (1, "asked")


class Interrupted(MemoryStateStore):
    """A store that lets something happen while it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] = lambda: None

    def steps(self, machine: str, limit: int) -> list[StoredStep]:
        self.meanwhile()
        return super().steps(machine, limit)


def test_a_fault_that_comes_while_the_store_is_asked_is_not_lost() -> None:
    store = Interrupted()
    old = StateMachine("a:b", store=store, initial=READY)
    for _ in range(3):
        old.handle_event(E.TASK_START)
        old.handle_event(E.TASK_COMPLETE)
    machine = StateMachine("a:b", store=store)
    store.meanwhile = lambda: machine.handle_event(E.EMERGENCY_STOP, {"reason": "smoke"})
    assert machine.restore_state()
    store.meanwhile = lambda: None
    assert (machine.snapshot.version, machine.snapshot.state) == (7, STOPPED)
    assert machine.flush(30)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert (again.snapshot.version, replayed(again)) == (7, STOPPED)


def test_without_a_store_there_is_nothing_to_restore() -> None:
    machine = StateMachine("a:b")
    with pytest.raises(PersistenceError, match="no store"):
        machine.restore_state()
    machine.desire("paused")
    assert (machine.desired, machine.saving, machine.flush(0)) == ("paused", None, True)
    with pytest.raises(ValueError, match="desired is one of"):
        machine.desire("happy")  # type: ignore[arg-type]


def test_what_cannot_be_recorded_is_not_desired(gated: Gated) -> None:
    machine = StateMachine("a:b", store=gated, policy="best_effort")
    machine.desire("running")
    gated.away = True
    with pytest.raises(PersistenceError):
        machine.desire("stopped")
    assert machine.desired == "running"
