"""When the writers rest, view and disk agree in every field, whatever they did."""

import pytest

from tests.e2e.at_rest import check_equal
from tests.e2e.storm import rage
from tests.e2e.system import System


@pytest.mark.parametrize("seed", range(20))
def test_view_and_disk_agree_after_a_storm(system: System, seed: int) -> None:
    system.start()
    system.wait_complete()
    linked = rage(system.root, system.directory / "outside", seed)
    check_equal(system, linked, within=4)
    usage = system.query("usage", system.mount())["data"]
    entries = list(system.in_view().values())
    assert usage["bytes"] == sum(entry.size for entry in entries if entry and entry.type == "file")
    assert usage["files"] + usage["directories"] + usage["others"] == len(entries)
    assert usage["allocated"] == sum(entry.allocated for entry in entries if entry)
