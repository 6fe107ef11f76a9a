"""What keeps the store of one root from committing: what its writer tells, and what looks at the writer show."""

import logging
from collections.abc import Callable
from typing import Final

from fustor_core.clock import wall
from fustor_core.errors import StoreDamaged, StoreError
from fustor_core.wire import Condition

log = logging.getLogger(__name__)

STORE_AWAY: Final = "store-unavailable"
STORE_HANGS: Final = "store-hangs"
STORE_DAMAGED: Final = "store-damaged"
FAULTS: Final = (STORE_DAMAGED, STORE_AWAY)
STALLS: Final = (*FAULTS, STORE_HANGS)
"""What stops the work of a root: nothing is acknowledged while one of them stands."""


class StoreWatch:
    """The conditions of the store of a root. `changed` is called with the reason why nothing is committed, and with an empty one when
    something is again."""

    def __init__(self, root: str, changed: Callable[[str], None]) -> None:
        self._root = root
        self._changed = changed
        self._standing: dict[str, Condition] = {}

    @property
    def conditions(self) -> list[Condition]:
        return list(self._standing.values())

    @property
    def why(self) -> str:
        """Why nothing is committed at the moment; empty where that is not so."""
        return next((one.message for one in self._standing.values()), "")

    def problem(self, error: StoreError | None) -> None:
        """The store cannot commit, or (None) it can again. What is damaged stays so until fusion is started with another file."""
        if isinstance(error, StoreDamaged):
            self._note(STORE_DAMAGED, str(error), "stop fusion, then follow the message; nothing is acknowledged until then")
        else:
            message = str(error) if error else None
            self._note(STORE_AWAY, message, "make room, or see what ails the disk; nothing is acknowledged until then")

    def look(self, hangs: bool) -> None:
        """Whether the store does not come back with what it was asked for."""
        message = "the store does not come back with a commit" if hangs else None
        self._note(STORE_HANGS, message, "see whether its disk hangs; nothing is acknowledged until it answers")

    def _note(self, kind: str, message: str | None, remedy: str) -> None:
        if (message is None) == (kind not in self._standing):
            return
        if message is None:
            del self._standing[kind]
            log.info("the store of the root commits again", extra={"root": self._root})
        else:
            self._standing[kind] = Condition(kind, wall(), message, remedy)
            log.error("nothing is committed: %s", message, extra={"root": self._root})
        self._changed(self.why)
