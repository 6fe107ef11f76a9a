"""Where the states of this process's pipes are kept, and how they are taken up again after whatever ended it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from fustor_core.files import make_private_directory
from fustor_core.settings import Section
from fustor_core.state import LifecycleState, PersistenceError, RestoreError, StateMachine, StateStore
from fustor_core.state_log import log_transitions
from fustor_core.supervision import Stillness
from fustor_core.wire import Condition

log = logging.getLogger(__name__)

UNSAVED = "state-unsaved"
LAST_SAVE = 2.0
"""Seconds that saving the last steps may take when the process ends."""


class StateSettings(Section):
    """Where the states of pipes and their histories are kept: in a file below `data`, in Redis at `url`, or only in memory."""

    store: Literal["memory", "sqlite", "redis"] = "sqlite"
    url: str | None = None

    @model_validator(mode="after")
    def _address(self) -> "StateSettings":
        if (self.store == "redis") != (self.url is not None):
            raise ValueError("give url with the store redis, and only with it: redis://HOST:6379/0")
        return self


@contextmanager
def state_store(settings: StateSettings, data: Path) -> Iterator[StateStore]:
    """The store, until the block ends. Nothing is asked of it yet."""
    store = _opened(settings, data)
    try:
        yield store
    finally:
        store.close()


def _opened(settings: StateSettings, data: Path) -> StateStore:
    # Imported where one is chosen: nobody waits for the client of a Redis that is not used.
    if settings.url is not None:
        from fustor_core.state.stores.redis import RedisStateStore

        return RedisStateStore(settings.url)
    if settings.store == "sqlite":
        from fustor_core.state.stores.sqlite import SqliteStateStore

        make_private_directory(data)
        return SqliteStateStore(data / "state.db")
    from fustor_core.state.stores.memory import MemoryStateStore

    return MemoryStateStore()


@contextmanager
def kept_machine(
    name: str, run: str | None, store: StateStore, deadlines: Mapping[LifecycleState, float] | None = None
) -> Iterator[StateMachine]:
    """A machine that stands where it was left, logs its steps, and has saved them when the block ends, as far as its store lets it.

    It saves behind: no pipe ever waits for it. What cannot be restored is said, and the machine starts as a new one.
    """
    machine = StateMachine(name, run=run, store=store, policy="best_effort", deadlines=deadlines)
    try:
        machine.restore_state(mode="interrupted")
    except (RestoreError, PersistenceError) as error:
        log.warning("the state cannot be restored, so its history begins anew: %s", error, extra={"pipe": name})
    log_transitions(machine)
    try:
        yield machine
    finally:
        if not machine.close(LAST_SAVE):
            log.warning("the last steps could not be saved", extra={"pipe": name})


class Keeping:
    """Looks at how the store of a machine follows it."""

    def __init__(self, machine: StateMachine) -> None:
        self._machine = machine
        self._stillness = Stillness()

    def look(self) -> Condition | None:
        """What keeps the steps of the machine from being saved; to be asked every `TICK`. The store is asked meanwhile whether it answers:
        one that has gone is noticed before the next step."""
        self._machine.probe()
        saving = self._machine.saving
        if saving is None:
            return None
        if saving.overtaken:
            return _unsaved("another process keeps a pipe of the same name there", "give each agent an id of its own, then start it again")
        if saving.call is None:
            self._stillness.reset()
        hangs = saving.call is not None and self._stillness.look(saving.call)
        why = saving.failure or ("the store does not answer" if hangs else "")
        return _unsaved(why, "see whether the store of `state` can be reached") if why else None


def _unsaved(why: str, remedy: str) -> Condition:
    return Condition(UNSAVED, 0, f"the state of the pipe cannot be saved: {why}", remedy)
