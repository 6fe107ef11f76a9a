"""`changes()` and `wait_for()`: waiting for what a machine does, also for what passes at once, and its end."""

import asyncio
from collections.abc import Callable

import pytest

from fustor_core.state import (
    EventType,
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
    Snapshot,
    StateMachine,
    Transition,
)

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741
PATIENCE = 30


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine("a:b", initial=MachineState(L.ACTIVE, O.READY, H.HEALTHY))


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
