"""What is not as it should be with one pipe: facts with a remedy, each raised and cleared by whoever can know."""

from fustor_core.clock import wall
from fustor_core.state import EventType, HealthState
from fustor_core.wire import Condition


class Conditions:
    """The conditions of one pipe, one of each type."""

    def __init__(self) -> None:
        self._standing: dict[str, Condition] = {}

    def add(self, kind: str, message: str, remedy: str) -> None:
        """The condition stands; since when stays as it is if it stood already."""
        known = self._standing.get(kind)
        self._standing[kind] = Condition(kind, known.since if known else wall(), message, remedy)

    def clear(self, kind: str) -> None:
        """The condition stands no more."""
        self._standing.pop(kind, None)

    def replace(self, kinds: set[str], standing: list[Condition]) -> None:
        """Of these kinds exactly `standing` stand."""
        for kind in kinds - {one.type for one in standing}:
            self.clear(kind)
        for one in standing:
            self.add(one.type, one.message, one.remedy)

    def all(self) -> list[Condition]:
        return list(self._standing.values())

    def event_for(self, health: HealthState) -> EventType | None:
        """What the health layer is to be told: WARN when the first condition appears, CLEAR_WARNING when the last goes."""
        if self._standing and health is HealthState.HEALTHY:
            return EventType.WARN
        if not self._standing and health is HealthState.WARNING:
            return EventType.CLEAR_WARNING
        return None
