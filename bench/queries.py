"""Queries over HTTP, on one kept connection, against the processes that people run instead."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import PER_DIRECTORY, Asker, make_tree, percentiles, wall_of
from tests.e2e.system import System

TIMES = 2_000


def run(directory: Path, files: int) -> Iterator[str]:
    tree = directory / "data"
    make_tree(tree, files)
    system = System(directory, root=tree)
    try:
        system.start()
        system.wait_complete(within=120)
        asker = Asker(system)
        inner = "project-000/run-00000"
        rows = (
            (f"list of {PER_DIRECTORY}", f"list?path=/data/{inner}", ["find", str(tree / inner), "-maxdepth", "1"]),
            ("stat", f"stat?path=/data/{inner}/measurement-0000.dat", ["stat", str(tree / inner / "measurement-0000.dat")]),
            ("usage", "usage?path=/data", ["du", "-s", str(tree)]),
        )
        for name, target, command in rows:
            taken = []
            for _ in range(TIMES):
                began = time.perf_counter()
                status, _ = asker.ask(f"/v1/views/default/{target}")
                taken.append(time.perf_counter() - began)
                if status != 200:
                    raise RuntimeError(f"{target}: status {status}")
            process = wall_of(command, 10)
            rate = TIMES / sum(taken)
            yield f"{name}: {percentiles(taken)}, {rate:,.0f} a second on one connection; {command[0]} {1e3 * process:.1f} ms"
    finally:
        system.end()
