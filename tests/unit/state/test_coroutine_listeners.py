"""Coroutines hear every step once and in order, on the loop that subscribed; and no listener, whatever it does, holds up others."""

import asyncio
import logging
import threading

import pytest

from fustor_core.state import (
    EventType,
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
    Rejection,
    Snapshot,
    StateMachine,
    Transition,
)
from fustor_core.state.notices import Notices
from tests.polling import soon

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741
PATIENCE = 30


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine("a:b", initial=MachineState(L.ACTIVE, O.READY, H.HEALTHY))


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


async def test_behind_a_listener_that_hangs_the_oldest_notices_go_and_are_counted(machine: StateMachine) -> None:
    steps = [(machine.handle_event(E.INTERRUPT), machine.snapshot) for _ in range(10)]
    notices = Notices("a:b", size=5)
    let_go, hangs = threading.Event(), threading.Event()
    heard: list[int] = []

    def slow(change: Transition) -> None:
        heard.append(change.version)
        hangs.set()
        assert let_go.wait(timeout=PATIENCE)

    def tell(change: Transition, snapshot: Snapshot) -> None:
        notices.publish(change, snapshot)
        notices.deliver()

    box = notices.open_box()
    notices.subscribe(slow)
    captured = threading.Thread(target=tell, args=steps[0])
    captured.start()
    assert hangs.wait(timeout=PATIENCE)
    for step in steps[1:]:
        tell(*step)
    assert notices.lost == 4 + 5
    let_go.set()
    captured.join(timeout=PATIENCE)
    assert heard == [1, 6, 7, 8, 9, 10]
    assert [(await box.next())[0].version for _ in range(5)] == [6, 7, 8, 9, 10]


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
