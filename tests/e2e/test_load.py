"""The limits of `load`: walks keep to them, and changes do not wait for walks."""

import time
from collections.abc import Callable
from pathlib import Path

from fustor_agent.reading.pace import DAY, LoadLimits, Pace, Window
from fustor_core.clock import minute_of_day
from fustor_core.wire import Verb
from fustor_fusion.stores.memory import MemoryStore
from tests.e2e.inside import MESSAGE, Pipe, fusion_here, running
from tests.polling import soon

SNAPSHOT = "RUNNING | SNAPSHOT_SYNC"
AUDIT = "RUNNING | MESSAGE_SYNC | AUDIT_PHASE"
RATE = 100
DIRECTORIES, EACH = 20, 9


def grow(pipe: Pipe) -> None:
    for directory in range(DIRECTORIES):
        (pipe.root / f"d{directory}").mkdir()
        for number in range(EACH):
            (pipe.root / f"d{directory}" / f"f{number}").touch()


def holding(store: MemoryStore, path: bytes) -> Callable[[], bool]:
    def holds() -> bool:
        with store.reading() as reading:
            return reading.find(path) is not None

    return holds


async def test_a_snapshot_keeps_to_its_operations_and_changes_do_not_wait_for_it(tmp_path: Path) -> None:
    pace = Pace(LoadLimits(ops_per_second=RATE))
    async with fusion_here(tmp_path) as fusion:
        began = time.monotonic()
        async with running(tmp_path, fusion.url, "data", prepare=grow, pace=pace, state=SNAPSHOT) as [pipe]:
            await soon(holding(fusion.store, b"f"))
            (pipe.root / "live").touch()
            await soon(holding(fusion.store, b"live"))
            assert pipe.shows() == SNAPSHOT
            await pipe.until(MESSAGE, within=60)
            # Each directory and each entry, less what the last reading of each limit may be ahead.
            assert time.monotonic() - began > DIRECTORIES * (EACH + 2) / RATE * 0.8


async def test_outside_of_the_windows_snapshots_and_audits_wait(tmp_path: Path) -> None:
    now = minute_of_day()
    pace = Pace(LoadLimits(windows=(Window((now + 120) % DAY, (now + 180) % DAY),)))
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "data", prepare=grow, pace=pace, state=SNAPSHOT) as [pipe]:
        await soon(lambda: pipe.kinds() == ["outside-windows"])
        await pipe.pipe.act(Verb.AUDIT)
        assert not holding(fusion.store, b"f")()
        assert pipe.shows() == SNAPSHOT
        pace.limits = LoadLimits(windows=(Window((now - 60) % DAY, (now + 60) % DAY),))
        await soon(lambda: pipe.shows() == MESSAGE and AUDIT in seen(pipe))
        assert pipe.kinds() == []
        assert holding(fusion.store, b"d3/f3")()


def seen(pipe: Pipe) -> list[str]:
    return [str(change.pipe_state) for change in pipe.machine.history()]
