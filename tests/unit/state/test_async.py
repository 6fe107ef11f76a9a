"""A machine on event loops: nothing blocks them, coroutines hear every step on their own, and waiting ends."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

import pytest

from fustor_core.state import (
    EventType,
    HealthState,
    InvalidTransitionError,
    LifecycleState,
    MachineState,
    MemoryStateStore,
    OperationalState,
    Rejection,
    Snapshot,
    StateMachine,
    Transition,
)
from fustor_core.state import notices as notices_module
from fustor_core.state.deadlines import OVERDUE
from fustor_core.state.stores import Fields, Mark, StoredStep
from tests.polling import soon

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741
READY = MachineState(L.ACTIVE, O.READY, H.HEALTHY)
PATIENCE = 30


class Gated(MemoryStateStore):
    """A store that hangs until its gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.asked = threading.Event(), threading.Event()

    def save(self, machine: str, fields: Fields, steps: Sequence[StoredStep], expected: Mark | None) -> None:
        self.asked.set()
        assert self.gate.wait(timeout=PATIENCE)
        super().save(machine, fields, steps, expected)


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine("a:b", initial=READY)


async def asked(store: Gated) -> None:
    """Until the store was asked; polls, so it also shows that the loop turns."""
    await soon(store.asked.is_set, within=PATIENCE)


# Events


async def test_an_event_is_handled_and_refused_as_without_a_loop(machine: StateMachine) -> None:
    change = await machine.handle_event_async(E.TASK_START, {"phase": "MESSAGE"})
    assert change == machine.history()[-1]
    with pytest.raises(InvalidTransitionError):
        await machine.handle_event_async(E.TASK_START)
    assert (await machine.handle_events_async([(E.TASK_COMPLETE, None), (E.WARN, None)])).version == 2


async def test_the_loop_goes_on_while_a_store_is_asked() -> None:
    store = Gated()
    machine = StateMachine("a:b", store=store, initial=READY)
    task = asyncio.create_task(machine.handle_event_async(E.TASK_START))
    await asked(store)
    assert not task.done()
    assert machine.snapshot.version == 0
    store.gate.set()
    assert (await task).version == 1
    machine.close()


async def test_an_emergency_stop_does_not_queue_behind_who_waits_for_the_store() -> None:
    store = Gated()
    machine = StateMachine("a:b", store=store, initial=READY)
    waiting = [asyncio.create_task(machine.handle_event_async(E.WARN)) for _ in range(3)]
    await asked(store)
    await machine.handle_event_async(E.EMERGENCY_STOP)
    assert machine.snapshot.health is H.CRITICAL
    store.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == ["ConcurrentUpdateError", "InvalidTransitionError", "InvalidTransitionError"]
    assert await asyncio.to_thread(machine.close, PATIENCE)


async def test_what_is_desired_and_restored_does_not_block_the_loop_either() -> None:
    store = Gated()
    machine = StateMachine("a:b", store=store)
    task = asyncio.create_task(machine.desire_async("paused"))
    await asked(store)
    store.gate.set()
    await task
    again = StateMachine("a:b", store=store)
    assert await again.restore_state_async()
    assert again.desired == "paused"
    machine.close()
    again.close()


# Coroutine listeners


async def heard_all(heard: list[int], versions: list[int]) -> None:
    await soon(lambda: len(heard) >= len(versions), within=PATIENCE)
    assert heard == versions


async def test_a_coroutine_hears_every_step_in_order_on_the_loop_that_subscribed(machine: StateMachine) -> None:
    heard: list[int] = []
    loops = set()

    async def listens(change: Transition) -> None:
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        heard.append(change.version)

    machine.subscribe(listens)

    def work() -> None:
        for _ in range(250):
            machine.handle_event(E.INTERRUPT)

    await asyncio.gather(*(asyncio.to_thread(work) for _ in range(4)))
    await heard_all(heard, list(range(1, 1001)))
    assert loops == {asyncio.get_running_loop()}


async def test_one_call_at_a_time(machine: StateMachine) -> None:
    heard: list[int] = []
    inside = 0

    async def listens(change: Transition) -> None:
        nonlocal inside
        assert inside == 0
        inside += 1
        await asyncio.sleep(0)
        inside -= 1
        heard.append(change.version)

    machine.subscribe(listens)
    for _ in range(5):
        machine.handle_event(E.INTERRUPT)
        await asyncio.sleep(0)
    await heard_all(heard, [1, 2, 3, 4, 5])
    assert machine.listener_failures == 0


async def test_an_object_that_is_called_as_a_coroutine_is_one(machine: StateMachine) -> None:
    class Listens:
        def __init__(self) -> None:
            self.heard: list[int] = []

        async def __call__(self, change: Transition) -> None:
            self.heard.append(change.version)

    listener = Listens()
    machine.subscribe(listener)
    machine.handle_event(E.TASK_START)
    assert listener.heard == []
    await heard_all(listener.heard, [1])


async def test_a_coroutine_that_raises_is_logged_and_counted(machine: StateMachine, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    async def fails(change: Transition) -> None:
        heard.append(change.version)
        raise ZeroDivisionError("ouch")

    machine.subscribe(fails)
    with caplog.at_level(logging.ERROR):
        machine.handle_event(E.TASK_START)
        machine.handle_event(E.TASK_COMPLETE)
        await heard_all(heard, [1, 2])
    assert machine.listener_failures == 2
    assert "ZeroDivisionError: ouch" in caplog.text


async def test_after_unsubscribing_no_call_begins_not_even_for_what_waits(machine: StateMachine) -> None:
    heard: list[int] = []

    async def listens(change: Transition) -> None:
        heard.append(change.version)
        unsubscribe()

    unsubscribe = machine.subscribe(listens)
    machine.handle_event(E.TASK_START)
    machine.handle_event(E.TASK_COMPLETE)
    await heard_all(heard, [1])
    machine.handle_event(E.TASK_START)
    for _ in range(10):
        await asyncio.sleep(0)
    assert heard == [1]


async def test_a_coroutine_may_send_events_and_wait_for_them(machine: StateMachine) -> None:
    heard: list[int] = []

    async def answers(change: Transition) -> None:
        heard.append(change.version)
        if change.version < 3:
            await machine.handle_event_async(E.INTERRUPT)

    machine.subscribe(answers)
    machine.handle_event(E.TASK_START)
    await heard_all(heard, [1, 2, 3])


async def test_a_function_that_hangs_delays_no_coroutine(machine: StateMachine) -> None:
    hangs, let_go = threading.Event(), threading.Event()
    heard: list[int] = []

    def slow(change: Transition) -> None:
        hangs.set()
        assert let_go.wait(timeout=PATIENCE)

    async def listens(change: Transition) -> None:
        heard.append(change.version)

    machine.subscribe(slow)
    machine.subscribe(listens)
    captured = threading.Thread(target=machine.handle_event, args=(E.TASK_START,))
    captured.start()
    await heard_all(heard, [1])
    assert await asyncio.to_thread(hangs.wait, PATIENCE)
    machine.handle_event(E.TASK_COMPLETE)
    await heard_all(heard, [1, 2])
    let_go.set()
    await asyncio.to_thread(captured.join, PATIENCE)


def test_a_coroutine_needs_a_loop_and_is_forgotten_with_it(machine: StateMachine) -> None:
    heard: list[int] = []

    async def listens(change: Transition) -> None:
        heard.append(change.version)

    with pytest.raises(RuntimeError):
        machine.subscribe(listens)

    async def subscribes() -> None:
        machine.subscribe(listens)
        machine.handle_event(E.TASK_START)
        await heard_all(heard, [1])

    asyncio.run(subscribes())
    machine.handle_event(E.TASK_COMPLETE)
    machine.handle_event(E.TASK_START)
    assert heard == [1]


# Queues are bounded


async def test_behind_a_listener_that_hangs_the_oldest_notices_go_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices_module.Notices.__init__, "__kwdefaults__", {"size": 5})
    machine = StateMachine("a:b", initial=READY)
    let_go, hangs = threading.Event(), threading.Event()
    heard: list[int] = []

    def slow(change: Transition) -> None:
        heard.append(change.version)
        hangs.set()
        assert let_go.wait(timeout=PATIENCE)

    changes = machine.changes()
    machine.subscribe(slow)
    captured = threading.Thread(target=machine.handle_event, args=(E.INTERRUPT,))
    captured.start()
    assert hangs.wait(timeout=PATIENCE)
    for _ in range(9):
        machine.handle_event(E.INTERRUPT)
    assert machine.notices_lost == 4 + 5
    let_go.set()
    captured.join(timeout=PATIENCE)
    assert heard == [1, 6, 7, 8, 9, 10]
    assert [(await anext(changes)).version for _ in range(5)] == [6, 7, 8, 9, 10]
    assert len(machine.history()) == 11


def test_a_listener_that_answers_every_notice_with_an_event_is_stopped(machine: StateMachine) -> None:
    outcomes: list[Transition | Rejection] = []

    def answers(change: Transition) -> None:
        outcomes.append(machine.try_event(E.INTERRUPT))

    machine.subscribe(answers)
    machine.handle_event(E.TASK_START)
    assert not outcomes[-1]
    assert all(outcomes[:-1])
    assert machine.snapshot.version == len(outcomes) == 101
    assert "in a row" in machine.refusals()[-1].reason
    # Nobody else is refused, and an emergency stop never is.
    assert machine.try_event(E.WARN)
    machine.subscribe(lambda change: machine.handle_event(E.EMERGENCY_STOP) if change.version == machine.snapshot.version < 400 else None)
    machine.handle_event(E.INTERRUPT)
    assert machine.snapshot.version >= 400


# changes() and wait_for()


async def test_changes_begin_with_the_call_and_come_in_order(machine: StateMachine) -> None:
    machine.handle_event(E.TASK_START)
    changes = machine.changes()
    machine.handle_event(E.TASK_COMPLETE)
    await asyncio.to_thread(machine.handle_event, E.WARN)
    seen = []
    async for change in changes:
        seen.append(change)
        if len(seen) == 2:
            break
    assert tuple(seen) == machine.history()[2:]
    changes.close()
    assert [change async for change in changes] == []


async def test_changes_that_are_let_go_stop_listening(machine: StateMachine) -> None:
    async def first() -> Transition:
        async for change in machine.changes():
            return change
        raise AssertionError("the changes of a machine do not end")

    task = asyncio.create_task(first())
    await asyncio.sleep(0)
    machine.handle_event(E.TASK_START)
    assert (await task).version == 1
    del task
    assert not machine._notices.heard


async def test_wait_for_returns_at_once_where_it_is_true_already(machine: StateMachine) -> None:
    assert await machine.wait_for(lambda snapshot: snapshot.operational is O.READY, 0) is machine.snapshot


async def test_wait_for_sees_also_what_passes_at_once(machine: StateMachine) -> None:
    waiting = asyncio.create_task(machine.wait_for(lambda snapshot: snapshot.operational is O.RUNNING, PATIENCE))
    await asyncio.sleep(0)
    machine.handle_event(E.TASK_START)
    machine.handle_event(E.TASK_COMPLETE)
    found = await waiting
    assert (found.version, found.operational) == (1, O.RUNNING)


async def test_many_wait_while_a_thread_works(machine: StateMachine) -> None:
    versions = [100, 500, 1000]
    waiting = [asyncio.create_task(machine.wait_for(at_least(version), PATIENCE)) for version in versions]

    def work() -> None:
        for _ in range(1000):
            machine.handle_event(E.INTERRUPT)

    await asyncio.to_thread(work)
    assert [found.version >= version for found, version in zip(await asyncio.gather(*waiting), versions, strict=True)] == [True] * 3


def at_least(version: int) -> Callable[[Snapshot], bool]:
    return lambda snapshot: snapshot.version >= version


async def test_wait_for_gives_up_in_time_and_raises_what_the_predicate_raises(machine: StateMachine) -> None:
    with pytest.raises(TimeoutError):
        await machine.wait_for(lambda snapshot: False, 0.01)
    with pytest.raises(ZeroDivisionError):
        await machine.wait_for(lambda snapshot: 1 // snapshot.version, 1)
    assert not machine._notices.heard


# Deadlines


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
