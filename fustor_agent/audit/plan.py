"""When which part of an audit is due. Pure: `now` is in seconds, on any clock that does not jump.

The deep audit goes round: it lists every directory once in `every`, spread evenly over that time, always in the same order; so what was
listed longest ago comes next. The shallow one looks at directories alone, often, and lists those that have moved.
"""

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Final

from fustor_core.paths import ROOT

SLICES: Final = 240
"""Into so many slices a round is cut at least, so that each is short."""
MOST_IN_SLICE: Final = 5_000
LEAST_GAP: Final = 1.0
"""Seconds between slices at least: each is two steps in the history of the pipe."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """How often everything is read once (`every`), and directories are looked at (`shallow`), in seconds; 0: never."""

    every: float = 0.0
    shallow: float = 0.0


@dataclass(slots=True)
class Order:
    """An audit that is wanted as a whole: of `path` and all below it, or `shallow`. `begun`: its work is in the outbox."""

    path: bytes = ROOT
    shallow: bool = False
    begun: bool = False

    @property
    def whole(self) -> bool:
        """Whether everything is read by it."""
        return not self.path and not self.shallow


@dataclass(frozen=True, slots=True)
class Slice:
    """So many directories of the round; `first` of a new one."""

    directories: int
    first: bool


@dataclass(slots=True)
class _Round:
    """Began at `began`, and has listed `done` of about `total` directories; its last slice, if any, was at `sliced`."""

    began: float
    total: int
    sliced: float
    done: int = 0
    ended: bool = False


@dataclass(slots=True)
class AuditPlan:
    """What is due next. Nothing is, except what is ordered, before everything has been listed once (`listed`)."""

    options: AuditOptions
    _orders: deque[Order] = field(default_factory=deque)
    _round: _Round | None = None
    _looked: float = inf

    def listed(self, now: float, directories: int) -> None:
        """Everything, about so many directories, has just been listed: whatever was begun begins anew."""
        self._round, self._looked = _Round(now, max(directories, 1), now), now
        self.begin_anew()

    def begin_anew(self) -> None:
        """What has been begun of an order counts for nothing."""
        for order in self._orders:
            order.begun = False

    def order(self, path: bytes, *, shallow: bool) -> None:
        """An operator, or a change of the part that the pipe plays, wants an audit now."""
        order = Order(path, shallow)
        # One that has begun may have been there already.
        if order not in self._orders:
            self._orders.append(order)

    def next(self, now: float, *, scheduled: bool) -> Order | Slice | None:
        """What is to be done now, if anything; only what is ordered unless `scheduled`."""
        if not self._orders and scheduled and now >= self._shallow_at():
            self._orders.append(Order(shallow=True))
        if self._orders:
            return self._orders[0]
        if not scheduled or self._round is None or now < self._slice_at():
            return None
        self._turn()
        return Slice(min(self._due(self._round, now), MOST_IN_SLICE), first=not self._round.done)

    def pause(self, now: float, *, scheduled: bool) -> float:
        """Seconds until something is due; infinite where nothing will be."""
        if self._orders:
            return 0.0
        return max(min(self._shallow_at(), self._slice_at()) - now, 0.0) if scheduled else inf

    def carried_out(self, order: Order, now: float) -> None:
        """All that the order wanted is done."""
        self._orders.remove(order)
        if order.shallow:
            self._looked = now
        elif order.whole and self._round is not None:
            self._round = _Round(now, self._round.total, now)

    def sliced(self, now: float, directories: int, *, ended: bool) -> None:
        """A slice has listed so many directories; `ended`: they were the last of the round."""
        if (round_ := self._round) is not None:
            round_.done += directories
            round_.sliced, round_.ended = now, ended

    def _shallow_at(self) -> float:
        return self._looked + self.options.shallow if self.options.shallow else inf

    def _slice_at(self) -> float:
        """When the next slice is due: not before another directory is, and not too soon after the last one."""
        every, round_ = self.options.every, self._round
        if not every or round_ is None:
            return inf
        if round_.ended:
            return round_.began + every
        share = min((round_.done + 1) / round_.total, 1.0)
        return max(round_.began + every * share, round_.sliced + self._gap(round_))

    def _gap(self, round_: _Round) -> float:
        every = self.options.every
        return max(every / max(SLICES, round_.total / MOST_IN_SLICE), min(LEAST_GAP, every / 4))

    def _turn(self) -> None:
        """Where a round has ended, the next one begins when it should, or where that was too early, when the last one ended."""
        if (ended := self._round) is not None and ended.ended:
            began = max(ended.began + self.options.every, ended.sliced)
            self._round = _Round(began, max(ended.done, 1), began)

    def _due(self, round_: _Round, now: float) -> int:
        share = (now - round_.began) / self.options.every
        # What is overdue is due whole: the tree may have grown since it was counted.
        return max(int(round_.total * share) - round_.done, 1) if share < 1 else MOST_IN_SLICE
