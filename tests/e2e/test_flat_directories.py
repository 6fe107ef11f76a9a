"""Directories of very many files, whose listing is applied little by little."""

from pathlib import Path
from typing import Any

import pytest

from fustor_agent.outbox.floods import MANY
from fustor_fusion.merge.sweep import LARGE
from tests.e2e.system import System
from tests.polling import eventually

FILES = LARGE + 5_000


@pytest.fixture
def flat(system: System) -> Path:
    directory = Path(system.root) / "flat"
    directory.mkdir()
    for number in range(FILES):
        (directory / f"{number:06}").touch()
    return directory


def is_applied(system: System) -> bool:
    """Whether a listing of it is being applied at this moment."""
    return any("little by little" in each["message"] for each in system.meta(b"flat")["conditions"])


@pytest.mark.parametrize("killed", [False, True], ids=["left alone", "fusion killed meanwhile"])
def test_what_happened_while_nobody_looked_is_applied(system: System, flat: Path, killed: bool) -> None:
    system.start()
    system.wait_complete()
    assert system.agent is not None
    system.agent.stop()
    for number in range(0, FILES, 3):
        (flat / f"{number:06}").unlink()
    for number in range(1, FILES, 30):
        (flat / f"{number:06}").write_bytes(b"longer")
        (flat / f"new{number}").mkdir()
        (flat / f"new{number}" / "inside").touch()
    system.start_agent()
    eventually(lambda: is_applied(system), within=30, what="its listing is being applied")
    if killed:
        assert system.fusion is not None
        system.fusion.kill()
        system.start_fusion()
    system.wait_complete()
    system.wait_equal()


def test_what_is_asked_for_is_in_the_answer_also_where_it_takes_many_slices(system: System, flat: Path) -> None:
    system.start()
    system.wait_complete()
    assert system.agent is not None
    for number in range(MANY + 2_000):
        (flat / f"{number:06}").unlink()
    system.post("refresh", system.mount(b"flat"))
    assert system.query("usage", system.mount(b"flat"))["data"]["files"] == FILES - MANY - 2_000
    system.wait_equal()


def test_one_in_which_very_much_has_changed_is_listed_instead(system: System, flat: Path) -> None:
    system.start()
    system.wait_complete()
    assert system.fusion is not None
    system.fusion.kill()  # so that what changes waits
    for number in range(2 * MANY):
        (flat / f"{number:06}").unlink()
    (flat / "new").write_bytes(b"new")
    system.root.joinpath("elsewhere").write_bytes(b"new")
    eventually(lambda: counters(system)["folded"] > MANY, what="the agent keeps no more of them one by one")
    assert counters(system)["marked"] < MANY
    system.start_fusion()
    system.wait_equal()
    system.wait_complete()


def counters(system: System) -> Any:  # JSON
    return system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port)["data"]["counters"]
