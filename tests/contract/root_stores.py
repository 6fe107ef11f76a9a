"""An agent that tells a root store what it saw, and what the store has then: for the contract of root stores."""

from fustor_core.evidence import Evidence
from fustor_core.wire import Identity, Via
from fustor_fusion.query import Usage
from fustor_fusion.stores import Contribution, Outcome, RootStore
from tests.oracle import entry_of, every_child

IDENTITY = Identity("ext4", "0123", 2)
DIRECTORY = entry_of("d", 1)
FILE = entry_of("f", 2)


class Agent:
    """An agent that leads: it commits one frame after the other, and follows live what it lists from stamp 1 on."""

    def __init__(self, store: RootStore, name: str = "nas1", watching_since: int | None = 1) -> None:
        self.store, self.name, self.watching_since, self.sequence = store, name, watching_since, 0
        self.store.open_session(name, "run", "session", IDENTITY, 1)

    def frame(self, *evidence: Evidence, **details: object) -> Contribution:
        self.sequence += 1
        settings: dict[str, object] = {"via": Via.LIVE, "watching_since": self.watching_since, **details}
        return Contribution(self.name, "run", "session", self.sequence, evidence=evidence, **settings)  # type: ignore[arg-type]

    def says(self, *evidence: Evidence, drop_to: int = 0, **details: object) -> Outcome:
        (outcome,) = self.store.commit([self.frame(*evidence, **details)], 1000, drop_to)
        assert outcome.problem is None
        return outcome


def names(store: RootStore, path: bytes) -> list[bytes]:
    with store.reading() as reading:
        return [found.path for found in every_child(reading, path)]


def usage(store: RootStore, path: bytes) -> Usage | None:
    with store.reading() as reading:
        return reading.usage(path)
