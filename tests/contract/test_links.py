"""What every root store promises about things with several names (`fustor_fusion.merge.links`)."""

from pathlib import Path

import msgspec
import pytest

from fustor_core.evidence import Entry, Evidence, Gone, Listing, Seen
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.links import Noted, to_look
from fustor_fusion.roots.relooking import Relooking
from fustor_fusion.stores import Contribution, RootStore
from fustor_fusion.stores.sqlite import SqliteStore
from tests.contract.root_stores import IDENTITY
from tests.oracle import entry_of

DIRECTORY = entry_of("d", 1)
SINGLE = msgspec.structs.replace(entry_of("f", 2), inode=70, nlink=1)
DOUBLE = msgspec.structs.replace(SINGLE, nlink=2)
GROWN = msgspec.structs.replace(DOUBLE, size=99)
INODE = (SINGLE.mount, 70)


class Told:
    """Tells a store one piece of evidence after the other."""

    def __init__(self, store: RootStore) -> None:
        self._store, self._sequence = store, 0
        store.open_session("nas1", "run", "session", IDENTITY, 1)

    def __call__(self, *evidence: Evidence) -> None:
        self._sequence += 1
        contribution = Contribution("nas1", "run", "session", self._sequence, Via.LIVE, evidence)
        [outcome] = self._store.commit([contribution], 1000, 0)
        assert outcome.problem is None
        while self._store.purge(100):
            pass


@pytest.fixture
def tell(store: RootStore) -> Told:
    return Told(store)


def notes(store: RootStore) -> list[Noted]:
    with store.reading() as reading:
        found = reading.links(100)
    assert store.links_noted == bool(found)
    return found


def names(store: RootStore, *, single: bool = False) -> list[bytes]:
    with store.reading() as reading:
        return sorted(found.path for found in reading.names_of([INODE], single=single).get(INODE, []))


def asked(store: RootStore) -> list[bytes]:
    """What is to be looked at; the notes are dealt with."""
    relook = Relooking(store).next()
    store.forget_links(relook.notes)
    return sorted(relook.paths)


def test_what_has_one_name_is_not_noted(store: RootStore, tell: Told) -> None:
    tell(Listing(b"", 10, {b"a": SINGLE, b"d": DIRECTORY}), Seen(b"a", 11, msgspec.structs.replace(SINGLE, size=5)), Gone(b"a", 12))
    assert notes(store) == []
    assert not store.links_noted


def test_names_are_found_wherever_they_are(store: RootStore, tell: Told) -> None:
    tell(Listing(b"", 10, {b"a": DOUBLE, b"d": DIRECTORY}), Listing(b"d", 11, {b"b": DOUBLE}), Seen(b"d/e/c", 12, DOUBLE))
    tell(Seen(b"other", 13, msgspec.structs.replace(DOUBLE, inode=71)), Seen(b"elsewhere", 14, msgspec.structs.replace(DOUBLE, mount=9)))
    assert names(store) == [b"a", b"d/b", b"d/e/c"]
    assert names(store, single=True) == []
    tell(Seen(b"a", 20, SINGLE))
    assert names(store) == [b"d/b", b"d/e/c"]
    assert names(store, single=True) == [b"a"]
    tell(Gone(b"d/e", 21), Gone(b"d/b", 22))
    assert names(store) == []


def test_names_below_what_was_removed_are_no_names(store: RootStore) -> None:
    contribution = Contribution("nas1", "run", "session", 1, Via.LIVE, [Seen(b"d/e/c", 12, DOUBLE), Gone(b"d", 13)])
    store.commit([contribution], 1000, 0)
    assert names(store) == []
    while store.purge(100):
        pass
    assert names(store) == []


def test_one_name_that_differs_has_all_looked_at(store: RootStore, tell: Told) -> None:
    tell(Listing(b"", 10, {b"a": DOUBLE, b"b": DOUBLE}))
    assert asked(store) == []
    tell(Seen(b"a", 20, GROWN))
    assert asked(store) == [b"a", b"b"]
    assert notes(store) == []
    tell(Seen(b"a", 30, GROWN))
    assert notes(store) == []  # nothing has changed: nothing is asked again
    tell(Seen(b"b", 31, GROWN))
    assert asked(store) == []


def test_a_second_name_finds_the_first_that_had_no_company(store: RootStore, tell: Told) -> None:
    tell(Listing(b"", 10, {b"a": SINGLE}), Seen(b"b", 20, DOUBLE))
    assert asked(store) == [b"a", b"b"]


@pytest.mark.parametrize("removal", [Gone(b"d/b", 20), Gone(b"d", 20), Seen(b"d/b", 20, entry_of("f", 5)), Seen(b"d/b", 20, DIRECTORY)])
def test_a_name_that_goes_has_the_others_looked_at(store: RootStore, tell: Told, removal: Evidence) -> None:
    tell(Listing(b"", 10, {b"a": DOUBLE, b"d": DIRECTORY}), Listing(b"d", 11, {b"b": DOUBLE}))
    assert asked(store) == []
    tell(removal)
    assert asked(store) == [b"a"]
    tell(Seen(b"a", 30, SINGLE))
    # The name has no company any more; that it had is looked into once.
    asked(store)
    tell(Seen(b"a", 40, SINGLE))
    assert notes(store) == []


def test_a_note_that_is_made_anew_meanwhile_is_kept(store: RootStore, tell: Told) -> None:
    tell(Seen(b"a", 10, DOUBLE))
    [first] = notes(store)
    tell(Seen(b"a", 20, GROWN))
    store.forget_links([first])
    [second] = notes(store)
    assert second.inode == INODE
    store.forget_links([second])
    assert notes(store) == []


def test_notes_outlast_the_process(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "root.db")
    store.open_session("nas1", "run", "session", Identity("ext4", "0123", 2), 1)
    Told(store)(Seen(b"a", 10, DOUBLE))
    [note] = notes(store)
    store.close()
    store = SqliteStore(tmp_path / "root.db")
    assert notes(store) == [note]
    store.close()


def test_a_scan_that_found_nothing_is_not_repeated(tell: Told, store: RootStore) -> None:
    """A name outside of the root is nowhere to be found, however often the file changes."""
    now = 0.0
    relooking = Relooking(store, lambda: now)
    for at, entry in enumerate((DOUBLE, GROWN, DOUBLE), start=10):
        tell(Seen(b"a", at, entry))
        relook = relooking.next()
        assert (len(relook.notes), relook.paths) == (1, [])
        store.forget_links(relook.notes)


def test_scans_rest_in_proportion_to_what_they_take(tell: Told, store: RootStore) -> None:
    ticks = iter([0.0, 0.0, 1.0, 1.0, 2.0, 22.0, 22.0, 23.0, 23.0])
    relooking = Relooking(store, lambda: next(ticks))
    tell(Seen(b"a", 10, DOUBLE))
    assert len(relooking.next().notes) == 1
    tell(Seen(b"b", 11, msgspec.structs.replace(DOUBLE, inode=71)))
    assert [note.inode for note in relooking.next().notes] == [INODE]  # the other waits
    assert len(relooking.next().notes) == 2


def test_what_is_looked_at() -> None:
    assert to_look([Noted(INODE, True, 1), Noted((0, 5), True, 1)], {}) == []


def test_the_number_of_links_of_a_directory_means_nothing(store: RootStore, tell: Told) -> None:
    many: Entry = msgspec.structs.replace(DIRECTORY, nlink=7, inode=70)
    tell(Listing(b"", 10, {b"d": many}), Seen(b"d", 11, msgspec.structs.replace(many, nlink=8)), Gone(b"d", 12))
    assert notes(store) == []
    assert names(store) == []
