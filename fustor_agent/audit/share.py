"""How far audits may go on at the moment, and which of what they find is theirs. Pure."""

from collections.abc import Sequence

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Lists, Priority
from fustor_core.evidence import Evidence, Listing, Same
from fustor_core.wire import Via


class AuditShare:
    """What the readers of one session do for audits. `directories` is how many they have listed."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._going_on = False
        self._round_left = 0
        self.directories = 0

    def go_on(self, round_directories: int) -> None:
        """Audits may go on, and so may the round, for so many directories."""
        self._going_on, self._round_left = True, round_directories

    def rest(self) -> None:
        """Audits stay where they are, except for what fusion waits for."""
        self._going_on = False

    def walks(self) -> tuple[Priority, ...]:
        """The audits that may go on."""
        if not self._going_on:
            return ()
        return (Priority.AUDIT, Priority.ROUND) if self._round_left > 0 else (Priority.AUDIT,)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to read of the audits that may go on."""
        outbox = self._outbox
        round_rests = outbox.idle(Priority.ROUND) or (self._round_left <= 0 and not outbox.running(Priority.ROUND))
        return round_rests and outbox.idle(Priority.AUDIT)

    def listed(self, work: Lists, directories: int) -> None:
        """So many directories have been listed for this work."""
        if work.priority.audits and not work.glance:
            self.directories += directories
        if work.priority is Priority.ROUND:
            self._round_left -= directories

    def labels(self, evidence: Sequence[Evidence]) -> list[Via]:
        """What an audit found is its own only where no event tells of the same. All events from before the reading ended are in the outbox
        already."""
        return [Via.LIVE if self._is_told(one) else Via.AUDIT for one in evidence]

    def _is_told(self, one: Evidence) -> bool:
        if isinstance(one, Same):
            return False  # says nothing new
        return self._outbox.tells_of(one.path) or (isinstance(one, Listing) and self._outbox.tells_of_any(one.path, one.entries))
