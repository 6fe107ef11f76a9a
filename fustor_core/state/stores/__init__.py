"""Where machines are kept: the port, and what every store promises.

A store holds, for each machine, one record and a capped history. It knows neither states nor events: records and steps are mappings of
texts, made and read in `fustor_core.state.stored`. All methods may be called from any thread, and may take as long as a disk or a
network does; what cannot be done at the moment is a `PersistenceError`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

Fields: TypeAlias = Mapping[str, str]
"""A record as it is stored; `epoch`, `version` and `event` are what writers are compared by."""

HISTORY_KEPT: Final = 1000


class Mark(NamedTuple):
    """Which record a writer believes to be stored; texts as they are there, so that a damaged record has one too."""

    epoch: str
    version: str
    event: str

    @classmethod
    def of(cls, fields: Fields) -> "Mark":
        return cls(fields.get("epoch", ""), fields.get("version", ""), fields.get("event", ""))


class StoredStep(NamedTuple):
    """One row of the history: its version, and the step as text."""

    version: int
    text: str


class StateStore(Protocol):
    """Keeps the records of many machines."""

    def load(self, machine: str) -> Fields | None:
        """The record as it is there, whole or not; None where there is none."""

    def save(self, machine: str, fields: Fields, steps: Sequence[StoredStep], expected: Mark | None) -> None:
        """Replace the record and append the steps, in one atomic act, if the record there is the expected one (None: there is none).

        Else nothing changes, and it is a `ConcurrentUpdateError`. Where the record there has this `event` already, it was this very
        call, sent twice, and nothing is done. Rows of the history that are not older than the first step (without steps: newer than the
        record) are of steps that never came to be, and go. A process that is killed leaves all of it or nothing.
        """

    def steps(self, machine: str, limit: int) -> list[StoredStep]:
        """The last rows of the history, oldest first."""

    def close(self) -> None:
        """Let go of files and connections; nothing may be called afterwards."""


def first_to_go(fields: Fields, steps: Sequence[StoredStep]) -> int:
    """The lowest version that a row of the history may not have when this is saved."""
    return steps[0].version if steps else int(fields["version"]) + 1
