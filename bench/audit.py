"""Audits of a tree in which nothing has changed, against `find -printf` over the same tree, and what they send."""

import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from bench.measure import Asker, make_tree, until, wall_of
from fustor_core.times import parse_instant
from tests.e2e.system import KEY, System, ask

REPEATS = 3


def run(directory: Path, files: int) -> Iterator[str]:
    tree = directory / "data"
    make_tree(tree, files)
    find = ["find", str(tree), "-printf", "%p %s %T@\n"]
    system = System(directory, root=tree)
    system.agent_extra = {"audit": {"every": 0, "shallow": 0}}
    try:
        system.start()
        asker = Asker(system)
        until(lambda: b'"complete":true' in asker.ask("/v1/views/default/stat?path=/data")[1], within=600)
        # A directory that changed a moment ago is listed by any audit: these are to find a tree at rest.
        time.sleep(3)
        _audit(system, shallow=False)
        for shallow, promised in ((False, 2), (True, 0.5)):
            reference = wall_of(find)
            before = _sent(system)
            taken = [_audit(system, shallow=shallow) for _ in range(REPEATS)]
            sent = (_sent(system) - before) / REPEATS / files
            ratio = statistics.median(taken) / reference
            times = f"{statistics.median(taken):.2f} s, find -printf {reference:.2f} s, ratio {ratio:.2f} (promised: at most {promised})"
            yield f"{'shallow' if shallow else 'deep'}, {files:,} files: {times}; {sent:.2f} bytes/entry sent (promised: under 4)"
    finally:
        system.end()


def _audit(system: System, *, shallow: bool) -> float:
    """Seconds from the beginning of an audit to its end, as the history of the pipe has them: asking all the time would slow it down."""
    before = len(_audits(system))
    query = "?shallow=true" if shallow else ""
    ask("POST", system.agent_port, f"/v1/pipes/{system.pipe}/audit{query}", {"Authorization": f"Bearer {KEY}"})
    until(lambda: len(_audits(system)) > before, every=0.25, within=600)
    return _audits(system)[-1]


def _audits(system: System) -> list[float]:
    """The seconds that each audit took which has ended."""
    rows = system.get(f"/v1/pipes/{system.pipe}/history", port=system.agent_port, key=None)["data"]
    steps = [("AUDIT_PHASE" in row["pipe_state"], parse_instant(row["at"])) for row in rows]
    return [_seconds(begun, ended) for (audits, begun), (_, ended) in pairwise(steps) if audits]


def _seconds(begun: tuple[int, int], ended: tuple[int, int]) -> float:
    return ended[0] - begun[0] + (ended[1] - begun[1]) / 1e9


def _sent(system: System) -> int:
    """Bytes that the pipe has sent in its session so far, before they were compressed."""
    return int(system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port, key=None)["data"]["counters"]["sent_bytes"])
