"""What is not as it should be with one pipe: facts with a remedy, each raised and cleared by whoever can know."""

from collections.abc import Callable, Iterable

from fustor_core.clock import wall
from fustor_core.state import EventType, HealthState
from fustor_core.wire import Condition


def _nobody() -> None:
    pass


class Conditions:
    """The conditions of one pipe, one of each type. `changed` is called when the first appears and when the last goes."""

    def __init__(self) -> None:
        self._standing: dict[str, Condition] = {}
        self.changed: Callable[[], None] = _nobody

    def add(self, kind: str, message: str, remedy: str) -> None:
        """The condition stands; since when stays as it is if it stood already."""
        known = self._standing.get(kind)
        first = not self._standing
        self._standing[kind] = Condition(kind, known.since if known else wall(), message, remedy)
        if first:
            self.changed()

    def note(self, kind: str, message: str, remedy: str) -> None:
        """The condition stands, or with an empty message it does not."""
        if message:
            self.add(kind, message, remedy)
        else:
            self.clear(kind)

    def clear(self, *kinds: str) -> None:
        """These conditions stand no more."""
        stood = bool(self._standing)
        for kind in kinds:
            self._standing.pop(kind, None)
        if stood and not self._standing:
            self.changed()

    def keep_only(self, kinds: Iterable[str]) -> None:
        """All others stand no more: what raised them is no longer at work."""
        self.clear(*(self._standing.keys() - set(kinds)))

    def replace(self, kinds: set[str], standing: list[Condition]) -> None:
        """Of these kinds exactly `standing` stand."""
        self.clear(*(kinds - {one.type for one in standing}))
        for one in standing:
            self.add(one.type, one.message, one.remedy)

    def stands(self, kind: str) -> Condition | None:
        return self._standing.get(kind)

    def all(self) -> list[Condition]:
        return list(self._standing.values())

    def event_for(self, health: HealthState) -> EventType | None:
        """What the health layer is to be told: WARN when the first condition appears, CLEAR_WARNING when the last goes."""
        if self._standing and health is HealthState.HEALTHY:
            return EventType.WARN
        if not self._standing and health is HealthState.WARNING:
            return EventType.CLEAR_WARNING
        return None
