"""The part of a view that one request touches, and one consistent reading of each root in it."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Final, Self

from fustor_core.http.pipes import condition
from fustor_core.http.problems import Problem
from fustor_core.paths import ROOT
from fustor_fusion.api.parameters import Asked
from fustor_fusion.api.ports import RootFacts
from fustor_fusion.api.shapes import Shaper, wall
from fustor_fusion.settling import Settling
from fustor_fusion.stores import Reading, RootStore
from fustor_fusion.trust import UNKNOWN_ROOT, LiveRoot, Trustworthiness, assess, combine, trust_in
from fustor_fusion.views import Mount, Place, View

NOT_ENOUGH: Final = "not-fresh-enough"
"""The problem of an answer that is not as good as was demanded."""
_FEW: Final = 1_000


@dataclass(frozen=True, slots=True)
class RootMoment:
    """A root at the moment of the request. `epoch` is the wall-clock ns of stamp 0, so that one answer has one mapping of stamps to
    times."""

    store: RootStore
    live: LiveRoot
    facts: RootFacts
    epoch: int


@dataclass(frozen=True, slots=True)
class Scope:
    """`place` is what was asked for, `mounts` the roots at or below it; a root that nobody ever reported has no moment. `now` is
    wall-clock ns, `quiet` the ns for which what is settled has rested."""

    view: View
    place: Place
    mounts: Sequence[Mount]
    moments: Sequence[RootMoment | None]
    now: int
    quiet: int


@dataclass(frozen=True, slots=True)
class OpenRoot:
    """A root of the scope, open for reading on this thread. Without `reading` nobody ever reported it."""

    mount: Mount
    moment: RootMoment | None
    reading: Reading | None
    settling: Settling | None
    shape: Shaper

    def trust(self, path: bytes) -> Trustworthiness:
        """How far to trust what the reading says of `path`."""
        if self.moment is None or self.reading is None:
            return UNKNOWN_ROOT
        live = self.moment.live
        return assess(path, trust_in(self.reading, path, live), self.reading.record(), live, self.moment.epoch.__add__)


class OpenScope:
    """All roots of a scope, open for reading until the block ends."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.roots: list[OpenRoot] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for mount, moment in zip(self.scope.mounts, self.scope.moments, strict=True):
                if moment is None:
                    self.roots.append(OpenRoot(mount, None, None, None, Shaper(mount, 0, None)))
                    continue
                reading = stack.enter_context(moment.store.reading())
                settling = Settling(self.scope.quiet, moment.epoch, moment.live, reading.record(), unreached_in(reading))
                self.roots.append(OpenRoot(mount, moment, reading, settling, Shaper(mount, moment.epoch, settling)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def trust(self, path: bytes, asked: Asked) -> Trustworthiness:
        """How far to trust an answer about `path` in each root of the scope. Raises Problem (412) where that is less than was demanded."""
        trust = combine([(root.mount.root, root.trust(path)) for root in self.roots])
        if asked.require_complete and not trust.complete:
            why = "; ".join(each.message for each in trust.conditions) or "no reason is known"
            raise _not_enough(trust, f"the answer would not be complete: {why}. Wait, or ask without `require_complete`")
        if asked.max_age is not None and (trust.as_of is None or self.scope.now - trust.as_of > asked.max_age):
            age = "of no known age" if trust.as_of is None else f"as of {wall(trust.as_of)}"
            raise _not_enough(trust, f"the answer would be {age}: older than `max_age` allows. Wait, or ask for less")
        return trust


def unreached_in(reading: Reading) -> Callable[[bytes], bool]:
    """Tells of directories whether they, or one above them, could not be read. Entries come by directory, so each is looked up once."""
    if not reading.trust(ROOT).unreadable:
        return lambda directory: False
    return lru_cache(_FEW)(lambda directory: reading.trust(directory).unreached > 0)


def members(trust: Trustworthiness) -> dict[str, object]:
    """The trust in an answer as members of a problem document."""
    as_of = None if trust.as_of is None else wall(trust.as_of)
    return {"as_of": as_of, "complete": trust.complete, "conditions": [condition(each) for each in trust.conditions]}


def _not_enough(trust: Trustworthiness, detail: str) -> Problem:
    return Problem(412, NOT_ENOUGH, detail, members(trust))
