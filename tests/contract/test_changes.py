"""What every root store promises about changes: when each thing changed last, by which act, and the feed of all of them."""

from fustor_core.evidence import Gone, Listing, Seen
from fustor_core.wire import Via
from fustor_fusion.merge.changes import KEPT
from fustor_fusion.query import Filter
from fustor_fusion.stores import ChangeSpan, RootStore
from tests.contract.root_stores import DIRECTORY, FILE, Agent
from tests.oracle import entry_of


def test_a_change_is_dated_and_relisting_the_same_is_none(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": FILE, b"d": DIRECTORY}), via=Via.SNAPSHOT)
    agent.says(Listing(b"", 20, {b"a": FILE, b"d": DIRECTORY}), via=Via.AUDIT)
    agent.says(Seen(b"b", 30, FILE), Seen(b"d/x", 31, FILE), via=Via.LIVE)
    agent.says(Listing(b"", 40, {b"a": FILE, b"b": FILE, b"d": entry_of("d", 9)}), via=Via.AUDIT)
    with agent.store.reading() as reading:
        changes = {found.path: (found.changed_at, found.via) for found in reading.children(b"", None, 10)}
    assert changes == {b"a": (10, "snapshot"), b"b": (30, "live"), b"d": (40, "audit")}


def rests(store: RootStore, path: bytes) -> tuple[int, bool]:
    """Since when nothing at or below the path has changed, and whether that is known of all of it."""
    with store.reading() as reading:
        found = reading.find(path)
        assert found is not None
        [same] = reading.search(path, Filter(max_depth=0), None, 1).entries
        assert (same.changed_below, same.fresh, same.newest) == (found.changed_below, found.fresh, found.newest)
        return found.changed_below, found.fresh


def test_a_directory_remembers_when_anything_below_it_changed_last(agent: Agent) -> None:
    agent.says(begins=Via.SNAPSHOT)
    agent.says(Listing(b"", 10, {b"d": DIRECTORY, b"e": DIRECTORY, b"f": FILE}), Listing(b"d", 11, {b"f": FILE, b"g": FILE}))
    assert (rests(agent.store, b""), rests(agent.store, b"d"), rests(agent.store, b"e")) == ((11, False), (11, True), (10, False))
    agent.says(Listing(b"e", 12, {}), Seen(b"", 13, DIRECTORY))
    assert (rests(agent.store, b""), rests(agent.store, b"e"), rests(agent.store, b"d/f")) == ((13, True), (10, True), (11, True))
    agent.says(Seen(b"d/f", 20, entry_of("f", 3)))
    assert (rests(agent.store, b""), rests(agent.store, b"d"), rests(agent.store, b"d/f")) == ((20, True), (20, True), (20, True))
    assert (rests(agent.store, b"d/g"), rests(agent.store, b"e")) == ((11, True), (10, True))
    agent.says(Listing(b"d", 30, {b"f": entry_of("f", 3)}))
    assert (rests(agent.store, b"d"), rests(agent.store, b"d/f"), rests(agent.store, b"")) == ((30, True), (20, True), (30, True))
    agent.says(Listing(b"d", 40, {b"f": entry_of("f", 3)}), Seen(b"d/f", 41, entry_of("f", 3)), Gone(b"nothing", 42))
    assert rests(agent.store, b"") == (30, True), "what is seen once more has not changed"
    agent.says(Gone(b"e", 50), Seen(b"d/new/deep", 51, FILE))
    assert (rests(agent.store, b""), rests(agent.store, b"d/new"), rests(agent.store, b"d/new/deep")) == (
        (51, False),
        (51, False),
        (51, False),
    )


def feed(store: RootStore, after: int = 0, limit: int = 100) -> list[tuple[int, str, str, bytes]]:
    """The changes behind a number: number, kind, act, path."""
    with store.reading() as reading:
        return [(change.number, change.kind, change.via, change.path) for change in reading.changes(after, limit)]


def test_every_change_has_a_number_and_what_changes_nothing_has_none(agent: Agent) -> None:
    store = agent.store
    with store.reading() as reading:
        assert (reading.change_span(), store.last_change) == (ChangeSpan(1, 0), 0)
    agent.says(Seen(b"", 5, DIRECTORY), Listing(b"", 6, {b"d": DIRECTORY, b"f": FILE}), via=Via.SNAPSHOT)
    assert feed(store) == [(1, "changed", "snapshot", b""), (2, "listed", "snapshot", b"")]
    agent.says(Listing(b"d", 10, {b"a": FILE, b"sub": DIRECTORY}), Seen(b"f", 11, entry_of("f", 9)), Seen(b"d/sub/x", 12, FILE))
    assert feed(store, after=2) == [
        (3, "appeared", "live", b"d/a"),
        (4, "appeared", "live", b"d/sub"),
        (5, "changed", "live", b"f"),
        (6, "appeared", "live", b"d/sub/x"),
    ]
    agent.says(Seen(b"f", 13, entry_of("f", 9)), Gone(b"never", 14), Listing(b"", 1, {}), Listing(b"d/sub", 15, {b"x": FILE}))
    assert store.last_change == 6
    agent.says(Seen(b"d/sub", 20, DIRECTORY), Seen(b"d/sub", 21, FILE), Gone(b"d", 22), via=Via.AUDIT)
    assert feed(store, after=6) == [(7, "gone", "audit", b"d/sub"), (8, "appeared", "audit", b"d/sub"), (9, "gone", "audit", b"d")]
    assert feed(store, after=3, limit=2) == feed(store)[3:5]
    with store.reading() as reading:
        assert (reading.change_span(), store.last_change) == (ChangeSpan(1, 9), 9)
        stamps = [change.at for change in reading.changes(0, 100)]
        assert stamps == sorted(stamps)


def test_the_feed_keeps_the_last_changes_and_their_numbers(agent: Agent) -> None:
    for at in range(100, 100 + KEPT // 1000):
        agent.says(*(Seen(b"%d-%d" % (at, name), at * 1000 + name, FILE) for name in range(1000)))
    agent.says(Seen(b"one more", 10**6, FILE))
    with agent.store.reading() as reading:
        assert reading.change_span() == ChangeSpan(2, KEPT + 1)
        assert len(reading.changes(0, 10 * KEPT)) == KEPT
        [last] = reading.changes(KEPT, 10)
        assert (last.number, last.path) == (KEPT + 1, b"one more")
