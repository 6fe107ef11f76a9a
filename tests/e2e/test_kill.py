"""SIGKILL of either side or both, at any moment: started again, view and disk agree."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import storm
from tests.e2e.at_rest import check_at_rest, check_equal
from tests.e2e.counts import count, seed
from tests.e2e.storm import linked_inodes, rage
from tests.e2e.system import System
from tests.e2e.test_steering import act
from tests.e2e.witness import Witness
from tests.polling import eventually

DIRECTORIES, FILES = 150, 60
KILLS = count("KILLS", 2)


def fill(system: System, directories: int = DIRECTORIES) -> None:
    for number in range(directories):
        directory = system.root / f"p{number % 7}" / f"d{number}"
        directory.mkdir(parents=True)
        for index in range(FILES):
            (directory / f"f{index}").write_bytes(b"x" * index)


def entries(system: System) -> int:
    return int(system.query("usage", b"/")["data"]["files"])


def test_fusion_is_killed_in_mid_snapshot(system: System) -> None:
    fill(system)
    system.start()
    limit = random.Random(seed()).randrange(1, DIRECTORIES * FILES)
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
    for number in range(3):
        linked |= rage(system.root, system.directory / "outside", number, operations=150)
        assert system.fusion is not None
        system.fusion.kill()
        linked |= rage(system.root, system.directory / "outside", number + 10, operations=150)
        system.start_fusion()
    system.wait_complete()
    check_equal(system, linked, within=8)
    eventually(lambda: system.states()[-1] == "RUNNING | MESSAGE_SYNC")
    assert len([state for state in system.states() if state == "RUNNING | SNAPSHOT_SYNC"]) == 1, (
        "a restart of fusion alone needs no snapshot"
    )


def follow(system: System) -> None:
    """Nothing but changes happens."""


def list_everything(system: System) -> None:
    eventually(lambda: act(system, "snapshot"), within=60, what="fusion knows the pipe again")


def audit(system: System) -> None:
    eventually(lambda: act(system, "audit"), within=60, what="fusion knows the pipe again")


def drain(system: System) -> None:
    assert system.agent is not None
    system.agent.send(signal.SIGTERM)


@pytest.mark.parametrize("phase", [list_everything, follow, audit, drain])
def test_either_or_both_are_killed_at_a_random_moment(system: System, phase: Callable[[System], None]) -> None:
    """They are started again, and nothing that was acknowledged is lost: fusion alone never has to ask for everything again."""
    number = seed()
    dice = random.Random(number)
    fill(system, 50)
    (system.root / "storm").mkdir()
    system.start()
    system.wait_complete()
    with Witness(system) as witness:
        for turn in range(KILLS):
            raging = storm.start(system.root / "storm", outside(system), f"{number}-{turn}", 150)
            phase(system)
            time.sleep(dice.random() * 0.4)  # the moment is what chance decides here
            kill(system, dice.choice(("agent", "fusion", "both")))
            rage(system.root / "storm", outside(system), number + turn, processes=1, operations=60)
            assert raging.wait(60) == 0
            start_what_is_down(system)
            system.wait_complete()
    check_at_rest(system, linked_inodes(outside(system)))
    witness.check()
    assert system.agent is not None
    assert "does not have all that it acknowledged" not in system.agent.log.read_text()


def outside(system: System) -> Path:
    path = system.directory / "outside"
    path.mkdir(exist_ok=True)
    return path


def kill(system: System, which: str) -> None:
    for process, name in ((system.agent, "agent"), (system.fusion, "fusion")):
        if process is not None and which in (name, "both"):
            process.kill()


def start_what_is_down(system: System) -> None:
    """An agent that was told to stop, and was not killed, stops by itself; it may need fusion for that."""
    if system.fusion is None or not system.fusion.alive:
        system.start_fusion()
    if system.agent is not None and "stopping: SIGTERM" in system.agent.log.read_text():
        system.agent.wait(30)
    if system.agent is None or not system.agent.alive:
        system.start_agent()
