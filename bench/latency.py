"""From a file's close until a query shows it, on an idle system, against the same question put to the disk by a process (`stat`)."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Asker, make_tree, percentiles, wall_of
from tests.e2e.system import System

TIMES = 300


def run(directory: Path, files: int) -> Iterator[str]:
    tree = directory / "data"
    make_tree(tree, min(files, 10_000))
    system = System(directory, root=tree)
    try:
        system.start()
        system.wait_complete()
        asker = Asker(system)
        taken = []
        for number in range(TIMES):
            path = tree / f"new-{number}"
            with open(path, "wb") as file:
                file.write(b"x" * (number + 1))
            closed = time.perf_counter()
            while b'"size":%d,' % (number + 1) not in asker.ask(f"/v1/views/default/stat?path=/data/new-{number}")[1]:
                pass
            taken.append(time.perf_counter() - closed)
            time.sleep(0.02)
        process = wall_of(["stat", str(tree)], 20)
        yield f"closed until shown: {percentiles(taken)} (promised: 5 and 25); a process of stat takes {1e3 * process:.2f} ms"
    finally:
        system.end()
