"""A fusion that is slow, or away for long, while much changes: the agent shows how far behind it is, stays small, and catches up."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.at_rest import check_at_rest
from tests.e2e.counts import count
from tests.e2e.system import System
from tests.e2e.witness import Witness
from tests.polling import eventually

FILES = count("OUTAGE_FILES", 4_000)
GROWTH = 60_000_000
"""Bytes by which an agent may grow for what waits: a bounded number of paths, however many changes there were."""

WRITE = """
import os, sys
root, files = sys.argv[1], int(sys.argv[2])
for turn in range(2):
    for number in range(files):
        with open(f"{root}/w{number % 200}/f{number}", "wb") as file:
            file.write(b"x" * (turn + number % 100))
for number in range(0, files, 3):
    os.unlink(f"{root}/w{number % 200}/f{number}")
"""


def write_fast(system: System) -> "subprocess.Popen[bytes]":
    """Another process that makes, rewrites and removes files as fast as it can."""
    return subprocess.Popen([sys.executable, "-c", WRITE, str(system.root), str(FILES)])


def at_the_agent(system: System) -> Any:  # JSON
    return system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port)["data"]


@pytest.fixture
def wide(system: System) -> System:
    """Directories that are watched before anything happens in them: each change there is an event."""
    for number in range(200):
        (system.root / f"w{number}").mkdir()
    return system


def test_a_slow_fusion_and_a_fast_writer(wide: System) -> None:
    """50 ms a commit."""
    system = wide
    system.module = "tests.e2e.shim"
    system.environment["fusion"] = {"FUSTOR_SHIM_COMMIT": "0.05"}
    system.start()
    system.wait_complete()
    assert system.agent is not None
    before = system.agent.memory
    with Witness(system) as witness:
        assert write_fast(system).wait(600) == 0
    grown = system.agent.memory - before
    witness.check()
    check_at_rest(system, set(), within=120)
    assert grown < GROWTH


def test_a_long_outage_under_heavy_change(wide: System) -> None:
    system = wide
    system.start()
    system.wait_complete()
    assert system.agent is not None
    assert system.fusion is not None
    before = system.agent.memory
    system.fusion.kill()
    writer = write_fast(system)
    eventually(lambda: at_the_agent(system)["counters"]["marked"] > 500, what="the agent shows what waits")
    assert at_the_agent(system)["pipe_state"] == "RUNNING | RECONNECTING"
    assert "disconnected" in [condition["type"] for condition in at_the_agent(system)["conditions"]]
    assert writer.wait(600) == 0
    assert system.agent.memory - before < GROWTH
    made = len(list(Path(system.root).glob("w*/*")))
    system.start_fusion()
    assert not system.meta()["complete"] or system.query("usage", system.mount())["data"]["files"] == made
    check_at_rest(system, set(), within=120)
