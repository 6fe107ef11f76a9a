"""An event loop on which waiting takes a fraction of the time: for tests of what happens after seconds of silence."""

import asyncio
import selectors
from collections.abc import Sequence


class _HurriedSelector(selectors.DefaultSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> "Sequence[tuple[selectors.SelectorKey, int]]":  # type: ignore[override]
        return super().select(timeout / self._speed if timeout is not None and timeout > 0 else timeout)


class HurriedLoop(asyncio.SelectorEventLoop):
    """Sleeps and timeouts end `speed` times sooner. Sockets, threads and clocks that are read otherwise are as they are."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._waits = _HurriedSelector(speed)
        super().__init__(self._waits)

    @property
    def open_sockets(self) -> int:
        """How many sockets it waits for: none once all that was connected has been closed."""
        # One is its own, by which other threads wake it.
        return len(self._waits.get_map()) - 1

    def time(self) -> float:
        return super().time() * self._speed
