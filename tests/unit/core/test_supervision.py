"""Tasks that must not end, and what must not stand still."""

import asyncio
from collections.abc import Callable

import pytest

from fustor_core.conditions import Conditions
from fustor_core.errors import Refused, SessionLost
from fustor_core.state import EventType as E
from fustor_core.state import HealthState, StateMachine
from fustor_core.steering import Steering
from fustor_core.supervision import STILL, Died, Kept, Stillness, weightiest, while_running


async def for_ever() -> None:
    await asyncio.Event().wait()


async def raising(error: Exception) -> None:
    raise error


async def value() -> int:
    return 7


async def killed() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def test_the_main_task_decides_what_is_returned() -> None:
    assert await while_running(value(), for_ever()) == 7


async def test_what_another_task_ends_with_is_raised() -> None:
    with pytest.raises(SessionLost):
        await while_running(for_ever(), for_ever(), raising(SessionLost("cut")))
    with pytest.raises(Died, match="has returned"):
        await while_running(for_ever(), value())
    with pytest.raises(Died, match="was cancelled"):
        await while_running(for_ever(), killed())
    with pytest.raises(Died, match="was cancelled"):
        await while_running(killed(), for_ever())


async def test_nothing_runs_on_when_it_is_cancelled_from_outside() -> None:
    before = asyncio.all_tasks()
    task = asyncio.create_task(while_running(for_ever(), for_ever()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before


def test_of_several_errors_the_one_that_needs_somebody_counts() -> None:
    lost, refused, bug = SessionLost("cut"), Refused("no"), RuntimeError("boom")
    assert weightiest(BaseExceptionGroup("all", [lost, BaseExceptionGroup("inner", [bug, refused])])) is refused
    assert weightiest(BaseExceptionGroup("all", [lost, bug])) is bug
    assert weightiest(BaseExceptionGroup("all", [lost])) is lost


async def test_what_is_kept_is_started_again() -> None:
    heard: list[BaseException] = []
    made = 0

    async def work() -> None:
        nonlocal made
        made += 1
        await raising(RuntimeError(str(made)))

    async with Kept(work, heard.append, lambda: made < 3) as keeping:
        await keeping.over()
    assert [str(error) for error in heard] == ["1", "2"]


async def test_what_is_kept_ends_with_the_block_and_nobody_hears_of_it() -> None:
    before, heard = asyncio.all_tasks(), list[BaseException]()
    async with Kept(for_ever, heard.append):
        assert len(asyncio.all_tasks() - before) == 1
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert heard == []


async def test_what_is_kept_is_started_again_when_it_is_killed_whatever_becomes_of_who_hears_of_it() -> None:
    started = 0
    again = asyncio.Event()

    async def work() -> None:
        nonlocal started
        started += 1
        if started == 1:
            await killed()
        again.set()
        await for_ever()

    def hearing(error: BaseException) -> None:
        assert isinstance(error, Died)
        raise RuntimeError("who hears of it fails")

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    async with Kept(work, hearing), asyncio.timeout(20):
        await again.wait()
    assert started == 2


def test_only_what_has_not_moved_for_long_is_still() -> None:
    still = Stillness()
    assert not any(still.look(number) for number in range(20))
    assert [still.look("same") for _ in range(STILL + 2)] == [False] * STILL + [True, True]
    assert not still.look("moved")
    still.reset()
    assert not still.look("moved")


@pytest.fixture
def steering() -> Steering:
    machine = StateMachine("nas:data")
    machine.handle_event(E.START)
    machine.handle_event(E.INIT_SUCCESS)
    return Steering(machine, Conditions())


async def test_health_follows_conditions_in_the_step_that_is_taken_anyway(steering: Steering) -> None:
    steering.conditions.add("disconnected", "cut", "mend it")
    steering.step([(E.FAULT_DETECTED, None)])
    await asyncio.sleep(0)
    steering.conditions.clear("disconnected")
    steering.step([(E.RECOVERY_SUCCESS, None)])
    await asyncio.sleep(0)
    taken = [[str(event) for event, _ in change.events] for change in steering.machine.history()[3:]]
    assert taken == [["FAULT_DETECTED", "WARN"], ["RECOVERY_SUCCESS", "CLEAR_WARNING"]]


async def test_health_follows_conditions_between_steps_too(steering: Steering) -> None:
    seen: list[HealthState] = []
    steps: list[Callable[[], None]] = [
        lambda: steering.conditions.add("one", "a", "b"),
        lambda: steering.conditions.add("two", "a", "b"),
        lambda: steering.conditions.clear("one"),
        lambda: steering.conditions.clear("two"),
    ]
    for step in steps:
        step()
        await asyncio.sleep(0)
        seen.append(steering.state.health)
    warning = HealthState.WARNING
    assert seen == [warning, warning, warning, HealthState.HEALTHY]
    assert steering.machine.snapshot.version == 4


async def test_a_fault_outweighs_a_warning(steering: Steering) -> None:
    steering.conditions.add("root-gone", "a", "b")
    steering.step([(E.FAULT, None)])
    steering.step([(E.RECOVER, None), (E.RECOVERY_SUCCESS, None)])
    steering.conditions.clear("root-gone")
    await asyncio.sleep(0)
    seen = [change.after.health for change in steering.machine.history()[3:]]
    assert seen == [HealthState.CRITICAL, HealthState.WARNING, HealthState.HEALTHY]
