"""How long a lifecycle may last, and what is said to the machine when it lasts longer."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from fustor_core.state.orders import Event
from fustor_core.state.vocabulary import EventType, LifecycleState

OVERDUE: Final[Mapping[LifecycleState, EventType]] = MappingProxyType(
    {
        LifecycleState.INITIALIZING: EventType.INIT_FAILURE,
        LifecycleState.RECOVERING: EventType.RECOVERY_FAILED,
        LifecycleState.SHUTTING_DOWN: EventType.EMERGENCY_STOP,
    }
)
"""The lifecycles that should pass by themselves, and the event for one that does not. Active and Offline may last."""


class Deadlines:
    """When the machine entered its lifecycle, and when that is overdue. `timer` gives seconds that never go backwards."""

    def __init__(self, seconds: Mapping[LifecycleState, float], timer: Callable[[], float] = time.monotonic) -> None:
        if unknown := [str(lifecycle) for lifecycle in seconds if lifecycle not in OVERDUE]:
            raise ValueError(f"{', '.join(unknown)} may last; deadlines are for {', '.join(map(str, OVERDUE))}")
        self._seconds: Final = dict(seconds)
        self._timer: Final = timer
        self._entered: tuple[LifecycleState, float] | None = None

    def enter(self, lifecycle: LifecycleState) -> None:
        """The machine stands in this lifecycle; called under its lock."""
        if self._entered is None or self._entered[0] is not lifecycle:
            self._entered = lifecycle, self._timer()

    def overdue(self) -> Event | None:
        """What to say to the machine, if its lifecycle is overdue."""
        if self._entered is None or self._entered[0] not in self._seconds:
            return None
        lifecycle, since = self._entered
        if self._timer() - since < self._seconds[lifecycle]:
            return None
        return OVERDUE[lifecycle], {"reason": f"{lifecycle} for longer than {self._seconds[lifecycle]:g} s"}
