"""A queue of file events that is only pretended."""

import struct
from collections.abc import Callable

from fustor_agent.sources.fs.inotify import Mask


def event(watch: int, mask: int, name: bytes = b"", cookie: int = 0) -> bytes:
    """An event as the kernel writes it."""
    padded = name + b"\0" * (16 - len(name) % 16) if name else b""
    return struct.pack("iIII", watch, mask, cookie, len(padded)) + padded


class Pretended:
    """Gives each inode (here: each descriptor) one watch, like the kernel, and never the same number twice."""

    def __init__(self) -> None:
        self.last = 0
        self.by_inode: dict[int, int] = {}
        self.blocks: list[bytes] = []
        self.while_adding: Callable[[], None] = lambda: None

    def add(self, directory: int) -> int:
        if directory not in self.by_inode:
            self.last += 1
            self.by_inode[directory] = self.last
        watch = self.by_inode[directory]
        happens, self.while_adding = self.while_adding, lambda: None
        happens()
        return watch

    def remove(self, watch: int) -> None:
        self.by_inode = {inode: one for inode, one in self.by_inode.items() if one != watch}
        self.happens(watch, Mask.IGNORED)

    def happens(self, watch: int, mask: int, name: bytes = b"") -> None:
        self.blocks = [b"".join(self.blocks) + event(watch, mask, name)]

    def read(self) -> list[bytes]:
        blocks, self.blocks = self.blocks, []
        return blocks

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.by_inode.clear()
