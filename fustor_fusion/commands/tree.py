"""Amounts of directories, added up from the entries below them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from fustor_core.evidence import Kind
from fustor_fusion.query import Instant
from fustor_fusion.replies import Entry


@dataclass(slots=True)
class Amount:
    """How much something is: sizes of regular files, what is allocated for anything, and the latest modification of anything counted."""

    bytes: int = 0
    allocated: int = 0
    newest: Instant | None = None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """What the entry itself is, without what is below it."""
        return cls((entry.size or 0) if entry.type is Kind.FILE else 0, entry.allocated or 0, entry.modified)

    def add(self, other: "Amount") -> None:
        self.bytes += other.bytes
        self.allocated += other.allocated
        if other.newest is not None and (self.newest is None or other.newest > self.newest):
            self.newest = other.newest


class Tree:
    """The directories at and below `top`, as entries come in, in any order; with their files if those are wanted too."""

    def __init__(self, top: bytes, *, with_files: bool) -> None:
        self._top = top
        self._with_files = with_files
        self.amounts: dict[bytes, Amount] = {top: Amount()}

    def add(self, entry: Entry) -> None:
        """Count an entry in, in all directories above it down from the top."""
        amount, path = Amount.of(entry), entry.raw_path
        if entry.is_directory or self._with_files:
            self.amounts.setdefault(path, Amount()).add(amount)
        while path != self._top and len(path) > len(self._top):
            path = path.rpartition(b"/")[0] or b"/"
            self.amounts.setdefault(path, Amount()).add(amount)


def post_order(paths: Iterable[bytes], top: bytes) -> list[bytes]:
    """The paths as du goes: by name, and each directory behind what is in it."""
    # By components, so that no name sorts between a directory and what is in it.
    ordered = sorted(paths, key=lambda path: path[len(top) :].strip(b"/").split(b"/") if path != top else [])
    out: list[bytes] = []
    open_directories: list[bytes] = []
    for path in ordered:
        while open_directories and not _holds(open_directories[-1], path):
            out.append(open_directories.pop())
        open_directories.append(path)
    out.extend(reversed(open_directories))
    return out


def _holds(directory: bytes, path: bytes) -> bool:
    return path.startswith(directory if directory.endswith(b"/") else directory + b"/")
