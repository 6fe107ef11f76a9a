"""Several agents follow a tree in a storm, and whoever leads is killed, or sleeps, again and again: never do two lead, and
at rest nothing is lost."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.at_rest import check_equal
from tests.e2e.counts import count
from tests.e2e.storm import rage
from tests.e2e.system import Process, System
from tests.e2e.witness import Witness
from tests.polling import eventually

KILLS, STOPS = count("LEADER_KILLS", 3), count("LEADER_STOPS", 1)
LEASE = 0.5


class Onlooker:
    """Looks at the sessions as often as it can, for as long as it is in use, and notes who led."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.at_once = 0
        self.led: set[str] = set()

    def __enter__(self) -> "Onlooker":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ending.wait(0.02):
            leading = [each["agent"] for each in self._system.get("/v1/sessions")["data"] if each["role"] == "leader"]
            self.looks += 1
            self.at_once = max(self.at_once, len(leading))
            self.led.update(leading)


class Weather:
    """Storms over a tree, one after the other, for as long as it is in use; `linked` are the inodes that were given further names."""

    def __init__(self, root: Path, outside: Path) -> None:
        self._root = root
        self._outside = outside
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._storm)
        self.linked: set[int] = set()
        self.storms = 0

    def __enter__(self) -> "Weather":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()

    def _storm(self) -> None:
        while not self._ending.is_set():
            self.linked |= rage(self._root, self._outside, self.storms, processes=2, operations=200)
            self.storms += 1


def in_a_storm(system: System, outside: Path, agents: int, rounds: int, befalls: Callable[[System, Process], None]) -> None:
    """What befalls whoever leads, again and again, while a storm rages over the tree; then everything rests."""
    system.fusion_extra = {"session": {"lease": LEASE}}
    system.start_fusion()
    by_id = {agent.id: agent for agent in [system.join(f"nas-{number}") for number in range(1, agents + 1)]}
    windy = system.root / "windy"
    windy.mkdir()
    with Onlooker(system) as onlooker, Witness(system) as witness, Weather(windy, outside) as weather:
        for _ in range(rounds):
            leading = by_id[eventually(lambda: leader(system) or "", within=60)]
            befalls(system, leading.running())
            if not leading.running().alive:
                leading.start()
    check_equal(system, weather.linked, within=60)
    system.wait_complete()
    assert onlooker.at_once == 1
    assert onlooker.looks > rounds
    assert len(onlooker.led) >= min(agents, rounds)
    assert weather.storms
    witness.check()


@pytest.mark.timeout(120 + 15 * KILLS)
@pytest.mark.parametrize("agents", [2, 3])
def test_the_leader_is_killed_again_and_again(system: System, tmp_path: Path, agents: int) -> None:
    def kill(system: System, process: Process) -> None:
        leading = leader(system)
        process.kill()
        eventually(lambda: leader(system) not in (None, leading), within=60)

    in_a_storm(system, tmp_path / "outside", agents, KILLS, kill)


@pytest.mark.timeout(120 + 30 * STOPS)
def test_the_leader_sleeps_until_another_leads_and_wakes(system: System, tmp_path: Path) -> None:
    """What it has noticed and sent before is late, and what it believes of its part is not so any more."""

    def stop(system: System, process: Process) -> None:
        leading = leader(system)
        process.send(signal.SIGSTOP)
        eventually(lambda: leader(system) not in (None, leading), within=60)
        process.send(signal.SIGCONT)
        eventually(lambda: system.roles().get(str(leading)) == "follower", within=60)

    in_a_storm(system, tmp_path / "outside", 2, STOPS, stop)


def leader(system: System) -> str | None:
    return next((agent for agent, role in system.roles().items() if role == "leader"), None)
