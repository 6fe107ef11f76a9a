"""What a root has lost within a short time, and what has come meanwhile: what is seen elsewhere has been moved, and is not lost.

In memory, but for the count, which the ledger keeps: so a restart does not part one mass loss into two small ones. What went before a
restart counts also if it is seen elsewhere later: then it is looked at twice.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, TypeVar

from fustor_fusion.merge.nodes import Inode

Place = tuple[int, bytes]
"""The id of a directory, and a name in it."""

MOST_REMEMBERED: Final = 50_000
"""Things lost, and things that came, that are remembered one by one. What is lost beyond that counts as lost also if it is seen elsewhere
later: then it is looked at twice."""
_SLICE: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Lost:
    inode: Inode | None
    weight: int
    at: int


@dataclass(frozen=True, slots=True)
class _Came:
    place: Place
    live: bool
    at: int


_Key = TypeVar("_Key")
_Dated = TypeVar("_Dated", _Lost, _Came)


class Losses:
    """`count` entries are lost, the last of them at `last`. `small`: a directory of up to so many entries that came lately, and goes again,
    is a passing thing."""

    def __init__(self, small: int, count: int = 0, last: int = 0) -> None:
        self.count = count
        self.last = last
        self._small = small
        # Ordered: what is oldest goes first, and a plain dict looks for its first key through all the places of those that have gone.
        self._lost: OrderedDict[Place, _Lost] = OrderedDict()
        self._places: dict[Inode, Place] = {}
        self._more: deque[tuple[int, int]] = deque([(last, count)] if count else [])
        self._came: OrderedDict[Inode, _Came] = OrderedDict()

    def forget(self, before: int) -> None:
        """What happened before that is long ago."""
        for place, lost in _older(self._lost, before):
            self._drop(place, lost)
        while self._more and self._more[0][0] < before:
            self.count -= self._more.popleft()[1]
        for inode, _ in _older(self._came, before):
            del self._came[inode]

    def clear(self) -> None:
        """What has been lost is not counted any more."""
        self.count = 0
        self._lost.clear()
        self._places.clear()
        self._more.clear()

    def counts(self, inode: Inode | None, place: Place, weight: int) -> bool:
        """Whether `weight` entries at this place would be lost if they went: not if they are seen elsewhere, have only just come, or are
        counted already. What has come there since is not what was lost."""
        lost = self._lost.get(place)
        if lost is not None and lost.inode == inode and lost.weight >= weight:
            return False
        came = self._came.get(inode) if inode is not None else None
        if came is None:
            return True
        return came.place == place and not (came.live and weight <= self._small)

    def lose(self, inode: Inode | None, place: Place, weight: int, now: int) -> None:
        """So many entries at this place have gone."""
        counts = self.counts(inode, place, weight)
        if inode is not None and inode in self._came and self._came[inode].place == place:
            del self._came[inode]
        # A commit that failed and is tried again comes by the same places.
        if not counts or place in self._lost:
            return
        self.count += weight
        self.last = now
        if len(self._lost) < MOST_REMEMBERED:
            self._lost[place] = _Lost(inode, weight, now)
            if inode is not None:
                self._places[inode] = place
        elif self._more and now - self._more[-1][0] < _SLICE:
            self._more[-1] = (self._more[-1][0], self._more[-1][1] + weight)
        else:
            self._more.append((now, weight))

    def come(self, inode: Inode, place: Place, now: int, *, live: bool) -> None:
        """Something has come; `live`: as a change that was followed, and not in a walk over what may have been there for long."""
        self._came.pop(inode, None)
        if len(self._came) >= MOST_REMEMBERED:
            self._came.popitem(last=False)
        self._came[inode] = _Came(place, live, now)
        lost = self._places.get(inode)
        if lost is not None:
            self._drop(lost, self._lost[lost])

    def _drop(self, place: Place, lost: _Lost) -> None:
        del self._lost[place]
        self.count -= lost.weight
        if lost.inode is not None and self._places.get(lost.inode) == place:
            del self._places[lost.inode]


def _older(remembered: Mapping[_Key, _Dated], before: int) -> list[tuple[_Key, _Dated]]:
    """Those from before that: they are in the order in which they happened."""
    return list(takewhile(lambda item: item[1].at < before, remembered.items()))
