"""A machine on event loops: nothing blocks them."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from fustor_core.state import (
    EventType,
    HealthState,
    InvalidTransitionError,
    LifecycleState,
    MachineState,
    MemoryStateStore,
    OperationalState,
    StateMachine,
)
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
