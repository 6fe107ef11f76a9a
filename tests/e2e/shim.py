"""A side of Fustor as a process of its own, on clocks and a disk that are not as they should be.

    python -m tests.e2e.shim fusion run --config FILE

FUSTOR_SHIM_WALL: a file with the nanoseconds by which the wall clock is wrong, read whenever somebody looks at the clock.
FUSTOR_SHIM_DRIFT: how many parts in a million CLOCK_BOOTTIME is too fast.
FUSTOR_SHIM_COMMIT: how many seconds longer each commit takes.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from fustor_core.cli import main
from fustor_fusion import app
from fustor_fusion.stores import Contribution, Outcome
from fustor_fusion.stores.sqlite import SqliteStore


class SlowStore(SqliteStore):
    """A store on a slow disk."""

    def commit(self, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        time.sleep(float(os.environ["FUSTOR_SHIM_COMMIT"]))
        return super().commit(contributions, now, drop_to)


def set_wall_clock(file: Path) -> None:
    right = time.time_ns
    time.time_ns = lambda: right() + int(file.read_text())
    time.time = lambda: time.time_ns() / 1e9


def set_boot_clock(parts: float) -> None:
    right, began = time.clock_gettime_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wrong(clock: int) -> int:
        now = right(clock)
        return now + int((now - began) * parts / 1e6) if clock == time.CLOCK_BOOTTIME else now

    time.clock_gettime_ns = wrong


if __name__ == "__main__":
    if "FUSTOR_SHIM_WALL" in os.environ:
        set_wall_clock(Path(os.environ["FUSTOR_SHIM_WALL"]))
    if "FUSTOR_SHIM_DRIFT" in os.environ:
        set_boot_clock(float(os.environ["FUSTOR_SHIM_DRIFT"]))
    if "FUSTOR_SHIM_COMMIT" in os.environ:
        setattr(app, "SqliteStore", SlowStore)  # noqa: B010 - the one place where a store is chosen
    main()
