"""What is still to be told to fusion of which files are being written, over one session after the other. Pure.

That a file is being written is told at once. That it is no longer is told after the evidence of what was written last: the other way
round, a file could look finished and still have its former size.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

AT_ONCE: Final = 64 * 1024
"""Bytes of paths in one batch, about."""


class WritingNews:
    """What is known, what the session has been told of it, and what it has to be told next. Times are local ns, never falling."""

    def __init__(self) -> None:
        self._known: dict[bytes, bool] = {}
        self._told: dict[bytes, bool] = {}
        # Ordered, as they are taken from in front: a plain dict looks for its first key through the places of all that have gone.
        self._ready: OrderedDict[bytes, None] = OrderedDict()
        self._held: OrderedDict[bytes, int] = OrderedDict()

    def begin(self, now: int) -> None:
        """A new session knows nothing. What the one before did not deliver is marked, and is older than `now`."""
        self._told.clear()
        self._ready = OrderedDict((path, None) for path, writing in self._known.items() if writing)
        self._held = OrderedDict((path, now) for path, writing in self._known.items() if not writing)

    def note(self, changes: Mapping[bytes, bool | None], since: int) -> None:
        """This has been noticed; whatever it is about has been marked with `since`, or before."""
        for path, writing in changes.items():
            if writing is None:
                self._known.pop(path, None)
            else:
                self._known[path] = writing
            self._ready.pop(path, None)
            self._held.pop(path, None)
            told = self._told.get(path)
            if told and not writing:
                self._held[path] = since
            elif told != writing:
                self._ready[path] = None

    def forget(self, since: int) -> None:
        """Nothing is watched any more."""
        self.note(dict.fromkeys(self._known), since)

    def take(self, oldest: int | None) -> list[tuple[bytes, bool | None]]:
        """What the next batch should tell, where the oldest mark that has not been sent is of that time (None: there is none)."""
        taken: list[tuple[bytes, bool | None]] = []
        room = AT_ONCE
        while self._ready and room > 0:
            path, _ = self._ready.popitem(last=False)
            room -= self._tell(path, taken)
        while self._held and room > 0:
            path, since = next(iter(self._held.items()))
            if oldest is not None and oldest <= since:
                break
            del self._held[path]
            room -= self._tell(path, taken)
        return taken

    def _tell(self, path: bytes, taken: list[tuple[bytes, bool | None]]) -> int:
        writing = self._known.get(path)
        if writing is None:
            self._told.pop(path, None)
        else:
            self._told[path] = writing
        taken.append((path, writing))
        return len(path) + 8
