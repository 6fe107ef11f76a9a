"""A view that is a real store of fusion's, told of one piece of evidence after the other."""

from collections.abc import Callable

from fustor_core.clock import boottime
from fustor_core.evidence import Entry, Evidence
from fustor_core.wire import Identity, Via
from fustor_fusion.roots.relooking import Relooking
from fustor_fusion.stores import Contribution, RootStore
from tests.oracle import held, totals

IDENTITY = Identity("ext4", "0123", 2)


class StoredView:
    """What a store holds. `low` is the time at or below which no evidence will follow, so that the store forgets as it does in life."""

    def __init__(self, store: RootStore, low: Callable[[], int]) -> None:
        self._store = store
        self._low = low
        self._sequence = 0
        self._relooking = Relooking(store)
        store.open_session("nas1", "run", "session", IDENTITY, 1)
        self._commit([], Via.SNAPSHOT)

    def apply(self, evidence: Evidence) -> None:
        self._commit([evidence], None)

    def _commit(self, evidence: list[Evidence], begins: Via | None) -> None:
        self._sequence += 1
        told = Contribution("nas1", "run", "session", self._sequence, Via.LIVE, evidence, watching_since=1, begins=begins)
        [outcome] = self._store.commit([told], boottime(), self._low())
        assert (outcome.problem, outcome.stale, outcome.unlike) == (None, [], [])

    def entries(self) -> dict[bytes, Entry | None]:
        with self._store.reading() as reading:
            return {path: entry for path, (_, entry) in held(reading).items()}

    def relook(self, look: Callable[[list[bytes]], None]) -> bool:
        """Have the other names of hard links looked at; whether there was anything to look into."""
        while self._store.purge(1_000):
            pass
        relook = self._relooking.next()
        look(list(relook.paths))
        self._store.forget_links(relook.notes)
        return bool(relook.notes)

    def assert_sound(self) -> None:
        """The totals are the sum of what is held, everything has been listed, and nothing is unreadable."""
        with self._store.reading() as reading:
            assert reading.usage(b"") == totals(held(reading), b"")
            trust = reading.trust(b"")
        assert (trust.fresh, trust.unreadable) == (True, 0)
