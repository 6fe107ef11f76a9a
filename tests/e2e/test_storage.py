"""The disk of fusion: power is lost, it is full, it is damaged. Nothing is acknowledged that is not kept, and all comes back."""

import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import storm
from tests.e2e.at_rest import check_at_rest
from tests.e2e.counts import count, seed
from tests.e2e.small_disk import namespaces_work, small_disk
from tests.e2e.storm import linked_inodes, rage
from tests.e2e.system import Problem, System
from tests.e2e.test_bad_input import fustor
from tests.e2e.witness import Witness
from tests.polling import eventually

POWER_LOSSES = count("POWER_LOSSES", 2)
FORGOTTEN = "fusion does not have all that it acknowledged"


def fill(system: System, files: int, directories: int = 50) -> None:
    for number in range(files):
        directory = system.root / f"d{number % directories}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}").write_bytes(b"x" * (number % 100))


def database(system: System) -> Path:
    return system.directory / "fusion" / "roots" / f"{system.name}.db"


class PowerLoss:
    """What was on the disk of fusion at one moment, and nothing that came after it."""

    def __init__(self, system: System) -> None:
        assert system.fusion is not None
        self._system = system
        self._copies = {path: path.with_name(f"{path.name}.copy") for path in self._files()}
        # Stopped in mid-write, as the power may go: what a transaction has not ended is not in the log either.
        system.fusion.send(signal.SIGSTOP)
        for path, copy in self._copies.items():
            shutil.copy(path, copy)
        system.fusion.send(signal.SIGCONT)

    def _files(self) -> list[Path]:
        file = database(self._system)
        return [path for path in (file, file.with_name(f"{file.name}-wal")) if path.exists()]

    def happens(self) -> None:
        """Fusion is killed, and of its disk only that is left; it is started again."""
        assert self._system.fusion is not None
        self._system.fusion.kill()
        for path in (*self._files(), database(self._system).with_name(f"{database(self._system).name}-shm")):
            path.unlink(missing_ok=True)
        for path, copy in self._copies.items():
            copy.rename(path)
        self._system.start_fusion()


def test_power_loss_forgets_commits_that_were_acknowledged(system: System) -> None:
    """The next hello shows it, and a snapshot brings back what was forgotten."""
    number = seed()
    dice = random.Random(number)
    fill(system, 2_000)
    (system.root / "storm").mkdir()
    system.start()
    system.wait_complete()
    assert system.agent is not None
    log = system.agent.log
    with Witness(system) as witness:
        for turn in range(POWER_LOSSES):
            raging = storm.start(system.root / "storm", outside(system), f"{number}-{turn}", 150)
            time.sleep(dice.random() * 0.3)  # the moment is what chance decides here
            power = PowerLoss(system)
            rage(system.root / "storm", outside(system), number + turn, processes=1, operations=100)
            assert raging.wait(60) == 0
            (system.root / "committed").write_bytes(b"x" * (turn + 1))
            eventually(lambda: system.query("stat", system.mount(b"committed"))["data"]["size"] == turn + 1)  # noqa: B023 - called at once
            power.happens()
            eventually(lambda: log.read_text().count(FORGOTTEN) == turn + 1, what="the hello shows it")  # noqa: B023 - called at once
            system.wait_complete()
    check_at_rest(system, linked_inodes(outside(system)))
    witness.check()


def outside(system: System) -> Path:
    path = system.directory / "outside"
    path.mkdir(exist_ok=True)
    return path


def acknowledged(system: System) -> int:
    """How much of the standing session is committed."""
    (session,) = system.get("/v1/sessions")["data"]
    return int(session["acknowledged"])


@pytest.mark.skipif(not namespaces_work(), reason="needs user namespaces that may mount")
def test_the_disk_of_fusion_is_full(system: System) -> None:
    """Nothing is acknowledged that is not committed; both sides wait and say so, and go on by themselves when there is room."""
    fill(system, 12_000)
    with small_disk(system.directory / "fusion") as disk:
        system.fusion_wrapper = disk.inside
        system.start_fusion()
        disk.leave(400)
        system.start_agent()
        eventually(lambda: "store-unavailable" in kinds(system, "fusion:default"), within=60, what="fusion says so")
        eventually(lambda: "fusion-stalled" in kinds(system, system.pipe), what="the agent says so")
        meta = system.meta()
        assert not meta["complete"]
        assert "store-unavailable" in [condition["type"] for condition in meta["conditions"]]
        before = acknowledged(system)
        (system.root / "d1" / "made while there is no room").write_bytes(b"x")
        # Nobody waits for something to happen here: for as long as the agent tells how it waits, nothing is to be acknowledged.
        eventually(lambda: int(pipe(system, system.pipe)["counters"]["walk_directories_left"]) >= 0)
        assert acknowledged(system) == before
        disk.leave(100_000)
        check_at_rest(system, set(), within=60)
        eventually(lambda: not kinds(system, "fusion:default") and not kinds(system, system.pipe))
        assert system.agent is not None
        assert FORGOTTEN not in system.agent.log.read_text()
        assert len([state for state in system.states() if state == "RUNNING | SNAPSHOT_SYNC"]) <= 2
        system.end()


@pytest.mark.skipif(not namespaces_work(), reason="needs user namespaces that may mount")
def test_a_fusion_that_is_started_on_a_full_disk_says_so_and_ends(system: System) -> None:
    fill(system, 50)
    with small_disk(system.directory / "fusion") as disk:
        system.fusion_wrapper = disk.inside
        system.start()
        system.wait_equal()
        assert system.fusion is not None
        system.fusion.stop()
        disk.leave(0)
        fusion = system.launch_fusion()
        assert fusion.wait(20) == 2
        told = fusion.log.read_text().splitlines()[-1]
        assert told.startswith("fustor: the root data cannot be opened: ")
        assert told.endswith("see to its disk, then start fusion again")
        disk.leave(100_000)
        system.start_fusion()
        check_at_rest(system, set(), within=60)
        system.end()


def pipe(system: System, name: str) -> Any:  # JSON
    return system.get(f"/v1/pipes/{name}")["data"]


def kinds(system: System, name: str) -> list[str]:
    return [condition["type"] for condition in pipe(system, name)["conditions"]]


def live_on_one_file(system: System) -> None:
    """Both sides at work, and all that is known in the database itself: what is damaged in its log counts as never written."""
    fill(system, 2_000)
    system.start()
    system.wait_complete()
    assert system.fusion is not None
    system.fusion.stop()
    system.start_fusion()
    system.wait_complete()


def damage(system: System) -> None:
    """Random bytes over all of the database but its first page."""
    file = database(system)
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(random.Random(1).randbytes(file.stat().st_size - 4096))


def rebuild(system: System) -> None:
    code, output, errors = fustor("fusion", "rebuild", system.name, "--config", str(system.directory / "fusion.yaml"))
    assert code == 0, errors
    assert "set aside" in output


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_database_that_was_damaged_while_fusion_was_down(system: System, end: signal.Signals) -> None:
    """It is refused in words; set aside, it is filled anew."""
    live_on_one_file(system)
    assert system.fusion is not None
    system.fusion.stop(end)
    damage(system)
    assert system.launch_fusion().wait(30) == 2
    words = system.fusion.log.read_text()
    assert f"{database(system)} is damaged" in words
    assert "fustor fusion rebuild" in words
    rebuild(system)
    system.start_fusion()
    check_at_rest(system, set())


def test_a_database_that_is_damaged_under_a_running_fusion(system: System) -> None:
    """Fusion lives on, answers nothing that it cannot know, and says what to do; so does the agent, which waits."""
    live_on_one_file(system)
    damage(system)
    fill(system, 4_000)
    eventually(lambda: "store-damaged" in kinds(system, "fusion:default"), what="fusion says so")
    with pytest.raises(Problem) as caught:
        system.query("find", system.mount())
    assert caught.value.status == 500
    assert caught.value.document["type"] == "urn:fustor:problem:store-damaged"
    assert "fustor fusion rebuild" in caught.value.document["detail"]
    eventually(lambda: "is damaged" in str(pipe(system, system.pipe)["conditions"]), what="the agent says so")
    assert system.fusion is not None
    assert system.fusion.stop() == 0
    rebuild(system)
    system.start_fusion()
    check_at_rest(system, set())


def test_damage_that_only_a_query_meets_is_shown_to_all(system: System) -> None:
    """What nobody writes to is read nevertheless; whoever watches the pipes has to hear of it."""
    live_on_one_file(system)
    assert system.agent is not None
    system.agent.stop()
    damage(system)
    with pytest.raises(Problem) as caught:
        system.query("find", system.mount())
    assert caught.value.document["type"] == "urn:fustor:problem:store-damaged"
    eventually(lambda: "store-damaged" in kinds(system, "fusion:default"), what="fusion says so")
