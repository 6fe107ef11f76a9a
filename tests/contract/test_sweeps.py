"""What every root store promises about listings of large directories, which are applied little by little (`fustor_fusion.merge.sweep`)."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fustor_core.evidence import Entry, Evidence, Listing, Seen
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
