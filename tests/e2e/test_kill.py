"""SIGKILL of either side or both, at any moment: started again, view and disk agree."""

import random

import pytest

from tests.e2e.at_rest import check_equal
from tests.e2e.storm import rage
from tests.e2e.system import System
from tests.polling import eventually

DIRECTORIES, FILES = 150, 60


def fill(system: System) -> None:
    for number in range(DIRECTORIES):
        directory = system.root / f"p{number % 7}" / f"d{number}"
        directory.mkdir(parents=True)
        for index in range(FILES):
            (directory / f"f{index}").write_bytes(b"x" * index)


def entries(system: System) -> int:
    return int(system.query("usage", b"/")["data"]["files"])


@pytest.mark.parametrize("seed", range(3))
def test_fusion_is_killed_in_mid_snapshot(system: System, seed: int) -> None:
    fill(system)
    system.start()
    limit = random.Random(seed).randrange(1, DIRECTORIES * FILES)
    eventually(lambda: entries(system) >= limit or "RUNNING | MESSAGE_SYNC" in system.states(port=system.agent_port))
    assert system.fusion is not None
    system.fusion.kill()
    eventually(lambda: system.states(port=system.agent_port)[-1] == "RUNNING | RECONNECTING")
    system.start_fusion()
    system.wait_complete()
    system.wait_equal()
    assert "RUNNING | RECONNECTING" in system.states()
    assert system.states()[-1] == "RUNNING | MESSAGE_SYNC"


def test_the_agent_is_killed_and_things_change_before_it_is_back(system: System) -> None:
    fill(system)
    system.start()
    system.wait_complete()
    assert system.agent is not None
    system.agent.kill()
    rage(system.root, system.directory / "outside", 1, operations=500)
    eventually(lambda: not system.meta()["complete"])
    system.start_agent()
    system.wait_complete()
    system.wait_equal()


def test_both_are_killed_under_load(system: System) -> None:
    fill(system)
    system.start()
    system.wait_complete()
    rage(system.root, system.directory / "outside", 2, operations=500)
    for process in (system.fusion, system.agent):
        assert process is not None
        process.kill()
    rage(system.root, system.directory / "outside", 3, operations=500)
    system.start()
    system.wait_complete()
    system.wait_equal()


def test_fusion_is_killed_while_things_change(system: System) -> None:
    fill(system)
    system.start()
    system.wait_complete()
    linked: set[int] = set()
    for seed in range(3):
        linked |= rage(system.root, system.directory / "outside", seed, operations=150)
        assert system.fusion is not None
        system.fusion.kill()
        linked |= rage(system.root, system.directory / "outside", seed + 10, operations=150)
        system.start_fusion()
    system.wait_complete()
    check_equal(system, linked, within=8)
    eventually(lambda: system.states()[-1] == "RUNNING | MESSAGE_SYNC")
    assert len([state for state in system.states() if state == "RUNNING | SNAPSHOT_SYNC"]) == 1, (
        "a restart of fusion alone needs no snapshot"
    )
