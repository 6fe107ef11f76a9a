"""Notices what is mounted and unmounted below a root: no event of inotify tells of that, though a directory is another from then on."""

import os
import re
import select
from pathlib import Path
from types import TracebackType
from typing import Final, Self

TABLE: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")


class Mounts:
    """The mount points below the directory `top`, an absolute path without links, while this is open."""

    def __init__(self, top: bytes) -> None:
        self._below = top.rstrip(b"/") + b"/"
        self._table = -1
        self._news = select.poll()
        self._known: frozenset[tuple[bytes, bytes]] = frozenset()

    def __enter__(self) -> Self:
        self._table = os.open(TABLE, os.O_RDONLY | os.O_CLOEXEC)
        # The kernel says so once each time that the table has changed.
        self._news.register(self._table, select.POLLPRI)
        self._known = mounted_below(self._below, TABLE.read_bytes())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._news.unregister(self._table)
        os.close(self._table)

    def changed(self) -> list[bytes]:
        """The paths, from `top` on, at which something has been mounted or unmounted since this was asked last, or opened."""
        if not self._news.poll(0):
            return []
        before, self._known = self._known, mounted_below(self._below, TABLE.read_bytes())
        return sorted({path for _, path in before ^ self._known})


def mounted_below(above: bytes, table: bytes) -> frozenset[tuple[bytes, bytes]]:
    """The number of each mount that the text of a mountinfo names below the path `above`, which ends with a slash, and its path from there
    on."""
    found: set[tuple[bytes, bytes]] = set()
    for line in table.splitlines():
        number, _, _, _, point, *_ = line.split(b" ")
        path = _ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), point)
        if path.startswith(above) and path != above:
            found.add((number, path[len(above) :]))
    return frozenset(found)
