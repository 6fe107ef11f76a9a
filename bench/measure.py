"""How the rows measure."""

import http.client
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.e2e.system import KEY, System

PER_DIRECTORY = 100


def make_tree(root: Path, files: int) -> None:
    """`files` small files in directories of a hundred, three levels deep."""
    root.mkdir(exist_ok=True)
    for number in range(0, files, PER_DIRECTORY):
        directory = root / f"project-{number // 10_000:03}" / f"run-{number // PER_DIRECTORY:05}"
        directory.mkdir(parents=True, exist_ok=True)
        for index in range(min(PER_DIRECTORY, files - number)):
            with open(directory / f"measurement-{index:04}.dat", "wb") as file:
                os.truncate(file.fileno(), (number + index) % 9973)


def wall_of(command: Sequence[str], times: int = 5) -> float:
    """The median wall time of a command, in seconds; its output is thrown away."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def until(condition: Callable[[], bool], every: float = 0.002, within: float = 60.0) -> float:
    """Seconds until the condition holds."""
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > within:
            raise TimeoutError("the condition did not come true")
        time.sleep(every)
    return time.perf_counter() - began


def percentiles(values: Sequence[float]) -> str:
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(values)
    return f"p50 {1e3 * statistics.median(ordered):.2f} ms, p99 {1e3 * ordered[int(len(ordered) * 0.99)]:.2f} ms"


class Asker:
    """One kept connection to fusion."""

    def __init__(self, system: System) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {KEY}"}

    def ask(self, target: str) -> tuple[int, bytes]:
        """Status and body."""
        self._connection.request("GET", target, headers=self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()
