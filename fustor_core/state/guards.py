"""What may stand in the way of an order that the tables allow: locks, and the latch of an emergency stop."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from fustor_core.state.errors import LayerViolationError, LockedError
from fustor_core.state.orders import Order
from fustor_core.state.step import Refusal
from fustor_core.state.tables import LAYER_OF
from fustor_core.state.vocabulary import LAYERS, EventType, HealthState, Layer, MachineState


class Lock(NamedTuple):
    """Who keeps a layer as it is, and why."""

    owner: str
    reason: str

    def __str__(self) -> str:
        return f"{self.owner}: {self.reason}"


class Guards(NamedTuple):
    """What stands in the way on one machine.

    A lock refuses the events that speak to its layer. It does not refuse what another layer forces on it: a lock that kept a task
    Running through a fault would make the state a lie. EMERGENCY_STOP and PRIORITY_OVERRIDE pass.
    """

    locks: Mapping[Layer, Lock] = MappingProxyType({})
    latched: bool = False
    """Does Critical need RECOVER before START?"""

    def refusal(self, state: MachineState, order: Order) -> Refusal | None:
        """Why an order that would change this state must wait, or None."""
        if self.latched and order.event is EventType.START and state.health is HealthState.CRITICAL:
            return Refusal(LayerViolationError, "health is Critical and latched; RECOVER first")
        layer = _SPEAKS_TO.get(order.event)
        lock = self.locks.get(layer) if layer is not None else None
        return None if lock is None else Refusal(LockedError, f"{layer} is locked by {lock}")

    def locked(self, layer: Layer, lock: Lock) -> "Guards":
        return self._replace(locks=MappingProxyType({**self.locks, layer: lock}))

    def unlocked(self, layer: Layer) -> "Guards":
        return self._replace(locks=MappingProxyType({name: lock for name, lock in self.locks.items() if name != layer}))


_SPEAKS_TO: Final[Mapping[EventType, Layer]] = MappingProxyType({**LAYER_OF, EventType.INTERRUPT: "operational"})


def check_layer(layer: str) -> Layer:
    """The layer of this name; a `ValueError` if there is none."""
    for known in LAYERS:
        if layer == known:
            return known
    raise ValueError(f"a layer is one of {', '.join(LAYERS)}, not {layer!r}")
