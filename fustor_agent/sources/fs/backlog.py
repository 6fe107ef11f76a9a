"""What has happened and is still to be noticed. The queue of the kernel is short, so it is emptied at once; what was in it is noticed in
parts, so that others have their turn between two of them, and where one directory is full of events, those elsewhere do not wait for all of
them."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from fustor_agent.sources.fs.inotify import Queue, runs
from fustor_core.clock import boottime

MOST: Final = 32 * 1024 * 1024
"""Bytes that are kept here, about. What is beyond waits in the queue."""
_PER_RUN: Final = 1024
AT_ONCE: Final = 32 * 1024
"""Bytes of a part, about: some hundred events, which are noticed in a millisecond or two."""


@dataclass(slots=True)
class _Fetch:
    """What was in the queue at one time (local ns), and in how many runs of it there is more to be taken."""

    at: int
    left: int = 0


class Backlog:
    """The events of one queue. Those of one directory stay in their order, and the two halves of a move in theirs."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        # In the last are those since the last event that nothing may overtake.
        self._waiting: deque[OrderedDict[int, deque[tuple[bytes, _Fetch]]]] = deque()
        self._fetches: deque[_Fetch] = deque()
        self._size = 0
        self.taken_to = 0
        """All events from before this (local ns) have been taken."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def fetch(self) -> None:
        """Empty the queue."""
        if self._size >= MOST:
            return
        fetch = _Fetch(boottime())
        for block in self._queue.read():
            for watch, run, overtakes in runs(block):
                if not overtakes or not self._waiting:
                    self._waiting.append(OrderedDict())
                self._waiting[-1].setdefault(watch, deque()).append((run, fetch))
                self._size += len(run) + _PER_RUN
                fetch.left += 1
        self._fetches.append(fetch)
        self._note_taken()

    def take(self) -> bytes:
        """The next events; empty if there are none."""
        taken: list[bytes] = []
        room = AT_ONCE
        while self._waiting and room > 0:
            waiting = self._waiting[0]
            watch, events = waiting.popitem(last=False)
            run, fetch = events.popleft()
            if events:
                # Behind all others, whose turn it is next.
                waiting[watch] = events
            elif not waiting:
                self._waiting.popleft()
            taken.append(run)
            room -= len(run)
            self._size -= len(run) + _PER_RUN
            fetch.left -= 1
        self._note_taken()
        return b"".join(taken)

    def _note_taken(self) -> None:
        while self._fetches and not self._fetches[0].left:
            self.taken_to = self._fetches.popleft().at
