"""The paths that may have changed, by directory: where one is full of changes, those elsewhere do not wait for all of them. Pure."""

from collections.abc import Callable, Collection, Iterable
from itertools import islice

from fustor_core.paths import split


class Marks:
    """Paths with the times of their marks."""

    def __init__(self) -> None:
        self._directories: dict[bytes, dict[bytes, int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, path: bytes) -> bool:
        return self.get(path) is not None

    def get(self, path: bytes) -> int | None:
        return self._directories.get(split(path)[0], {}).get(path)

    def of(self, directory: bytes) -> Collection[bytes]:
        """The paths of the names in a directory."""
        return self._directories.get(directory, {}).keys()

    def __setitem__(self, path: bytes, since: int) -> None:
        marks = self._directories.setdefault(split(path)[0], {})
        self._count += path not in marks
        marks[path] = since

    def take(self, limit: int) -> dict[bytes, int]:
        """Take at most so many away, an equal share from each directory, the oldest ones of each first."""
        taken: dict[bytes, int] = {}
        while self._directories and len(taken) < limit:
            share = max((limit - len(taken)) // len(self._directories), 1)
            for directory in list(islice(self._directories, limit - len(taken))):
                self._take_from(directory, min(share, limit - len(taken)), taken)
        return taken

    def take_few(self, limit: int, most: int, ahead: Callable[[bytes], int]) -> dict[bytes, int]:
        """Take at most so many away, of the next directories: all of one, or nothing where these, with what is `ahead` of it, are more than
        `most`."""
        taken: dict[bytes, int] = {}
        for directory in list(islice(self._directories, limit)):
            few = min(most - ahead(directory), limit - len(taken))
            if len(self._directories[directory]) <= few:
                self._take_from(directory, few, taken)
        return taken

    def _take_from(self, directory: bytes, limit: int, taken: dict[bytes, int]) -> None:
        marks = self._directories.pop(directory)
        self._count -= len(marks)
        if len(marks) <= limit:
            taken |= marks
            return
        for path in list(islice(marks, limit)):
            taken[path] = marks.pop(path)
        # Behind all others, whose turn it is next.
        self._directories[directory] = marks
        self._count += len(marks)

    def take_directories(self, keep: int) -> Iterable[tuple[bytes, dict[bytes, int]]]:
        """Take whole directories away, those with the most marks first, until at most `keep` marks are left."""
        for directory in sorted(self._directories, key=lambda one: len(self._directories[one]), reverse=True):
            if self._count <= keep:
                break
            yield directory, self.take_directory(directory)

    def take_directory(self, directory: bytes) -> dict[bytes, int]:
        """Take away all of one directory."""
        marks = self._directories.pop(directory)
        self._count -= len(marks)
        return marks
