"""The kernel's queue of file events, and the small port to it."""

import errno
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from enum import IntFlag
from typing import Protocol

from fustor_agent.sources import CannotWatch
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
_HEADER = struct.Struct("iIII")


class Queue(Protocol):
    """Where watches are set, and what they bring is read."""

    def add(self, directory: int) -> int:
        """Watch the directory that the descriptor is open on. The number of the watch; OSError if it is refused (ENOSPC: no more are
        allowed)."""

    def remove(self, watch: int) -> None:
        """End the watch; nothing happens if it has ended by itself."""

    def read(self) -> bytes:
        """Everything that is queued at the moment, as the kernel writes it."""

    def fileno(self) -> int:
        """The descriptor that is readable when there is something to read."""

    def close(self) -> None:
        """End all watches."""


class InotifyQueue:
    """The queue of inotify(7)."""

    def __init__(self) -> None:
        try:
            self._number = inotify_init()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise CannotWatch(
                "nothing can be watched: no more inotify queues are allowed; changes are only seen by audits",
                "sysctl fs.inotify.max_user_instances=1024, then restart the pipe",
            ) from error
        self._held = Held(self._number)

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

    def read(self) -> bytes:
        with self._held as queue:
            # What comes while this is read is left for the next time, or a busy tree could keep the reader for ever.
            waiting = struct.unpack("i", fcntl.ioctl(queue, termios.FIONREAD, b"\0" * 4))[0]
            return os.read(queue, waiting) if waiting else b""

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        self._held.release()


class NoQueue:
    """For a source of which nothing can be watched: it refuses every watch."""

    def add(self, directory: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def remove(self, watch: int) -> None:
        """There is none."""

    def read(self) -> bytes:
        return b""

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
