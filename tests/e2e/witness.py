"""Somebody who changes files of his own and asks at once whether an answer claims to know of it: `as_of` is never later than the truth."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fustor_core.times import parse_instant
from tests.e2e.system import System
from tests.polling import eventually

CLOCKS = 30_000_000
"""Nanoseconds by which the wall clock, which tests and answers name, may be off the clock of the root (its jitter, and a round trip)."""


class Witness:
    """Makes, rewrites and removes files in a directory of the root, on a thread, while anything may be going on. `wall` is the wall clock
    of fusion."""

    def __init__(self, system: System, wall: Callable[[], int] = time.time_ns) -> None:
        self._system = system
        self._wall = wall
        self._directory = Path(system.root) / "witness"
        self._directory.mkdir(exist_ok=True)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.lies: list[str] = []
        self.answers = 0

    def __enter__(self) -> "Witness":
        # From here on every answer is one about a directory that is known, however late news come.
        eventually(lambda: self._list() is not None, what="the directory of the witness is shown")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def check(self) -> None:
        """No answer claimed to know of what it did not."""
        assert not self.lies, self.lies[:3]
        assert self.answers, "no answer came at all"

    def _look(self) -> None:
        number = 0
        while not self._ending.wait(0.01):
            number += 1
            expected = self._change(number)
            finished = self._wall()
            # Asked at once, and again while the news travel.
            for pause in (0.0, 0.005, 0.05):
                if not self._ending.wait(pause):
                    self._ask(expected, finished)

    def _change(self, number: int) -> dict[str, int]:
        """The names and sizes that there are then."""
        file = self._directory / f"f{number % 5}"
        if number % 3:
            file.write_bytes(b"x" * number)
        else:
            file.unlink(missing_ok=True)
        return {each.name: each.stat().st_size for each in self._directory.iterdir()}

    def _list(self) -> Any:
        return self._system.query("list", self._system.mount(b"witness"))

    def _ask(self, expected: dict[str, int], finished: int) -> None:
        try:
            answer = self._list()
        except OSError:
            return  # fusion is away: no answer is no lie
        self.answers += 1
        as_of = answer["meta"]["as_of"]
        if as_of is None:
            return
        seconds, nanoseconds = parse_instant(as_of)
        known = {entry["name"]: entry["size"] for entry in answer["data"]}
        if seconds * 10**9 + nanoseconds > finished + CLOCKS and known != expected:
            ahead = (seconds * 10**9 + nanoseconds - finished) / 1e6
            self.lies.append(f"as of {ahead:.1f} ms after the change, and yet {known} where the disk has {expected}")
