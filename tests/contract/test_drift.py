"""What every root store keeps of drift: what audits find otherwise than it was known."""

from pathlib import Path

from fustor_core.digest import listing_digest
from fustor_core.evidence import Gone, Listing, Same, Seen
from fustor_core.wire import Via
from fustor_fusion.merge.drift import Drift, Drifts
from fustor_fusion.stores import RootStore
from fustor_fusion.stores.sqlite import SqliteStore
from tests.contract.root_stores import DIRECTORY, FILE, Agent
from tests.oracle import entry_of


def drifts(store: RootStore) -> Drifts:
    with store.reading() as reading:
        return reading.drifts()


def test_what_an_audit_finds_is_counted_by_kind_and_directory(store: RootStore, agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"d": DIRECTORY, b"f": FILE}), Listing(b"d", 11, {b"a": FILE, b"b": FILE, b"c": FILE}))
    assert drifts(store) == Drifts()
    agent.says(Listing(b"d", 20, {b"a": FILE, b"b": entry_of("f", 9), b"new": FILE, b"new2": FILE}), via=Via.AUDIT)
    assert drifts(store).total == Drift(2, 1, 1, 1000)
    assert drifts(store).places == {b"d": Drift(2, 1, 1, 1000)}
    agent.says(Seen(b"f", 30, entry_of("f", 8)), via=Via.AUDIT)
    assert drifts(store).places == {b"d": Drift(2, 1, 1, 1000), b"": Drift(0, 0, 1, 1000)}


def test_what_an_audit_confirms_is_no_drift_nor_is_what_others_find(store: RootStore, agent: Agent) -> None:
    held = {b"d": DIRECTORY, b"f": FILE}
    agent.says(Listing(b"", 10, held))
    agent.says(Same(b"", 20, listing_digest(held)), Listing(b"", 21, held), Seen(b"f", 22, FILE), Gone(b"x", 23), via=Via.AUDIT)
    agent.says(Listing(b"", 30, {b"f": entry_of("f", 9)}), via=Via.ASKED)
    agent.says(Seen(b"f", 40, FILE), Gone(b"f", 41), via=Via.LIVE)
    assert drifts(store) == Drifts()


def test_a_directory_that_is_gone_counts_with_all_that_it_held(store: RootStore, agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"d": DIRECTORY}), Listing(b"d", 11, {b"a": FILE, b"e": DIRECTORY}), Listing(b"d/e", 12, {b"b": FILE}))
    agent.says(Gone(b"d", 20), via=Via.AUDIT)
    assert drifts(store).places == {b"": Drift(0, 4, 0, 1000)}
    agent.says(Listing(b"", 30, {b"d": DIRECTORY}), Listing(b"d", 31, {b"a": FILE, b"b": FILE}), via=Via.AUDIT)
    assert drifts(store).places == {b"": Drift(1, 4, 0, 1000), b"d": Drift(2, 0, 0, 1000)}


def test_a_directory_in_the_place_of_a_file_is_an_extra_and_a_missing_one(store: RootStore, agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"x": FILE}))
    agent.says(Listing(b"", 20, {b"x": DIRECTORY}), via=Via.AUDIT)
    assert drifts(store).total == Drift(1, 1, 0, 1000)


def test_drift_outlasts_the_process(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "root.db")
    Agent(store).says(Listing(b"", 10, {b"f": FILE}), via=Via.AUDIT)
    store.close()
    again = SqliteStore(tmp_path / "root.db")
    assert drifts(again) == Drifts(Drift(1, 0, 0, 1000), {b"": Drift(1, 0, 0, 1000)})
    again.close()
