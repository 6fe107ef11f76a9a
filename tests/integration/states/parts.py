"""What tests of machines over stores share: stores with a gate, work beside a block, a history that is replayed."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fustor_core.state import (
    EventType,
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
    PersistenceError,
    StateMachine,
    steps,
)
from fustor_core.state.stores import Fields, Mark, StoredStep
from fustor_core.state.stores.memory import MemoryStateStore
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741
READY = MachineState(L.ACTIVE, O.READY, H.HEALTHY)
STOPPED = MachineState(L.SHUTTING_DOWN, O.STOPPED, H.CRITICAL)


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


@contextmanager
def writer(place: str, policy: str = "required") -> Iterator["subprocess.Popen[str]"]:
    """A process that makes steps as fast as its store lets it (`tests.integration.states.writer`), killed at the end of the block."""
    command = [sys.executable, "-m", "tests.integration.states.writer", place, policy]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
