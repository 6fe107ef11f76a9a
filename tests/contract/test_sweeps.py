"""What every root store promises about listings of large directories, which are applied little by little (`fustor_fusion.merge.sweep`)."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fustor_core.evidence import Entry, Evidence, Gone, Listing, Seen
from fustor_core.wire import Via
from fustor_fusion.merge.guard import GuardRules
from fustor_fusion.stores import RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from tests.contract.root_stores import DIRECTORY, FILE, Agent, names, usage

LARGE = 10
NO_GUARD = GuardRules(max_loss=1.0)

Opener = Callable[[GuardRules], RootStore]


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    def opened(rules: GuardRules) -> RootStore:
        return MemoryStore(rules, large=LARGE) if request.param == "memory" else SqliteStore(tmp_path / "root.db", rules, large=LARGE)

    return opened


def files(count: int) -> dict[bytes, Entry]:
    return {b"f%02d" % number: msgspec.structs.replace(FILE, inode=100 + number) for number in range(count)}


def listed(agent: Agent) -> None:
    """A root with a directory of 30 files, and beside it another."""
    agent.says(Listing(b"", 10, {b"big": DIRECTORY, b"small": DIRECTORY}), Listing(b"small", 11, {}), via=Via.SNAPSHOT, begins=Via.SNAPSHOT)
    agent.says(Listing(b"big", 12, files(30)), via=Via.SNAPSHOT)
    assert not agent.store.sweeping, "there was nothing to compare it with"


def is_fresh(store: RootStore, path: bytes) -> bool:
    with store.reading() as reading:
        return reading.trust(path).fresh


def finish(store: RootStore) -> int:
    slices = 0
    while store.sweeping:
        store.sweep(4, 1000)
        slices += 1
    return slices


def test_it_is_applied_in_slices_and_not_vouched_for_before_the_last(open_store: Opener) -> None:
    agent = Agent(open_store(NO_GUARD))
    store = agent.store
    listed(agent)
    agent.says(Listing(b"big", 20, files(3)))
    assert [sweep.listing.path for sweep in store.sweeping] == [b"big"]
    assert len(names(store, b"big")) == 30
    assert not is_fresh(store, b"big")
    assert is_fresh(store, b"small")
    assert finish(store) > 5
    assert names(store, b"big") == [b"big/f00", b"big/f01", b"big/f02"]
    found = usage(store, b"big")
    assert found is not None
    assert found.files == 3
    assert is_fresh(store, b"big")
    store.close()


def test_a_first_listing_of_which_something_was_known_before(open_store: Opener) -> None:
    """Each kind of thing that may be known under a name: nothing, the same, another, that it went later, that it was there later."""
    agent = Agent(open_store(NO_GUARD))
    store = agent.store
    agent.says(Listing(b"", 10, {b"big": DIRECTORY}), via=Via.SNAPSHOT, begins=Via.SNAPSHOT)
    early, late = files(30)[b"f01"], msgspec.structs.replace(files(30)[b"f02"], size=9)
    agent.says(
        Seen(b"big/f01", 11, early), Seen(b"big/f02", 25, late), Gone(b"big/f03", 25), Gone(b"big/f04", 15), Seen(b"big/later", 25, FILE)
    )
    with store.reading() as reading:
        told = reading.change_span().last
    agent.says(Listing(b"big", 20, files(30)), via=Via.SNAPSHOT)
    assert [sweep.listing.path for sweep in store.sweeping] == [b"big"]
    finish(store)
    assert names(store, b"big") == [b"big/" + name for name in sorted([*files(30), b"later"]) if name != b"f03"]
    found = usage(store, b"big")
    assert found is not None
    assert (found.files, found.bytes) == (30, 28 * FILE.size + 9 + FILE.size)
    with store.reading() as reading:
        changes = {(change.kind, change.path) for change in reading.changes(told, 100)}
    assert changes == {("listed", b"big")}, "a change for each would push out what tells something"
    store.close()


def test_a_slice_of_very_many_names(open_store: Opener) -> None:
    agent = Agent(open_store(NO_GUARD))
    store = agent.store
    agent.says(Listing(b"", 10, {b"big": DIRECTORY}), Listing(b"big", 11, files(700)), via=Via.SNAPSHOT, begins=Via.SNAPSHOT)
    grown = {name: msgspec.structs.replace(entry, size=FILE.size + 1) for name, entry in files(1_000).items()}
    agent.says(Listing(b"big", 20, grown))
    while store.sweeping:
        store.sweep(5_000, 1000)
    found = usage(store, b"big")
    assert found is not None
    assert (found.files, found.bytes) == (1_000, 1_000 * (FILE.size + 1))
    store.close()


def test_what_is_found_where_much_was_known_is_told_of_one_by_one(open_store: Opener) -> None:
    agent = Agent(open_store(NO_GUARD))
    store = agent.store
    listed(agent)
    with store.reading() as reading:
        told = reading.change_span().last
    agent.says(Listing(b"big", 20, files(32)), via=Via.AUDIT)
    finish(store)
    with store.reading() as reading:
        assert {(change.kind, change.via, change.path) for change in reading.changes(told, 100)} == {
            ("appeared", "audit", b"big/f30"),
            ("appeared", "audit", b"big/f31"),
        }
        assert reading.drifts().total.missing == 2
    store.close()


def test_others_are_heard_between_slices(open_store: Opener) -> None:
    agent = Agent(open_store(NO_GUARD))
    store = agent.store
    listed(agent)
    agent.says(Listing(b"big", 20, {}))
    for number in range(6):
        store.sweep(4, 1000)
        agent.says(Seen(b"small/new%d" % number, 30 + number, FILE), Seen(b"big/new%d" % number, 40 + number, FILE))
        assert len(names(store, b"small")) == number + 1
    finish(store)
    assert names(store, b"big") == [b"big/new%d" % number for number in range(6)]
    store.close()


def test_what_goes_while_it_is_compared_is_not_counted_twice(open_store: Opener) -> None:
    agent = Agent(open_store(GuardRules(min_entries=10)))
    store = agent.store
    listed(agent)
    kept = dict(list(files(30).items())[14:])
    agent.says(Listing(b"big", 20, kept))
    assert store.sweep(25, 1000).held == []
    agent.says(*(Gone(b"big/" + name, 21) for name in list(files(30))[:7]))
    while store.sweeping:
        assert store.sweep(4, 1000).held == []
    assert names(store, b"big") == [b"big/" + name for name in kept]
    store.close()


def test_a_directory_that_came_again_is_lost_again_whatever_it_was_before(open_store: Opener) -> None:
    agent = Agent(open_store(GuardRules(min_entries=10)))
    store = agent.store
    agent.says(Listing(b"", 10, {b"d": DIRECTORY, **files(9)}), via=Via.SNAPSHOT, begins=Via.SNAPSHOT)
    agent.says(Gone(b"d", 20))
    agent.says(Seen(b"d", 21, msgspec.structs.replace(DIRECTORY, inode=999)), Listing(b"d", 22, files(40)), via=Via.SNAPSHOT)
    agent.says(Gone(b"d", 23))
    assert [each.path for each in store.held] == [b"d"]
    agent.says(Listing(b"", 24, files(9)))
    assert len(names(store, b"d")) == 40
    store.close()


def test_a_mass_loss_is_held_back_as_a_whole(open_store: Opener) -> None:
    agent = Agent(open_store(GuardRules(max_loss=0.5, min_entries=20, window=10_000, delay=1_000)))
    store = agent.store
    listed(agent)
    agent.says(Listing(b"big", 20, files(3)))
    held: list[Evidence] = []
    while store.sweeping:
        held += store.sweep(4, 1000).held
    assert [one.path for one in held] == [b"big"]
    assert [each.path for each in store.held] == [b"big"]
    assert len(names(store, b"big")) == 30
    assert not is_fresh(store, b"big")
    store.close()


def test_what_is_still_to_be_applied_stays_above_the_drop_mark(open_store: Opener) -> None:
    """At or below it, nobody knows any more what had gone before."""

    def drop_mark() -> int:
        with agent.store.reading() as reading:
            return reading.record().drop_mark

    agent = Agent(open_store(NO_GUARD))
    listed(agent)
    agent.says(Listing(b"big", 20, files(3)))
    agent.says(Seen(b"small/new", 40, FILE), drop_to=30)
    assert drop_mark() == 19
    finish(agent.store)
    agent.says(Seen(b"small/new", 50, FILE), drop_to=30)
    assert drop_mark() == 30
    agent.store.close()


def test_one_that_is_lost_with_the_process_leaves_its_directory_unlisted(tmp_path: Path) -> None:
    agent = Agent(SqliteStore(tmp_path / "root.db", NO_GUARD, large=LARGE))
    listed(agent)
    agent.says(Listing(b"big", 20, files(3)))
    agent.store.sweep(4, 1000)
    agent.store.close()
    store = SqliteStore(tmp_path / "root.db", NO_GUARD, large=LARGE)
    assert not store.sweeping
    assert not is_fresh(store, b"big")
    with store.reading() as reading:
        assert reading.unlisted(10) == [b"big"]
    store.close()
