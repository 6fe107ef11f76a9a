"""20,000 files in 200 new directories, as fast as the disk makes them: none lost, and how long after the last they are all visible."""

import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Asker, make_tree, until, wall_of
from tests.e2e.system import System

DIRECTORIES, FILES = 200, 100


def run(directory: Path, files: int) -> Iterator[str]:
    tree = directory / "data"
    make_tree(tree, min(files, 10_000))
    system = System(directory, root=tree)
    try:
        system.start()
        system.wait_complete()
        asker = Asker(system)
        began = time.perf_counter()
        for number in range(DIRECTORIES):
            new = tree / "burst" / f"{number}"
            new.mkdir(parents=True)
            for index in range(FILES):
                (new / f"{index}").write_bytes(b"x")
        made = time.perf_counter() - began
        wanted = b'"files":%d,' % (DIRECTORIES * FILES)
        visible = until(lambda: wanted in asker.ask("/v1/views/default/usage?path=/data/burst")[1])
        find = wall_of(["find", str(tree / "burst"), "-printf", "%p %s %T@\n"])
        yield (
            f"{DIRECTORIES * FILES:,} files made in {made:.2f} s, all visible {visible:.2f} s after the last (promised: 1 s); "
            f"find -printf over them {find:.2f} s"
        )
    finally:
        system.end()
