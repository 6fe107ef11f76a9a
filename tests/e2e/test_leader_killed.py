"""Several agents follow a tree in a storm, and whoever leads is killed, again and again: never do two lead, and at rest nothing is lost."""

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.at_rest import check_equal
from tests.e2e.counts import count
from tests.e2e.storm import rage
from tests.e2e.system import OtherAgent, System
from tests.e2e.witness import Witness
from tests.polling import eventually

KILLS = count("LEADER_KILLS", 3)
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


@pytest.mark.timeout(120 + 15 * KILLS)
@pytest.mark.parametrize("agents", [2, 3])
def test_the_leader_is_killed_again_and_again_in_a_storm(system: System, tmp_path: Path, agents: int) -> None:
    system.fusion_extra = {"session": {"lease": LEASE}}
    system.start_fusion()
    by_id = {agent.id: agent for agent in [system.join(f"nas-{number}") for number in range(1, agents + 1)]}
    windy = system.root / "windy"
    windy.mkdir()
    with Onlooker(system) as onlooker, Witness(system) as witness, Weather(windy, tmp_path / "outside") as weather:
        for _ in range(KILLS):
            kill_leader(system, by_id)
    check_equal(system, weather.linked, within=60)
    system.wait_complete()
    assert onlooker.at_once == 1
    assert onlooker.looks > KILLS
    assert len(onlooker.led) >= min(agents, KILLS)
    witness.check()
    assert weather.storms


def kill_leader(system: System, by_id: Mapping[str, OtherAgent]) -> None:
    """Kill whoever leads, and start it again when another does."""
    leading = eventually(lambda: leader(system) or "", within=60)
    by_id[leading].running().kill()
    eventually(lambda: leader(system) not in (None, leading), within=60)
    by_id[leading].start()


def leader(system: System) -> str | None:
    return next((agent for agent, role in system.roles().items() if role == "leader"), None)
