"""Paths as people type them, and the paths of a view that they may stand for. Pure.

A path that lies below a directory which an agent of this machine indexes is a path of this machine. Any other absolute path is one of
the view. Where both readings are possible the local one is tried first; two slashes in front (`//data/a`) leave only the view's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fustor_core.paths import is_below


@dataclass(frozen=True, slots=True)
class Source:
    """A directory of this machine that is indexed, and where the view has it mounted; both absolute."""

    path: bytes
    mount: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """A path as it was typed, and what it stands for in the view."""

    typed: bytes
    view: bytes

    def shown(self, path: bytes) -> bytes:
        """The path of an entry at or below this place, as find prints it: with what was typed in front."""
        return self.locate(path)[0]

    def locate(self, path: bytes) -> tuple[bytes, int]:
        """How the path of an entry at or below this place is shown, and how many directories below it that is."""
        if path == self.view:
            return self.typed, 0
        below = path[len(self.view) :].lstrip(b"/")
        return (self.typed if self.typed.endswith(b"/") else self.typed + b"/") + below, below.count(b"/") + 1


def readings(typed: bytes, here: Sequence[bytes], sources: Sequence[Source]) -> list[bytes]:
    """The paths of the view that `typed` may stand for, the likeliest first; none for a relative path outside of what is indexed.

    `here` are the names of the present directory: the one that the shell knows (which may lead over symbolic links), then the real one.
    `..` goes one component up, as it does in `cd`: what the index knows of symbolic links is that they are links.
    """
    if not typed:
        return []
    if typed.startswith(b"//"):
        return [normal(typed)]
    absolute = typed.startswith(b"/")
    found = []
    for local in [normal(typed)] if absolute else [normal(directory + b"/" + typed) for directory in here]:
        # The deepest source is the nearest: a root may lie inside another.
        for source in sorted(sources, key=lambda source: len(source.path), reverse=True):
            below = _below(local, source.path)
            if below is not None:
                found.append(normal(source.mount + b"/" + below))
    if absolute:
        found.append(normal(typed))
    return list(dict.fromkeys(found))


def normal(path: bytes) -> bytes:
    """An absolute path without empty components, `.` and `..`."""
    names: list[bytes] = []
    for name in path.split(b"/"):
        if name == b"..":
            del names[-1:]
        elif name not in (b"", b"."):
            names.append(name)
    return b"/" + b"/".join(names)


def _below(path: bytes, directory: bytes) -> bytes | None:
    """What is left of `path` below `directory`; None where it lies elsewhere."""
    inner, outer = path.strip(b"/"), normal(directory).strip(b"/")
    if not is_below(inner, outer):
        return None
    return inner[len(outer) :].lstrip(b"/")
