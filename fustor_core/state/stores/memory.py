"""Machines kept as long as the process lives: for tests, and where nothing need outlive it."""

import threading
from collections import deque
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from fustor_core.state.errors import ConcurrentUpdateError
from fustor_core.state.stores import HISTORY_KEPT, Fields, Mark, StoredStep, first_to_go


class MemoryStateStore:
    """The state store that needs nothing (`fustor_core.state.stores.StateStore`)."""

    def __init__(self, *, history: int = HISTORY_KEPT) -> None:
        self._lock: Final = threading.Lock()
        self._records: Final[dict[str, Fields]] = {}
        self._steps: Final[dict[str, deque[StoredStep]]] = {}
        self._history: Final = history

    def load(self, machine: str) -> Fields | None:
        return self._records.get(machine)

    def save(self, machine: str, fields: Fields, steps: Sequence[StoredStep], expected: Mark | None) -> None:
        with self._lock:
            stored = self._records.get(machine)
            if stored is not None and stored.get("event") == fields["event"]:
                return
            if (None if stored is None else Mark.of(stored)) != expected:
                raise ConcurrentUpdateError(f"{machine} was saved by another writer; restore it and decide again")
            rows = self._steps.setdefault(machine, deque(maxlen=self._history))
            while rows and rows[-1].version >= first_to_go(fields, steps):
                rows.pop()
            rows.extend(steps)
            self._records[machine] = MappingProxyType(dict(fields))

    def steps(self, machine: str, limit: int) -> list[StoredStep]:
        with self._lock:
            return list(self._steps.get(machine, ()))[-limit:]

    def close(self) -> None:
        pass
