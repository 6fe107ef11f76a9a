"""Empties a queue of the kernel where whoever reads it comes late: it is short, and what is too much for it is dropped."""

import os
import select
from collections.abc import Callable
from contextlib import ExitStack, suppress
from threading import Lock, Thread
from typing import Final

PATIENCE: Final = 20
"""Milliseconds for which what has come is left to the reader."""
MOST: Final = 16 * 1024 * 1024
"""Bytes that are kept for the reader; more waits in the kernel."""


class Emptying:
    """Calls `read`, never twice at a time, which takes all that there is from the descriptor, after `patience` milliseconds. Keeps what it
    gives until it is taken: no more than `most` bytes, about."""

    def __init__(self, descriptor: int, read: Callable[[], list[bytes]], patience: int = PATIENCE, most: int = MOST) -> None:
        self._read, self._patience, self._most = read, patience, most
        self._kept: list[bytes] = []
        self._size = 0
        self._lock = Lock()
        with ExitStack() as stack:
            self._something = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            stack.callback(os.close, self._something)
            self._end = os.eventfd(0, os.EFD_CLOEXEC)
            stack.callback(os.close, self._end)
            self._either = stack.enter_context(select.epoll(flags=select.EPOLL_CLOEXEC))
            self._either.register(descriptor, select.EPOLLIN)
            self._either.register(self._something, select.EPOLLIN)
            self._open = stack.pop_all()
        self._thread = Thread(target=self._keep_empty, args=(descriptor,), name="events", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The descriptor that is readable when there is something to take."""
        return self._either.fileno()

    def take(self) -> list[bytes]:
        """Everything that has come so far."""
        with self._lock:
            taken = [*self._kept, *self._read()]
            self._kept.clear()
            self._size = 0
            with suppress(BlockingIOError):
                os.eventfd_read(self._something)
        return taken

    def close(self) -> None:
        """Leave the queue alone from here on."""
        os.eventfd_write(self._end, 1)
        self._thread.join()
        self._open.close()

    def _keep_empty(self, descriptor: int) -> None:
        coming, ending = select.poll(), select.poll()
        coming.register(descriptor, select.POLLIN)
        coming.register(self._end, select.POLLIN)
        ending.register(self._end, select.POLLIN)
        while True:
            coming.poll()
            if ending.poll(self._patience):
                return
            with self._lock:
                if self._size < self._most and (blocks := self._read()):
                    self._kept += blocks
                    self._size += sum(map(len, blocks))
                    os.eventfd_write(self._something, 1)
