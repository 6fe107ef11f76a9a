"""What has happened to pipes, numbered, for whoever listens: each reads at a pace of its own, and none of them holds anything up."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from fustor_fusion.news import News

SIZE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """Something that happened. `kind` is the name of the event, `data` its JSON in one line."""

    number: int
    kind: str
    data: bytes


class Feed:
    """The last `size` items. `name` is that of this run: numbers of another run mean nothing here. Lives on the event loop."""

    def __init__(self, name: str, size: int = SIZE) -> None:
        self.name = name
        self._items: deque[Item] = deque(maxlen=size)
        self._last = 0
        self._news = News()
        self.ended = False

    @property
    def last(self) -> int:
        """The number of the newest item."""
        return self._last

    @property
    def lost(self) -> int:
        """The number up to which items are forgotten."""
        return self._last - len(self._items)

    def add(self, kind: str, data: bytes) -> None:
        self._last += 1
        self._items.append(Item(self._last, kind, data))
        self._news.tell()

    def after(self, number: int, limit: int = 500) -> list[Item]:
        """The items that are kept after this number, oldest first."""
        first = max(number - self.lost, 0)
        return [self._items[index] for index in range(first, min(len(self._items), first + limit))]

    async def wait(self, number: int, seconds: float) -> None:
        """Until there is something after `number`, until the end, or for so long."""
        if self._last > number or self.ended:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._news.next.wait()
        except TimeoutError:
            return

    def end(self) -> None:
        """Nothing more will come: whoever listens goes home."""
        self.ended = True
        self._news.tell()
