"""What the outbox does with more than it can keep apart: names the directories that hold it all, and remembers that it did. Pure."""

from collections.abc import Mapping

MOST_TOLD = 16
"""Directories by which it is told where something was folded."""


def fold(directories: Mapping[bytes, int], most: int) -> dict[bytes, int]:
    """At most `most` directories at or below which all of these lie, each with the oldest of their times."""
    folded = dict(directories)
    depth = max((path.count(b"/") + 1 for path in folded if path), default=0)
    while len(folded) > max(most, 1):
        depth -= 1
        shorter: dict[bytes, int] = {}
        for path, since in folded.items():
            cut = b"/".join(path.split(b"/")[:depth])
            shorter[cut] = min(since, shorter.get(cut, since))
        folded = shorter
    return folded


class Folded:
    """Where marks were folded, until all that they stood for has been read."""

    def __init__(self) -> None:
        self._below: dict[bytes, int] = {}

    def add(self, directories: Mapping[bytes, int]) -> None:
        """Marks of these times are now lists of these directories."""
        for path, since in directories.items():
            self._below[path] = max(since, self._below.get(path, since))
        if len(self._below) > MOST_TOLD:
            latest = max(self._below.values())
            self._below = dict.fromkeys(fold(self._below, MOST_TOLD), latest)

    def below(self, oldest: int | None) -> list[bytes]:
        """Below which directories something is not read yet, when the oldest mark that is not read is of the time `oldest` (None: all
        are)."""
        if self._below:
            self._below = {} if oldest is None else {path: since for path, since in self._below.items() if since >= oldest}
        return list(self._below)
