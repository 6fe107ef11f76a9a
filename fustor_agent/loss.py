"""A session that is lost: what is shown for it, and from when on it is a fault (STATES §4)."""

import logging
import time
from collections.abc import Callable
from typing import Final

from fustor_agent import phases
from fustor_core.errors import Unreachable
from fustor_core.steering import Steering

log = logging.getLogger(__name__)

DISCONNECTED: Final = "disconnected"


class Loss:
    """Whether the session of a life is lost, since when, and for how long that may be; `clock` is in seconds."""

    def __init__(self, steering: Steering, critical_after: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._steering = steering
        self._critical_after = critical_after
        self._clock = clock
        self._since: float | None = None

    def note(self, error: Unreachable) -> None:
        """The session is lost, or another attempt has failed."""
        if self._since is None:
            self._since = self._clock()
        remedy = "start fusion, or see whether the network lets the agent reach it; the agent keeps trying"
        self._steering.conditions.add(DISCONNECTED, str(error), remedy)
        if self._steering.step(phases.lost(self._steering.state, str(error))):
            log.warning("session lost: %s", error, extra={"pipe": self._steering.machine.id})

    def over(self) -> None:
        """A session stands."""
        self._since = None
        self._steering.conditions.clear(DISCONNECTED)

    def look(self) -> None:
        """See whether it lasts for too long; to be asked every `TICK`."""
        if self._since is not None and self._clock() - self._since > self._critical_after:
            self._since = None
            self._steering.step(phases.fault(self._steering.state, "the session has been lost for too long"))
