"""Whatever of a pipe is killed, raises or hangs, on either side: its machine moves within two seconds, and it comes back.

FUSTOR_FAULTS=100 has a hundred faults, one kind after the other, and two seconds for each. A few, with more patience, are for every day.
"""

import asyncio
import logging
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from fustor_core.state import HealthState
from fustor_core.state.stores.redis import RedisStateStore
from fustor_core.supervision import LoopWatch
from fustor_core.testing.proxy import FAIR, FaultProxy, Weather
from tests.e2e.inside import MESSAGE, Fusion, Pipe, fusion_here, running
from tests.polling import soon
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture

log = logging.getLogger(__name__)

FAULTS = int(os.environ.get("FUSTOR_FAULTS", "0"))
WITHIN = 2.0 if FAULTS else 10.0
TASKS_OF_A_PIPE = {
    "AgentPipe.run",
    "Life.run",
    "Life._hold_on_to_root",
    "Life._supervise",
    "Life._follow",
    "SessionRun.serve",
    "SessionRun._receive",
    "SessionRun._transmit",
    "SessionRun._pulse",
    "Scheduler.run",
    "Scheduler._lane",
    "Event.wait",
}
TASKS_OF_FUSION = {"_keep_order", "FusionPipe.supervise"}
TASKS_OF_A_SESSION = {
    "SessionReceiver.commit",
    "SessionReceiver._commit",
    "LookingAgain._other_links",
    "LookingAgain._held_back",
    "LookingAgain._contradicted",
    "LookingAgain._unlisted",
    "Receiver._send",
    "Receiver._take",
}


class Family:
    """Knows which task was made by which."""

    def __init__(self) -> None:
        self._parents: WeakKeyDictionary[asyncio.Task[Any], asyncio.Task[Any] | None] = WeakKeyDictionary()

    def make(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:  # what asyncio gives a factory
        task = asyncio.Task(coroutine, loop=loop, **options)
        self._parents[task] = asyncio.current_task(loop)
        return task

    def below(self, head: str) -> Iterator[asyncio.Task[Any]]:
        """The running tasks of that name, and all that they have made."""
        for task in asyncio.all_tasks():
            above: asyncio.Task[Any] | None = task
            while above is not None:
                if name_of(above) == head:
                    yield task
                    break
                above = self._parents.get(above)


def name_of(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", "")).rpartition("<locals>.")[2]


@dataclass(frozen=True, slots=True)
class Scene:
    """An agent and a fusion of this process, with a proxy between them; the states of the agent's pipe are kept in a Redis."""

    agent: Pipe
    fusion: Fusion
    proxy: FaultProxy
    redis: RedisServer
    family: Family

    def fine(self) -> bool:
        """Both are at work, and nothing is wrong; that a task of fusion has crashed is shown for a minute."""
        if not (all(self.victims(name) for name in TASKS_OF_FUSION) and set(self.victims("RequestHandler.start")) >= TASKS_OF_A_SESSION):
            return False
        agent = self.agent.machine.snapshot
        at_work = str(agent.pipe_state) == MESSAGE and agent.state.health is HealthState.HEALTHY and self.fusion.shows() == "RUNNING"
        return at_work and not self.agent.kinds() and set(self.fusion.kinds()) <= {"crashed"}

    def victims(self, head: str) -> dict[str, asyncio.Task[Any]]:
        return {name_of(task): task for task in self.family.below(head)}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that fails (`begin`), whose machine is to move, and how the world is put right again (`end`)."""

    name: str
    begin: Callable[[Scene], object]
    end: Callable[[Scene], object] = lambda scene: None
    moves: Callable[[Scene], Pipe | Fusion] = lambda scene: scene.agent
    blocking: bool = False
    """Whether it stops and starts other processes, for which the event loop does not wait."""


def killed(head: str, name: str, moves: Callable[[Scene], Pipe | Fusion]) -> Fault:
    return Fault(f"{name} is killed", lambda scene: scene.victims(head)[name].cancel(), moves=moves)


def raising(head: str, name: str, moves: Callable[[Scene], Pipe | Fusion]) -> Fault:
    """Whatever the task waits for fails."""

    def begin(scene: Scene) -> None:
        waiter: Any = scene.victims(head)[name]  # a future of asyncio: what else says what a task waits for?
        while isinstance(waiter, asyncio.Task):
            waiter = waiter._fut_waiter  # type: ignore[attr-defined]
        if waiter is None or waiter.done():
            # It is about to run: a moment later it waits again.
            asyncio.get_running_loop().call_soon(begin, scene)
        else:
            waiter.set_exception(RuntimeError("boom"))

    return Fault(f"{name} raises", begin, moves=moves)


def boom() -> None:
    raise RuntimeError("boom")


def agent(scene: Scene) -> Pipe:
    return scene.agent


def fusion(scene: Scene) -> Fusion:
    return scene.fusion


def set_fault(where: str, fault: Callable[[], object] | None) -> Callable[[Scene], None]:
    def begin(scene: Scene) -> None:
        setattr(scene.agent.source, where, fault)
        scene.agent.touch()

    return begin


def weather(weather: Weather) -> Callable[[Scene], None]:
    return lambda scene: setattr(scene.proxy, "weather", weather)


def store(*, goes_on: bool) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        (scene.fusion.store.goes_on.set if goes_on else scene.fusion.store.goes_on.clear)()
        scene.agent.touch()

    return change


def full(full: bool) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        scene.fusion.store.full = full
        scene.agent.touch()

    return change


def stop_reading(scene: Scene) -> None:
    """A reader thread hangs until the fault ends."""
    scene.agent.source.fault = lambda: scene.agent.goes_on.wait(60)
    scene.agent.goes_on.clear()
    scene.agent.touch()


def read_on(scene: Scene) -> None:
    scene.agent.source.fault = None
    scene.agent.goes_on.set()


def stand_still(scene: Scene) -> None:
    """The event loop of both sides stands still; a thread looks on."""
    asyncio.get_running_loop().call_soon(time.sleep, 2.5)


def faults_of_tasks(scene: Scene) -> list[Fault]:
    """Every task that there is killed, and those of the pipes also raising."""
    names = sorted(scene.victims("AgentPipe.run"))
    assert set(names) >= TASKS_OF_A_PIPE
    return [
        *(make("AgentPipe.run", name, agent) for name in names for make in (killed, raising)),
        *(make(name, name, fusion) for name in sorted(TASKS_OF_FUSION) for make in (killed, raising)),
        *(killed("RequestHandler.start", name, agent) for name in sorted(TASKS_OF_A_SESSION)),
    ]


OTHER_FAULTS = [
    Fault("a read raises", set_fault("fault", boom), set_fault("fault", None)),
    Fault("noticing raises", set_fault("notice_fault", boom), set_fault("notice_fault", None)),
    Fault("a reader thread hangs", stop_reading, read_on),
    Fault("the event loop of the agent stands still", stand_still),
    Fault("the event loop of fusion stands still", stand_still, moves=fusion),
    Fault("the connection is a black hole", weather(Weather(blackhole=True)), weather(FAIR)),
    Fault("the connection is reset", lambda scene: scene.proxy.reset()),
    Fault("the connection breaks in mid-frame", lambda scene: scene.proxy.cut()),
    Fault("fusion is half gone", lambda scene: scene.proxy.half_open(keep_client=True)),
    Fault("the store of a root hangs: fusion", store(goes_on=False), store(goes_on=True), fusion),
    Fault("the store of a root hangs: the agent", store(goes_on=False), store(goes_on=True)),
    Fault("the store of a root is full: fusion", full(True), full(False), fusion),
    Fault("the store of a root is full: the agent", full(True), full(False)),
    Fault("the store of states hangs", lambda scene: scene.redis.hang(), lambda scene: scene.redis.go_on(), blocking=True),
    Fault("the store of states is gone", lambda scene: scene.redis.kill(), lambda scene: scene.redis.start(), blocking=True),
]
EVERY_DAY = ("Life._supervise is killed", "SessionRun._pulse raises", "Receiver._send is killed", "the connection is a black hole")


def is_for_every_day(fault: Fault) -> bool:
    return fault.name in EVERY_DAY or fault.blocking or (fault in OTHER_FAULTS and fault.moves is fusion)


@asynccontextmanager
async def scene_of(directory: Path, redis: RedisServer) -> AsyncIterator[Scene]:
    family = Family()
    asyncio.get_running_loop().set_task_factory(family.make)
    states = RedisStateStore(redis.url, timeout=2)
    async with fusion_here(directory) as fusion:
        proxy = FaultProxy(fusion.settings.listen.port)
        async with proxy.listening() as port, running(directory, f"http://127.0.0.1:{port}", "one", states=states) as (one,):
            with LoopWatch(one.pipe.loop_stalled).watching():
                yield Scene(one, fusion, proxy, redis, family)
    states.close()


async def seconds_until_it_moves(fault: Fault, scene: Scene) -> float:
    """From the fault to the step that shows it: the machine says when that was, for the event loop may stand still meanwhile."""
    moving = fault.moves(scene).machine
    before, began = moving.snapshot.version, time.time_ns()
    await in_its_place(fault, fault.begin, scene)

    def moved() -> bool:
        return moving.snapshot.version > before

    await soon(moved)
    first = next(change for change in moving.history() if change.version > before)
    assert str(first.pipe_state) != MESSAGE or str(first.after.health) != "Healthy"
    await in_its_place(fault, fault.end, scene)
    return (first.at - began) / 1e9


async def in_its_place(fault: Fault, act: Callable[[Scene], object], scene: Scene) -> None:
    if fault.blocking:
        await asyncio.to_thread(act, scene)
    else:
        act(scene)


@pytest.mark.timeout(120 + 20 * FAULTS)
async def test_whatever_fails_is_seen_and_left_behind(tmp_path: Path, redis_server: RedisServer) -> None:
    took: dict[str, list[float]] = defaultdict(list)
    async with scene_of(tmp_path, redis_server) as scene:
        await soon(scene.fine)
        kinds = [*faults_of_tasks(scene), *OTHER_FAULTS]
        faults = list(islice(cycle(kinds), FAULTS)) if FAULTS else [kind for kind in kinds if is_for_every_day(kind)]
        for fault in faults:
            await soon(scene.fine, within=60)
            took[fault.name].append(await seconds_until_it_moves(fault, scene))
        await soon(scene.fine, within=60)
    for name, seconds in took.items():
        log.info("%5.2f s at most, %d times: %s", max(seconds), len(seconds), name)
    late = {name: seconds for name, seconds in took.items() if max(seconds) >= WITHIN}
    assert not late
    assert sum(len(seconds) for seconds in took.values()) == len(faults)
