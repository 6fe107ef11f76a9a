"""What keeps a pipe from going on though its session stands: a read that hangs, a fusion that is silent, one that commits nothing."""

from typing import Final

from fustor_agent.reading.readers import Readers
from fustor_agent.session.run import SessionRun
from fustor_core.conditions import Conditions
from fustor_core.supervision import Stillness

HANGS: Final = "source-hangs"
SILENT: Final = "fusion-silent"
STALLED: Final = "fusion-stalled"


class Standstill:
    """Looks at the readers of a life and at its session, and keeps their conditions."""

    def __init__(self, readers: Readers, conditions: Conditions) -> None:
        self._readers = readers
        self._conditions = conditions
        self._silence = Stillness()

    def begin(self) -> None:
        """A session begins: it was not silent yet."""
        self._silence.reset()

    def look(self, run: SessionRun | None) -> str:
        """Why nothing goes on at the moment, empty where it does; to be asked every `TICK`."""
        hangs = "a read of the source does not come back" if self._readers.hanging() else ""
        silent = "fusion does not answer" if run is not None and self._silence.look(run.heard) else ""
        stalled = f"fusion commits nothing: {run.stalled}" if run is not None and run.stalled else ""
        self._conditions.note(HANGS, hangs, "see whether the file system hangs; reading goes on when it does")
        self._conditions.note(SILENT, silent, "see whether fusion or the network hangs; the agent keeps trying")
        self._conditions.note(STALLED, stalled, "see to the disk of fusion; nothing is lost: the agent still has what is not acknowledged")
        return hangs or silent or stalled
