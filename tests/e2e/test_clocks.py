"""Hosts whose clocks have nothing to do with one another, and a source that others write to: real processes in time namespaces."""

import subprocess
import time

import pytest

from fustor_core.times import parse_instant
from tests.e2e.system import System
from tests.polling import eventually

HOURS = ["unshare", "--time", "--boottime", "36000"]
"""Ten hours later: CLOCK_BOOTTIME of a host that was booted long before."""


def test_agents_whose_clocks_differ_by_hours_agree(system: System) -> None:
    if subprocess.run([*HOURS, "true"], capture_output=True).returncode:
        pytest.skip("time namespaces are not permitted here")
    for number in range(50):
        (system.root / f"f{number}").write_bytes(b"x")
    system.fusion_extra = {"session": {"lease": 1.5}}
    system.wrapper = HOURS
    system.start()
    system.wait_complete()
    other = system.join("nas-2")
    eventually(lambda: system.state(other.pipe) == "RUNNING | MESSAGE_SYNC")
    for number in range(50):
        (system.root / f"f{number}").write_bytes(b"changed")
        if number % 5 == 0:
            (system.root / f"f{number}").unlink()
        (system.root / f"new{number}").mkdir()
    system.wait_equal()
    assert "RUNNING | RECONNECTING" not in [*system.states(), *other.states()]
    # Whoever leads next is on another clock, and what the first has said is older.
    assert system.agent is not None
    system.agent.stop()
    eventually(lambda: system.roles() == {"nas-2": "leader"}, within=60)
    (system.root / "f1").write_bytes(b"last")
    system.wait_complete()
    system.wait_equal()


def test_an_agent_whose_source_is_stale_and_one_whose_is_not(system: System) -> None:
    """What the first sees is stated as two seconds old, so the second wins; but that is no proof where they differ: the leader looks."""
    (system.root / "f").write_bytes(b"x")
    system.source["staleness"] = "2s"
    system.start()
    system.wait_complete()
    source = {"path": str(system.root)}
    other = system.join("nas-2", extra={"pipes": {system.name: {"root": system.name, "source": source}}})
    eventually(lambda: system.state(other.pipe) == "RUNNING | MESSAGE_SYNC")
    assert time.time() - parse_instant(system.meta()["as_of"])[0] >= 2
    for size in range(2, 50):
        (system.root / "f").write_bytes(b"x" * size)
        (system.root / f"d{size}").mkdir()
        if size == 40:
            other.running().kill()
    system.wait_equal(within=60)
    system.wait_complete()


def test_an_answer_about_what_others_write_to_is_as_old_as_its_listings(system: System) -> None:
    system.source["writers"] = "remote"
    (system.root / "d").mkdir()
    (system.root / "d" / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    listed = system.meta()["as_of"]
    # Live changes are seen all the same, and make nothing younger.
    (system.root / "d" / "new").write_bytes(b"x")
    system.wait_equal()
    assert system.meta()["as_of"] == listed
    assert system.query("stat", system.mount(b"d/new"))["data"]["writing"] is None
    system.post("refresh", system.mount(b"d"), recursive="true")
    assert system.meta(b"d")["as_of"] > listed
    assert system.meta()["as_of"] == listed
    system.post("refresh", system.mount(), recursive="true")
    assert system.meta()["as_of"] > listed
