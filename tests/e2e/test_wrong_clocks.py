"""Clocks that are wrong: nothing changes, whatever the wall clock says, and however the clocks of the hosts drift apart."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.at_rest import check_at_rest
from tests.e2e.counts import count, seed
from tests.e2e.storm import linked_inodes, rage
from tests.e2e.system import System
from tests.e2e.witness import Witness

SECONDS = count("FAULT_SECONDS", 1)
DAY = 86_400 * 10**9


def under_load(system: System, wall: Callable[[], int] = time.time_ns) -> None:
    (system.root / "storm").mkdir(exist_ok=True)
    number, until = seed(), time.monotonic() + SECONDS
    with Witness(system, wall) as witness:
        while time.monotonic() < until:
            rage(system.root / "storm", system.directory / "outside", number, processes=1, operations=150)
            number += 1
    witness.check()


def no_session_was_lost(system: System) -> bool:
    return "RUNNING | RECONNECTING" not in system.states()


def test_the_wall_clock_is_stepped_by_a_day(system: System) -> None:
    """Forwards and backwards, on both hosts, while they run, and while fusion is down."""
    wrong = {side: system.directory / f"{side}-wall" for side in ("fusion", "agent")}
    for side, file in wrong.items():
        system.environment[side] = {"FUSTOR_SHIM_WALL": str(file)}
        file.write_text("0")
    system.module = "tests.e2e.shim"
    system.start()
    system.wait_complete()
    for side, step in (("fusion", DAY), ("agent", DAY), ("fusion", -DAY), ("agent", -DAY)):
        set_to(wrong[side], step)
        under_load(system, lambda: time.time_ns() + int(wrong["fusion"].read_text()))
        check_at_rest(system, linked_inodes(system.directory / "outside"))
    assert no_session_was_lost(system)
    assert system.fusion is not None
    system.fusion.kill()
    set_to(wrong["fusion"], -2 * DAY)
    system.start_fusion()
    under_load(system, lambda: time.time_ns() - 2 * DAY)
    check_at_rest(system, linked_inodes(system.directory / "outside"))


def set_to(file: Path, nanoseconds: int) -> None:
    """At once: whoever looks at the clock meanwhile sees the one or the other."""
    new = file.with_name(f"{file.name}-new")
    new.write_text(str(nanoseconds))
    new.rename(file)


@pytest.mark.parametrize("parts", [200, -200])
def test_the_clock_of_an_agent_drifts(system: System, parts: int) -> None:
    system.module = "tests.e2e.shim"
    system.environment["agent"] = {"FUSTOR_SHIM_DRIFT": str(parts)}
    system.start()
    system.wait_complete()
    under_load(system)
    check_at_rest(system, linked_inodes(system.directory / "outside"))
    assert no_session_was_lost(system)
