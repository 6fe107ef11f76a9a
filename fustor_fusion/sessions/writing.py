"""Which files are being written, by the word of the sessions of one root. Pure. It ends with the session that told it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 20_000
"""Files of which one session may tell. An agent keeps fewer; of one that does not, nothing is believed until it tells anew."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What one session says at one moment: by path whether a file is being written, and how many are at or below each directory."""

    files: Mapping[bytes, bool] = field(default_factory=dict)
    below: Mapping[bytes, int] = field(default_factory=dict)


class WritingTable:
    """What one session has told so far."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._files: dict[bytes, bool] = {}
        self._below: dict[bytes, int] = {}
        self._now: Writing | None = Writing()

    def tell(self, news: Iterable[tuple[bytes, bool | None]]) -> None:
        """Each file is being written, is not, or nobody knows (None)."""
        for path, writing in news:
            self._now = None
            if self._files.pop(path, False):
                self._count(path, -1)
            if writing is not None:
                self._files[path] = writing
            if writing:
                self._count(path, 1)
        if len(self._files) > self._most:
            self._files, self._below = {}, {}

    def _count(self, path: bytes, by: int) -> None:
        while path:
            path = path.rpartition(b"/")[0]
            count = self._below.get(path, 0) + by
            if count:
                self._below[path] = count
            else:
                del self._below[path]

    def now(self) -> Writing:
        """All of it, for other threads."""
        if self._now is None:
            self._now = Writing(dict(self._files), dict(self._below))
        return self._now


def is_written(path: bytes, told: Sequence[Writing]) -> bool | None:
    """Whether the file is being written: it is if any session says so; None if none knows."""
    known = [writing for one in told if (writing := one.files.get(path)) is not None]
    return any(known) if known else None


def written_below(path: bytes, told: Sequence[Writing]) -> int:
    """How many files below the directory are being written, as far as any one session knows."""
    return max((one.below.get(path, 0) for one in told), default=0)
