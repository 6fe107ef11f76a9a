"""Directories that could not be read: when each is tried again, and what is said of them. Pure; times are local ns.

A directory is tried again soon at first, then after twice the pause each time, up to a cap, until it can be read.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from fustor_agent.outbox.folding import fold
from fustor_agent.sources import PERMISSION_DENIED
from fustor_core.paths import show
from fustor_core.printable import shortened

FIRST = 1_000_000_000
MOST = 300_000_000_000
BOUND = 10_000
"""Directories that are kept one by one; beyond that they are folded into those above, which are then listed with all below."""
DOES_NOT_ANSWER = "it does not answer"
_REMEDIES = {
    DOES_NOT_ANSWER: "see whether the file system there hangs; it is tried again by itself",
    PERMISSION_DENIED: "let the user that the agent runs as read them, or exclude them; they are tried again by themselves",
}
MOST_STUCK = 2
"""Readings that may hang in one directory at the same time: each holds a thread."""


@dataclass(slots=True)
class _Doubt:
    """Why a directory could not be read, and when it is tried again. `trying`: it is being tried, or waits for its turn."""

    reason: str
    recursive: bool
    pause: int
    due: int
    trying: bool = False
    count: int = 1


class Doubts:
    """The directories of one source that are in doubt. `bound` is how many are kept one by one."""

    def __init__(self, *, first: int = FIRST, most: int = MOST, bound: int = BOUND) -> None:
        self._first = first
        self._most = most
        self._bound = bound
        self._doubts: dict[bytes, _Doubt] = {}
        self._hanging: dict[bytes, None] = {}
        self._queue: list[tuple[int, bytes]] = []
        self._stuck: Counter[bytes] = Counter()

    def failed(self, directory: bytes, reason: str, now: int, *, recursive: bool) -> bool:
        """The directory could not be read, and when it can be again it is to be listed, if `recursive` with all below; whether that is
        news."""
        known = self._doubts.get(directory)
        if known is None:
            self._add(directory, _Doubt(reason, recursive, self._first, now + self._first))
        else:
            known.reason, known.recursive = reason, known.recursive or recursive
            if known.trying:
                known.trying, known.pause = False, min(2 * known.pause, self._most)
                self._schedule(directory, known, now + known.pause)
        if reason == DOES_NOT_ANSWER:
            self._hanging[directory] = None
        else:
            self._hanging.pop(directory, None)
        if len(self._doubts) > self._bound:
            self._fold(now)
        return known is None

    def settled(self, directory: bytes) -> None:
        """It is known again what the directory holds, or that it is none."""
        self._doubts.pop(directory, None)
        self._hanging.pop(directory, None)

    def tried(self, directories: Iterable[bytes]) -> None:
        """These have been tried; one of which nothing was said is none of ours any more."""
        for directory in directories:
            if (doubt := self._doubts.get(directory)) is not None and doubt.trying:
                self.settled(directory)

    def hangs(self, directory: bytes) -> bool:
        """Whether the directory did not answer when it was read last. Safe to ask from any thread."""
        return directory in self._hanging

    def hurry(self, directory: bytes, now: int) -> None:
        """Somebody wants to know: try it at once."""
        doubt = self._doubts.get(directory)
        if doubt is not None and not doubt.trying:
            self._schedule(directory, doubt, now)

    def due(self, now: int) -> list[tuple[bytes, bool]]:
        """The directories that are to be tried at this moment, and whether with all below."""
        found = []
        while self._queue and self._queue[0][0] <= now:
            due, directory = heapq.heappop(self._queue)
            doubt = self._doubts.get(directory)
            if doubt is None or doubt.trying or doubt.due != due:
                continue
            if self._stuck[directory] >= MOST_STUCK:
                self._schedule(directory, doubt, now + self._most)
            else:
                doubt.trying = True
                found.append((directory, doubt.recursive))
        return found

    def stuck(self, directory: bytes) -> None:
        """A reading hangs in the directory, and is waited for no longer. Where several do, it is not tried again before one comes back."""
        self._stuck[directory] += 1

    def came_back(self, directory: bytes, now: int) -> None:
        """A reading that hung there has ended: it may answer again."""
        self._stuck[directory] -= 1
        if not self._stuck[directory]:
            del self._stuck[directory]
        self.hurry(directory, now)

    def words(self) -> tuple[str, str]:
        """What is not as it should be, with one example, and what to do; empty if all can be read."""
        if not self._doubts:
            return "", ""
        example = next(iter(self._hanging or self._doubts))
        count = sum(doubt.count for doubt in self._doubts.values())
        number = "1 directory" if count == 1 else f"{count:,} directories"
        reason = self._doubts[example].reason
        remedy = _REMEDIES.get(reason, "see to what is said of it, or exclude it; it is tried again by itself")
        return f"{number} could not be read, for example /{shortened(show(example))}: {reason}", remedy

    def _add(self, directory: bytes, doubt: _Doubt) -> None:
        self._doubts[directory] = doubt
        self._schedule(directory, doubt, doubt.due)

    def _schedule(self, directory: bytes, doubt: _Doubt, due: int) -> None:
        doubt.due = due
        heapq.heappush(self._queue, (due, directory))

    def _fold(self, now: int) -> None:
        before, self._doubts, self._hanging, self._queue = self._doubts, {}, {}, []
        folded = fold({directory: doubt.due for directory, doubt in before.items()}, self._bound // 2)
        for directory in folded:
            self._add(directory, _Doubt("many below it could not be read", True, self._most, now + self._most, count=0))
        for directory, doubt in before.items():
            above = directory
            while above not in folded:
                above = above.rpartition(b"/")[0]
            self._doubts[above].count += doubt.count
