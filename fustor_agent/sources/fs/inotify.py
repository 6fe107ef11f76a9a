"""The kernel's queue of file events, and the small port to it."""

import errno
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from contextlib import ExitStack
from enum import IntFlag
from typing import Final, Protocol

from fustor_agent.sources import CannotWatch
from fustor_agent.sources.fs.emptying import PATIENCE, Emptying
from fustor_agent.sources.fs.kernel import inotify_add, inotify_init, inotify_remove
from fustor_agent.sources.fs.opening import Held


class Mask(IntFlag):
    """The bits of inotify(7) that are used here."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x1000000
    EXCL_UNLINK = 0x4000000
    ISDIR = 0x40000000


# Not IN_DONT_FOLLOW: the watch is asked for through the link in /proc that stands for the open descriptor, so no other link can be met.
WATCHED = int(
    Mask.MODIFY
    | Mask.ATTRIB
    | Mask.CLOSE_WRITE
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.CREATE
    | Mask.DELETE
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
    | Mask.ONLYDIR
    | Mask.EXCL_UNLINK
)
_BLOCK: Final = 64 * 1024
_LONGEST_RUN: Final = 16 * 1024
_IN_ORDER: Final = int(Mask.Q_OVERFLOW | Mask.MOVED_FROM)
_HEADER = struct.Struct("iIII")


class Queue(Protocol):
    """Where watches are set, and what they bring is read."""

    def add(self, directory: int) -> int:
        """Watch the directory that the descriptor is open on. The number of the watch; OSError if it is refused (ENOSPC: no more are
        allowed)."""

    def remove(self, watch: int) -> None:
        """End the watch; nothing happens if it has ended by itself."""

    def read(self) -> list[bytes]:
        """Everything that is queued at the moment, as the kernel writes it, in blocks of whole events."""

    def fileno(self) -> int:
        """The descriptor that is readable when there is something to read."""

    def close(self) -> None:
        """End all watches."""


class InotifyQueue:
    """The queue of inotify(7). `number` is its descriptor; what is not read for `patience` milliseconds is taken out of the kernel."""

    def __init__(self, patience: int = PATIENCE) -> None:
        with ExitStack() as stack:
            try:
                self.number = inotify_init()
                self._held = Held(self.number)
                stack.callback(self._held.release)
                self._emptying = Emptying(self.number, self._read, patience)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                raise CannotWatch(
                    "nothing can be watched: no more inotify queues are allowed; changes are only seen by audits",
                    "sysctl fs.inotify.max_user_instances=1024, then restart the pipe",
                ) from error
            self._open = stack.pop_all()
            self._open.callback(self._emptying.close)

    def add(self, directory: int) -> int:
        with self._held as queue:
            return inotify_add(queue, b"/proc/self/fd/%d" % directory, WATCHED)

    def remove(self, watch: int) -> None:
        with self._held as queue:
            try:
                inotify_remove(queue, watch)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise

    def read(self) -> list[bytes]:
        return self._emptying.take()

    def _read(self) -> list[bytes]:
        blocks: list[bytes] = []
        with self._held as queue:
            # What comes while this is read is left for the next time, or a busy tree could keep the reader for ever.
            waiting = struct.unpack("i", fcntl.ioctl(queue, termios.FIONREAD, b"\0" * 4))[0]
            while waiting > 0:
                blocks.append(os.read(queue, min(waiting, _BLOCK)))
                waiting -= len(blocks[-1])
        return blocks

    def fileno(self) -> int:
        return self._emptying.fileno()

    def close(self) -> None:
        self._open.close()


class NoQueue:
    """For a source of which nothing can be watched: it refuses every watch."""

    def add(self, directory: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def remove(self, watch: int) -> None:
        """There is none."""

    def read(self) -> list[bytes]:
        return []

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """Nothing to end."""


def parse(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """The events in what the queue gave: watch, mask, the number that both halves of a rename have, and the name in the watched directory
    (empty for the directory itself)."""
    position, end, size, unpack = 0, len(data), _HEADER.size, _HEADER.unpack_from
    while position < end:
        watch, mask, cookie, length = unpack(data, position)
        position += size
        yield watch, mask, cookie, data[position : position + length].rstrip(b"\0") if length else b""
        position += length


def runs(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """What the queue gave, in parts of which each is about one watch: the watch, its events, and whether these may be told before others
    that came earlier: dropped events and the first half of a move may not."""
    position, start, current, end, size, unpack = 0, 0, 0, len(data), _HEADER.size, _HEADER.unpack_from
    overtakes = True
    while position < end:
        watch, mask, _, length = unpack(data, position)
        if watch != current or mask & _IN_ORDER or position - start >= _LONGEST_RUN:
            if position > start:
                yield current, data[start:position], overtakes
            start, current, overtakes = position, watch, not mask & _IN_ORDER
        position += size + length
    if position > start:
        yield current, data[start:position], overtakes
