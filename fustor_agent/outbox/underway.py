"""What has been taken out of the outbox and is not done yet, by directory. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable

from fustor_core.paths import split


class Underway:
    """Paths; one that was taken twice is there until it is done twice."""

    def __init__(self) -> None:
        self._directories: dict[bytes, Counter[bytes]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many different paths there are."""
        return self._count

    def __contains__(self, path: bytes) -> bool:
        return path in self._directories.get(split(path)[0], ())

    def of(self, directory: bytes) -> Collection[bytes]:
        """The paths of the names in a directory."""
        return self._directories.get(directory, {}).keys()

    def add(self, paths: Iterable[bytes]) -> None:
        for path in paths:
            taken = self._directories.setdefault(split(path)[0], Counter())
            self._count += path not in taken
            taken[path] += 1

    def remove(self, paths: Iterable[bytes]) -> None:
        for path in paths:
            directory, _ = split(path)
            taken = self._directories[directory]
            taken[path] -= 1
            if not taken[path]:
                del taken[path]
                self._count -= 1
                if not taken:
                    del self._directories[directory]
