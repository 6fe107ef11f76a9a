"""The times of all marks that are not done, of which the least is wanted at any moment. Pure."""

import heapq
from collections import Counter
from collections.abc import Mapping

_SLACK = 1024


class MarkTimes:
    """A multiset of times that knows its least one."""

    def __init__(self) -> None:
        self._count: Counter[int] = Counter()
        self._heap: list[int] = []

    def add(self, time: int) -> None:
        if time not in self._count:
            heapq.heappush(self._heap, time)
        self._count[time] += 1
        # One old time at the top would keep all that came and went behind it.
        if len(self._heap) > 2 * len(self._count) + _SLACK:
            self._heap = sorted(self._count)

    def remove(self, time: int) -> None:
        self._count[time] -= 1
        if not self._count[time]:
            del self._count[time]

    def remove_all(self, times: Mapping[int, int]) -> None:
        """Remove each of these so often."""
        for time, often in times.items():
            self._count[time] -= often - 1
            self.remove(time)

    def least(self) -> int | None:
        """The least of them; None if there are none."""
        while self._heap and self._heap[0] not in self._count:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def __len__(self) -> int:
        """How many are kept in memory, whether they still stand or not."""
        return len(self._heap)
