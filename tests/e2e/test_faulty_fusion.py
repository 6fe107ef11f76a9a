"""Faults inside a fusion: a store that hangs or fails is shown by fusion and by the agents that wait for it, and is left behind."""

from pathlib import Path

from fustor_core.state import HealthState
from tests.e2e.inside import MESSAGE, RECONNECTING, fusion_here, running
from tests.polling import soon


async def test_a_store_that_hangs_is_seen_on_both_sides_and_left_behind(tmp_path: Path) -> None:
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "one") as (one,):
        fusion.store.goes_on.clear()
        one.touch()
        assert await soon(lambda: fusion.shows() == RECONNECTING) < 2
        assert await soon(lambda: one.shows() == RECONNECTING) < 1
        assert fusion.kinds() == ["store-hangs"]
        assert one.kinds() == ["fusion-stalled"]
        assert "does not come back" in one.pipe.conditions.all()[0].message
        assert fusion.health() is HealthState.WARNING
        fusion.store.goes_on.set()
        await soon(lambda: fusion.shows() == "RUNNING")
        await one.until(MESSAGE)
        await soon(lambda: not fusion.kinds() and not one.kinds())


async def test_a_store_that_fails_is_a_fault_of_fusion_until_it_commits_again(tmp_path: Path) -> None:
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "one") as (one,):
        fusion.store.full = True
        one.touch()
        assert await soon(lambda: fusion.shows() == RECONNECTING) < 2
        assert fusion.health() is HealthState.CRITICAL
        assert fusion.kinds() == ["store-unavailable"]
        await one.until(RECONNECTING)
        assert one.kinds() == ["fusion-stalled"]
        fusion.store.full = False
        await soon(lambda: fusion.shows() == "RUNNING")
        await one.until(MESSAGE)
        assert fusion.health() is HealthState.HEALTHY


async def test_a_store_that_is_slow_is_none_that_hangs(tmp_path: Path) -> None:
    """What takes long, but works, moves nothing: the lamp must not flicker under load."""
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "one") as (one,):
        fusion.store.busy = 2.5
        one.touch()
        await soon(lambda: fusion.store.busy == 0)
        assert fusion.shows() == "RUNNING"
        assert [str(change.pipe_state) for change in fusion.machine.history()][-1] == "RUNNING"
        assert fusion.machine.snapshot.version == 2
        assert one.machine.snapshot.version == 4
