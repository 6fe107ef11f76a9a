"""Directories that cannot be watched: lists them round after round, and knows up to when all that changed in them has been told. Pure:
times are in ns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.folding import fold
from fustor_agent.outbox.work import Priority

EVERY: Final = 30_000_000_000
"""Between the beginnings of two rounds at least."""
SHARE: Final = 10
"""A round that takes long is followed by the next one only after so many times as long: where very much is unwatched, listing it is not all
that is done."""
MOST_NAMED: Final = 256
"""So many directories are asked for by name; more are told as the whole root."""
MOST_TOLD: Final = 64


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a session is: the frames that were `sent` and `acknowledged`, and whether walks wait to be sent."""

    sent: int
    acknowledged: int
    walks_wait: bool


class Unwatched:
    """The rounds of one source. Everything that changed before `listed_to` in what is or was unwatched (`below`) is committed."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._told: dict[bytes, int] = {}
        self._newer: dict[bytes, int] = {}
        self._began = 0
        self._due = 0
        self._last: int | None = None
        self.listed_to = 0

    def below(self, present: Iterable[bytes]) -> list[bytes]:
        """Where some directories are not watched: `present` are so at the moment. What can be watched again is told until what happened
        before is committed."""
        for directory in present:
            self._told[directory] = self._newer[directory] = 0
        if len(self._told) > MOST_TOLD:
            self._told, self._newer = fold(self._told, MOST_TOLD), fold(self._newer, MOST_TOLD)
        return list(self._told)

    def session_began(self) -> None:
        """Frames are counted anew, and what was not acknowledged is in the outbox again."""
        self._last = None

    def look(self, now: int, noticed_to: int, session: Sent) -> bool:
        """Whether another round begins at this moment. Everything that was watched is known up to `noticed_to`."""
        if not self._told:
            self.listed_to = noticed_to
            return False
        if not self._began:
            if now < self._due:
                return False
            self._began = now
            return True
        if self._last is None:
            if self._outbox.idle(Priority.UNWATCHED) and not session.walks_wait and now > self._began:
                # Whoever can be watched from here on was listed for it before, and that is on its way.
                self._last, self._newer = session.sent, {}
        elif session.acknowledged >= self._last:
            self._end(now)
        return False

    def list_all(self, directories: Sequence[bytes]) -> None:
        """The round is about these."""
        self._outbox.walk(Priority.UNWATCHED, directories, recursive=False)

    def _end(self, now: int) -> None:
        self.listed_to, self._told, self._last = self._began, self._newer, None
        self._newer = dict(self._told)
        self._due, self._began = self._began + max(EVERY, SHARE * (now - self._began)), 0
