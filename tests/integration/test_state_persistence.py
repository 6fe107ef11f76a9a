"""Machines over real stores: who may write, what a kill leaves, and what happens while a store is away."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fustor_core.state import (
    ConcurrentUpdateError,
    EventType,
    HealthState,
    LifecycleState,
    LockedError,
    MachineState,
    OperationalState,
    PersistenceError,
    Saving,
    StateMachine,
    Transition,
    steps,
)
from fustor_core.state.stores import Fields, Mark, StoredStep
from fustor_core.state.stores.memory import MemoryStateStore
from fustor_core.state.stores.redis import RedisStateStore
from fustor_core.state.stores.sqlite import SqliteStateStore
from tests.integration.state_writer import MACHINE, open_store
from tests.polling import eventually
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741
READY = MachineState(L.ACTIVE, O.READY, H.HEALTHY)
STOPPED = MachineState(L.SHUTTING_DOWN, O.STOPPED, H.CRITICAL)

KILLS = int(os.environ.get("FUSTOR_KILLS", "8"))
"""Rounds of kill -9 with Redis; the promise is fifty (FUSTOR_KILLS=50)."""


class Gated(MemoryStateStore):
    """A store that can hang, or be away, for as long as a test likes."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.asked, self.away = threading.Event(), threading.Event(), False
        self.open.set()

    def save(self, machine: str, fields: Fields, steps: Sequence[StoredStep], expected: Mark | None) -> None:
        self.asked.set()
        if not self.open.wait(timeout=60) or self.away:
            raise PersistenceError("the store is away")
        super().save(machine, fields, steps, expected)

    def load(self, machine: str) -> Fields | None:
        if self.away:
            raise PersistenceError("the store is away")
        return super().load(machine)


@pytest.fixture
def gated() -> Iterator[Gated]:
    store = Gated()
    yield store
    store.open.set()


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[list[object]]:
    """Run `work` beside the block; what it returned, or raised, is in the list after the block."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        # Whatever it raises is what the test asks for.
        except Exception as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(timeout=60)
        assert not thread.is_alive()


def replayed(machine: StateMachine) -> MachineState:
    """Where the history leads by its own events."""
    first, *rest = machine.history()
    state = first.after
    for row in rest:
        assert row.before == state
        state = steps(state, row.events) if row.events else row.after
        assert row.after == state
    assert [row.version for row in machine.history()] == list(range(first.version, first.version + len(rest) + 1))
    return state


# Policy required


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
    assert [row.events[0][0] for row in again.history()] == [E.EMERGENCY_STOP]


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
    assert [row.version for row in again.history()] == [1]


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
    assert [row.version for row in again.history()] == [1]


# Owners


def test_of_two_owners_one_gets_a_concurrent_update_error(tmp_path: Path) -> None:
    stores = [SqliteStateStore(tmp_path / "state.db") for _ in range(2)]
    first, second = (StateMachine("a:b", store=store, initial=READY, run=f"r{number}") for number, store in enumerate(stores))
    first.handle_event(E.TASK_START)
    with pytest.raises(ConcurrentUpdateError):
        second.handle_event(E.WARN)
    assert second.snapshot.version == 0
    assert second.restore_state()
    second.handle_event(E.WARN)
    with pytest.raises(ConcurrentUpdateError):
        first.handle_event(E.TASK_COMPLETE)
    assert first.saving is not None
    assert first.saving.overtaken
    # It lost its place, not its mind: restored, it owns the machine again.
    assert first.restore_state()
    assert first.handle_event(E.TASK_COMPLETE).version == 3
    assert replayed(first) == MachineState(L.ACTIVE, O.READY, H.WARNING)
    for store in stores:
        store.close()


@contextmanager
def writer(place: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.integration.state_writer", place, "required"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_of_two_processes_one_gets_a_concurrent_update_error(redis_server: RedisServer) -> None:
    with writer(redis_server.url) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready 0\n"
        assert first.stdout.readline() == "1\n"
        with writer(redis_server.url) as second:
            # Each takes over when it begins; whoever is refused ends with the error. Reading keeps the pipes from filling up.
            loser = eventually(lambda: next((one for one in (first, second) if read_on(one) and one.poll() is not None), None))
            assert loser is not None
            assert loser.stderr is not None
            assert "ConcurrentUpdateError" in loser.stderr.read()
            other = second if loser is first else first
            assert read_on(other)
            assert other.poll() is None


def read_on(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline() or "ended"


# kill -9


def kill_at_full_rate(place: str, rounds: int) -> None:
    acknowledged = 0
    for number in range(rounds):
        with writer(place) as process:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready.startswith("ready "), process.stderr and process.stderr.read()
            assert int(ready.split()[1]) in (acknowledged, acknowledged + 1)
            said = [process.stdout.readline() for _ in range(20 + 7 * number % 40)]
            process.kill()
            # What it said before it died counts, also what nobody had read yet.
            said += process.stdout.read().splitlines(keepends=True)
            acknowledged = int(said[-1])
            process.wait()
        store = open_store(place)
        machine = StateMachine(MACHINE, store=store)
        assert machine.restore_state()
        assert machine.snapshot.version in (acknowledged, acknowledged + 1)
        assert replayed(machine) == machine.snapshot.state
        acknowledged = machine.snapshot.version
        store.close()


@pytest.mark.timeout(60 + 10 * KILLS)
def test_kill_9_leaves_the_last_acknowledged_step_or_one_more_in_redis(redis_server: RedisServer) -> None:
    kill_at_full_rate(redis_server.url, KILLS)


def test_kill_9_leaves_the_last_acknowledged_step_or_one_more_in_sqlite(tmp_path: Path) -> None:
    kill_at_full_rate(str(tmp_path / "state.db"), 3)


# Redis hangs, dies, comes back


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
    assert again.history() == machine.history()[1:]
    assert machine.close()
    store.close()


# Policy best_effort


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
    assert again.history() == machine.history()[1:]


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


# Restoring


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
    assert [(row.run, row.reason) for row in machine.history()] == [("first", "as it is"), ("second", "interrupted")]
    assert tuple(heard) == machine.history()[1:]
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


def test_a_fault_that_comes_while_the_store_is_asked_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStateStore()
    old = StateMachine("a:b", store=store, initial=READY)
    for _ in range(3):
        old.handle_event(E.TASK_START)
        old.handle_event(E.TASK_COMPLETE)
    machine = StateMachine("a:b", store=store)
    load = store.steps

    def fault_meanwhile(name: str, limit: int) -> list[StoredStep]:
        machine.handle_event(E.EMERGENCY_STOP, {"reason": "smoke"})
        return load(name, limit)

    monkeypatch.setattr(store, "steps", fault_meanwhile)
    assert machine.restore_state()
    monkeypatch.undo()
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
