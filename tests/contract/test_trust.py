"""What every root store vouches for (DESIGN §5): totals of all below a path, and whether all of it was listed since watching began."""

import pytest

from fustor_core.digest import listing_digest
from fustor_core.evidence import Gone, Listing, Same, Seen, Unreadable
from fustor_core.wire import Via
from fustor_fusion.query import Usage
from fustor_fusion.stores import RootStore
from tests.contract.root_stores import DIRECTORY, FILE, Agent, names, usage
from tests.oracle import entry_of


def fresh(store: RootStore, path: bytes) -> bool:
    with store.reading() as reading:
        return reading.trust(path).fresh


def test_usage_counts_all_below_and_the_path_itself(agent: Agent) -> None:
    link, pipe = entry_of("l", 5), entry_of("p", 6)
    agent.says(Listing(b"", 10, {b"d": DIRECTORY, b"f": FILE}), Listing(b"d", 11, {b"l": link, b"p": pipe, b"g": entry_of("f", 4)}))
    known = [DIRECTORY, link, pipe, entry_of("f", 4)]
    newest = max((entry.mtime, entry.mtime_ns) for entry in known)
    assert usage(agent.store, b"d") == Usage(1, 1, 2, 12, sum(entry.allocated for entry in known), newest)
    assert usage(agent.store, b"f") == Usage(1, 0, 0, 6, 1024, (2, 2))
    assert usage(agent.store, b"d/l") == Usage(0, 0, 1, 0, link.allocated, (link.mtime, link.mtime_ns))
    assert usage(agent.store, b"nowhere") is None


def test_the_newest_change_falls_back_when_the_newest_goes(agent: Agent) -> None:
    agent.says(Seen(b"a/b/new", 10, entry_of("f", 6)), Seen(b"a/old", 11, entry_of("f", 3)), Seen(b"x", 12, entry_of("f", 4)))
    agent.says(Gone(b"a/b/new", 20))
    for path, mark in ((b"a/b", None), (b"a", 3), (b"", 4)):
        found = usage(agent.store, path)
        assert found is not None
        assert found.newest == (None if mark is None else (mark % 7, mark % 3))


def test_a_root_is_fresh_when_everything_was_listed_since_watching_began(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": DIRECTORY, b"b": DIRECTORY}))
    assert not fresh(agent.store, b"")
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 20, {b"a": DIRECTORY, b"b": DIRECTORY}), Listing(b"a", 21, {b"f": FILE}))
    assert fresh(agent.store, b"a")
    assert fresh(agent.store, b"a/f")
    assert fresh(agent.store, b"a/nowhere/at/all")
    assert fresh(agent.store, b"nowhere")
    assert not fresh(agent.store, b"b")
    assert not fresh(agent.store, b"")
    agent.says(Listing(b"b", 22, {}), clean_to=23)
    assert fresh(agent.store, b"")
    with agent.store.reading() as reading:
        assert reading.record().as_of == 23
        assert (reading.trust(b"a").listed_at, reading.trust(b"a/f").listed_at, reading.trust(b"zz").listed_at) == (21, 21, 20)
    agent.says(Seen(b"b/new", 24, DIRECTORY), clean_to=30)
    assert not fresh(agent.store, b"")
    with agent.store.reading() as reading:
        assert reading.record().as_of == 23
    agent.says(Gone(b"b/new", 25), clean_to=31)
    assert fresh(agent.store, b"")
    with agent.store.reading() as reading:
        assert reading.record().as_of == 31


@pytest.mark.parametrize("phase", [Via.SNAPSHOT, Via.AUDIT])
def test_what_was_listed_for_another_watching_is_fresh_no_more(store: RootStore, phase: Via) -> None:
    first, second = Agent(store, "nas1", 5), Agent(store, "nas2", 30)
    first.says(begins=Via.SNAPSHOT)
    first.says(Listing(b"", 10, {b"a": DIRECTORY}), Listing(b"a", 11, {}))
    assert fresh(store, b"")
    first.says(begins=Via.AUDIT)
    assert fresh(store, b"")
    second.says(begins=phase)
    assert not fresh(store, b"")
    second.says(Listing(b"", 40, {b"a": DIRECTORY}))
    first.says(begins=phase)  # the first watching is back, but who followed meanwhile what it had listed?
    assert not fresh(store, b"a")
    first.says(Listing(b"", 50, {b"a": DIRECTORY}), Listing(b"a", 51, {}))
    assert fresh(store, b"")


def test_the_oldest_listing_at_and_below_a_path(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": DIRECTORY, b"f": FILE}), Listing(b"a", 30, {b"b": DIRECTORY, b"g": FILE}), Listing(b"a/b", 20, {}))

    def oldest(path: bytes, most: int = 100) -> int | None:
        with agent.store.reading() as reading:
            return reading.oldest_listing(path, most)

    assert [oldest(path) for path in (b"", b"a", b"a/b", b"f", b"a/g", b"a/none")] == [10, 20, 20, 10, 30, 30]
    assert (oldest(b"a", 4), oldest(b"a", 2)) == (20, None)
    agent.says(Same(b"", 40, listing_digest({b"a": DIRECTORY, b"f": FILE})))
    assert oldest(b"") == 20
    agent.says(Seen(b"a/new", 50, DIRECTORY))
    assert oldest(b"") is None
    assert oldest(b"a/b") == 20


def test_a_listing_of_an_agent_that_does_not_lead_makes_nothing_fresh(store: RootStore) -> None:
    leader, follower = Agent(store, "nas1"), Agent(store, "nas2", None)
    leader.says(begins=Via.SNAPSHOT)
    follower.says(Listing(b"", 10, {}))
    assert not fresh(store, b"")


def unlisted(store: RootStore, limit: int = 10) -> set[bytes]:
    with store.reading() as reading:
        return set(reading.unlisted(limit))


def test_what_a_leader_has_not_listed_is_found_wherever_it_lies(store: RootStore) -> None:
    leader, follower = Agent(store, "nas1"), Agent(store, "nas2", None)
    assert unlisted(store) == {b""}
    leader.says(begins=Via.SNAPSHOT)
    leader.says(Listing(b"", 10, {b"a": DIRECTORY, b"f": FILE}), Listing(b"a", 11, {b"b": DIRECTORY, b"c": DIRECTORY}))
    assert unlisted(store) == {b"a/b", b"a/c"}
    assert len(unlisted(store, 1)) == 1
    leader.says(Listing(b"a/b", 12, {}), Unreadable(b"a/c", 13, "permission denied"))
    assert unlisted(store) == set()
    follower.says(Seen(b"a/new/deep/f", 20, FILE), Listing(b"a/other", 21, {b"below": DIRECTORY}))
    assert unlisted(store) == {b"a/new", b"a/new/deep", b"a/other", b"a/other/below"}
    leader.says(Gone(b"a/new", 30), Listing(b"a/other", 31, {b"below": entry_of("d", 3, mount=-1)}))
    assert unlisted(store) == set()


def test_what_is_unlisted_is_counted_anew_with_each_watching(store: RootStore) -> None:
    leader = Agent(store, "nas1")
    leader.says(begins=Via.SNAPSHOT)
    leader.says(Listing(b"", 10, {b"%04d" % each: DIRECTORY for each in range(1_200)}))
    leader.says(*(Listing(b"%04d" % each, 11 + each, {}) for each in range(1_200)))
    assert unlisted(store, 2_000) == set()
    Agent(store, "nas2", 1_300).says(begins=Via.AUDIT)
    assert len(unlisted(store, 2_000)) == 1_201


def test_a_mount_point_that_is_not_followed_need_not_be_listed(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 10, {b"proc": entry_of("d", 3, mount=-1)}))
    assert fresh(agent.store, b"")
    agent.says(Seen(b"proc", 11, entry_of("d", 3)))  # unmounted
    assert not fresh(agent.store, b"")
    agent.says(Listing(b"proc", 12, {}))
    assert fresh(agent.store, b"")
    agent.says(Seen(b"proc", 13, entry_of("d", 3, mount=-1)))
    assert fresh(agent.store, b"")


def test_a_directory_that_cannot_be_read_keeps_its_children_and_is_not_fresh(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 10, {b"a": DIRECTORY}), Listing(b"a", 11, {b"f": FILE}))
    agent.says(Unreadable(b"a", 20, "permission denied"), clean_to=21)
    assert names(agent.store, b"a") == [b"a/f"]
    with agent.store.reading() as reading:
        assert [(reading.trust(path).fresh, reading.trust(path).unreadable) for path in (b"", b"a")] == [(False, 1), (False, 1)]
        assert reading.record().as_of == 0
    agent.says(Unreadable(b"a", 21, "permission denied"), Listing(b"a", 19, {b"f": FILE}))
    with agent.store.reading() as reading:
        assert reading.trust(b"").unreadable == 1
    agent.says(Listing(b"a", 22, {b"f": FILE}))
    with agent.store.reading() as reading:
        assert (reading.trust(b"").fresh, reading.trust(b"").unreadable) == (True, 0)
    agent.says(Unreadable(b"a", 30, "permission denied"), Gone(b"a", 31))
    with agent.store.reading() as reading:
        assert (reading.trust(b"").fresh, reading.trust(b"").unreadable) == (True, 0)


def test_nothing_is_vouched_for_below_a_directory_that_cannot_be_read(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 10, {b"a": DIRECTORY, b"b": DIRECTORY}), Listing(b"b", 11, {b"f": FILE}))
    agent.says(Listing(b"a", 12, {b"c": DIRECTORY}), Listing(b"a/c", 13, {b"f": FILE}))
    agent.says(Unreadable(b"a", 20, "permission denied"), clean_to=21)

    def vouched() -> dict[bytes, tuple[bool, int, int]]:
        with agent.store.reading() as reading:
            trusts = {path: reading.trust(path) for path in (b"", b"a", b"a/c", b"a/c/f", b"a/c/new", b"b", b"b/f")}
        return {path: (trust.fresh, trust.unreadable, trust.unreached) for path, trust in trusts.items()}

    below = dict.fromkeys((b"a", b"a/c", b"a/c/f", b"a/c/new"), (False, 1, 1))
    assert vouched() == {b"": (False, 1, 0), **below, b"b": (True, 0, 0), b"b/f": (True, 0, 0)}
    agent.says(Listing(b"a", 30, {b"c": DIRECTORY}))
    assert set(vouched().values()) == {(True, 0, 0)}
