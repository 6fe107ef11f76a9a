"""The first snapshot, from the start of the agent to complete in the view, against `find -printf` over the same tree."""

import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.measure import Asker, make_tree, until, wall_of
from tests.e2e.system import System

REPEATS = 3


def run(directory: Path, files: int) -> Iterator[str]:
    tree = directory / "data"
    make_tree(tree, files)
    find = ["find", str(tree), "-printf", "%p %s %T@\n"]
    wall_of(find, 1)
    ratios = []
    for number in range(REPEATS):
        place = directory / f"run-{number}"
        place.mkdir()
        system = System(place, root=tree)
        try:
            system.start_fusion()
            asker = Asker(system)
            reference = wall_of(find, 3)
            began = time.perf_counter()
            system.start_agent()
            until(partial(_complete, asker, system))
            taken = time.perf_counter() - began
            ratios.append(taken / reference)
            system.end()
            database = sum(file.stat().st_size for file in place.glob("fusion/roots/*.db*"))
            times = f"{taken:.2f} s, find -printf {reference:.2f} s, ratio {ratios[-1]:.2f}"
            yield f"{files:,} files: {times}; {database / files:.0f} bytes/entry on disk"
        finally:
            system.end()
    yield f"median ratio {statistics.median(ratios):.2f} (promised: at most 3)"


def _complete(asker: Asker, system: System) -> bool:
    if system.agent is None or not system.agent.alive:
        raise RuntimeError("the agent has ended")
    return b'"complete":true' in asker.ask("/v1/views/default/stat?path=/data")[1]
