"""What the guard holds back (`fustor_fusion.merge.guard`): paths that are to be looked at again, in few enough pieces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from fustor_core.paths import components, split
from fustor_fusion.merge.nodes import Inode

FEW: Final = 100
"""Names of one directory that are held back one by one; of more the directory is listed."""
MOST_HELD: Final = 1000
"""Paths that are held back one by one; of more everything below the directory that they have in common is listed."""


class Extent(IntEnum):
    """What has to be looked at again: a path itself, what a directory holds, or everything below it too."""

    ITSELF = 0
    LISTING = 1
    ALL_BELOW = 2


@dataclass(frozen=True, slots=True)
class Held:
    """A path of which evidence is held back since the stamp `since`. Every change there before the stamp `clean_to` is in the store.

    `inode` is the largest thing that would be lost: where that is seen elsewhere, it was moved.
    """

    path: bytes
    since: int
    clean_to: int
    extent: Extent
    inode: Inode | None = None


def due(held: Iterable[Held], delay: int, now: int) -> list[Held]:
    """What is to be looked at again at `now`, `delay` after it was held back."""
    return [each for each in held if each.since + delay < now]


def hurried(held: Mapping[bytes, Held], delay: int, now: int) -> dict[bytes, Held]:
    """The same, to be looked at again at once."""
    return {path: replace(each, since=min(each.since, now - delay)) for path, each in held.items()}


def is_covered(held: Held, others: Mapping[bytes, Held]) -> bool:
    """Whether looking at the others again looks at this, too."""
    same = others.get(held.path)
    if same is not None and same.extent >= held.extent:
        return True
    names = components(held.path)
    above = (others.get(b"/".join(names[:depth])) for depth in range(len(names)))
    if any(each is not None and each.extent is Extent.ALL_BELOW for each in above):
        return True
    parent = others.get(split(held.path)[0]) if names else None
    return held.extent is Extent.ITSELF and parent is not None and parent.extent is Extent.LISTING


def folded(held: dict[bytes, Held], now: int) -> dict[bytes, Held]:
    """The same in few enough pieces."""
    by_parent: dict[bytes, list[Held]] = {}
    for each in held.values():
        if each.extent is Extent.ITSELF:
            by_parent.setdefault(split(each.path)[0], []).append(each)
    for parent, several in by_parent.items():
        if len(several) > FEW:
            for each in several:
                del held[each.path]
            held[parent] = Held(parent, now, min(each.clean_to for each in several), Extent.LISTING)
    if len(held) <= MOST_HELD:
        return held
    common = _in_common([components(path) for path in held])
    return {common: Held(common, now, min(each.clean_to for each in held.values()), Extent.ALL_BELOW)}


def _in_common(paths: Sequence[list[bytes]]) -> bytes:
    first, last = min(paths), max(paths)
    names: list[bytes] = []
    for one, other in zip(first, last, strict=False):
        if one != other:
            break
        names.append(one)
    return b"/".join(names)
