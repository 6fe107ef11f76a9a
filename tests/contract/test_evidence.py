"""What evidence means to every root store (DESIGN §2): the newest about a path wins, and nothing else decides."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from fustor_core.digest import listing_digest
from fustor_core.evidence import Gone, Kind, Listing, Same, Seen
from fustor_fusion.merge.nodes import Directory
from fustor_fusion.query import Instant, Usage
from fustor_fusion.stores import RootStore
from fustor_fusion.stores.memory import MemoryTree
from fustor_fusion.stores.sqlite_tree import SqliteTree
from tests.contract.root_stores import DIRECTORY, FILE, Agent, names, usage
from tests.oracle import held


def test_a_new_root_is_an_empty_directory_of_which_nothing_is_known(store: RootStore) -> None:
    with store.reading() as reading:
        root = reading.find(b"")
        assert root is not None
        assert (root.kind, root.entry, root.path) == (Kind.DIRECTORY, None, b"")
        assert reading.children(b"", None, 10) == []
        assert reading.usage(b"") == Usage(0, 1, 0, 0, 0, None)
        assert not reading.trust(b"").fresh
        assert reading.record().clock
        assert reading.agents() == []


def test_an_older_listing_changes_nothing(agent: Agent) -> None:
    agent.says(Listing(b"", 20, {b"new": FILE}))
    agent.says(Listing(b"", 10, {b"old": FILE}))
    assert names(agent.store, b"") == [b"new"]


def test_a_child_known_from_newer_evidence_is_left_alone_by_a_listing(agent: Agent) -> None:
    agent.says(Seen(b"new", 20, FILE), Gone(b"gone", 21))
    agent.says(Listing(b"", 10, {b"gone": FILE, b"other": FILE}))
    assert names(agent.store, b"") == [b"new", b"other"]


def test_what_was_seen_has_ancestors_whose_attributes_are_not_known_yet(agent: Agent) -> None:
    agent.says(Seen(b"a/b/c", 10, FILE))
    with agent.store.reading() as reading:
        implied = reading.find(b"a/b")
        assert implied is not None
        assert (implied.kind, implied.entry) == (Kind.DIRECTORY, None)
    agent.says(Listing(b"a", 9, {b"b": DIRECTORY}))
    with agent.store.reading() as reading:
        implied = reading.find(b"a/b")
        assert implied is not None
        assert implied.entry == DIRECTORY


def test_evidence_from_before_a_directory_was_removed_is_dead(agent: Agent) -> None:
    agent.says(Gone(b"a", 20), Seen(b"a/new", 30, FILE))
    agent.says(Seen(b"a/old", 10, FILE))
    assert names(agent.store, b"a") == [b"a/new"]


def test_a_removed_directory_is_gone_with_all_below_it(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": DIRECTORY}), Listing(b"a", 11, {b"b": DIRECTORY}), Listing(b"a/b", 12, {b"c": FILE}))
    agent.says(Gone(b"a", 20))
    with agent.store.reading() as reading:
        assert held(reading).keys() == {b""}
        assert reading.usage(b"") == Usage(0, 1, 0, 0, 0, None)
        assert reading.find(b"a/b/c") is None
    while agent.store.purge(1):
        pass
    with agent.store.reading() as reading:
        assert held(reading).keys() == {b""}


def test_a_directory_that_is_itself_the_latest_is_not_looked_through_for_another(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bytes] = []
    for tree in MemoryTree, SqliteTree:
        monkeypatch.setattr(tree, "newest", noting(looked, tree.newest))
    agent.says(Listing(b"", 10, {b"d": replace(DIRECTORY, mtime=100, mtime_ns=0), b"e": replace(DIRECTORY, mtime=40)}))
    agent.says(*(Listing(path, 11, {b"f": replace(FILE, mtime=100, mtime_ns=0)}) for path in (b"d", b"e")))
    agent.says(Gone(b"d/f", 20))
    assert b"d" not in looked
    agent.says(Gone(b"e/f", 21))
    assert b"e" in looked
    found = [usage(agent.store, path) for path in (b"", b"d", b"e")]
    assert [each and each.newest and each.newest[0] for each in found] == [100, 100, 40]


def noting(looked: list[bytes], newest: Callable[[Any, Directory], Instant | None]) -> Callable[[Any, Directory], Instant | None]:
    """The same, that also says of which directory it was asked."""

    def noted(tree: Any, directory: Directory) -> Instant | None:
        looked.append(directory.name)
        return newest(tree, directory)

    return noted


def test_what_a_contribution_brings_first_is_applied_first_and_repeats_are_harmless(agent: Agent) -> None:
    evidence = Listing(b"", 10, {b"a": FILE}), Seen(b"b", 11, FILE), Gone(b"a", 12)
    for _ in range(3):
        agent.says(*evidence)
    assert names(agent.store, b"") == [b"b"]


def test_the_same_listing_by_its_digest_is_that_listing(agent: Agent) -> None:
    entries = {b"a": FILE, b"d": DIRECTORY}
    agent.says(Listing(b"", 10, entries))
    assert agent.says(Same(b"", 20, listing_digest(entries))).unlike == []
    with agent.store.reading() as reading:
        assert reading.trust(b"").listed_at == 20
    agent.says(Gone(b"a", 15))  # older than the listing that Same stood for
    assert names(agent.store, b"") == [b"a", b"d"]


def test_a_directory_that_is_unlike_is_asked_for(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": FILE, b"d": DIRECTORY}))
    assert agent.says(Same(b"", 20, listing_digest({b"a": FILE}))).unlike == [b""]
    assert agent.says(Same(b"nowhere", 9, listing_digest({}))).unlike == []  # known to be absent: nothing to ask
    assert agent.says(Same(b"nowhere", 21, listing_digest({}))).unlike == [b"nowhere"]
    with agent.store.reading() as reading:
        assert reading.trust(b"").listed_at == 10


def test_the_digest_does_not_depend_on_the_order_of_the_listing() -> None:
    assert listing_digest({b"a": FILE, b"b": DIRECTORY}) == listing_digest({b"b": DIRECTORY, b"a": FILE})
    assert len({listing_digest(each) for each in ({}, {b"a": FILE}, {b"b": FILE}, {b"a": DIRECTORY})}) == 4


def test_a_part_of_a_listing_is_refused_before_anything_is_applied(agent: Agent) -> None:
    with pytest.raises(ValueError, match="the receiver joins the parts"):
        agent.store.commit([agent.frame(Seen(b"a", 10, FILE)), agent.frame(Listing(b"", 11, {}, part=1, last=False))], 1000, 0)
    assert names(agent.store, b"") == []
    agent.sequence = 0
    agent.says(Seen(b"a", 10, FILE))


def test_evidence_at_or_below_the_drop_mark_is_to_be_read_again(agent: Agent) -> None:
    agent.says(drop_to=50)
    outcome = agent.says(Seen(b"a", 50, FILE), Seen(b"b", 51, FILE), Listing(b"c", 7, {}), drop_to=10)
    assert outcome.stale == [b"a", b"c"]
    assert names(agent.store, b"") == [b"b"]


def test_attributes_not_newer_than_a_floor_stay_unknown_when_the_floor_is_dropped(agent: Agent) -> None:
    agent.says(Seen(b"a", 10, DIRECTORY), Seen(b"a/b", 30, FILE), Gone(b"a", 20), drop_to=25)
    with agent.store.reading() as reading:
        directory = reading.find(b"a")
        assert directory is not None
        assert directory.entry is None
    assert usage(agent.store, b"a") == Usage(1, 1, 0, FILE.size, FILE.allocated, (FILE.mtime, FILE.mtime_ns))


def test_evidence_that_raises_the_mark_is_applied_before_it(agent: Agent) -> None:
    assert agent.says(Seen(b"a", 10, FILE), drop_to=10).stale == []
    assert names(agent.store, b"") == [b"a"]
