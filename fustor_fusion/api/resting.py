"""Whether a path rests, with all below it: what is waited for. Runs in the threads of the query pool."""

from dataclasses import dataclass
from typing import Final

from fustor_core.times import format_wall
from fustor_fusion.api import shapes
from fustor_fusion.api.parameters import RestAsked
from fustor_fusion.api.scope import OpenRoot, OpenScope, Scope
from fustor_fusion.query import Usage
from fustor_fusion.settling import Stillness
from fustor_fusion.trust import trust_in
from fustor_fusion.views import InRoot, Synthetic

_SECOND: Final = 1_000_000_000
SOONEST, LATEST = 0.1, 1.0
"""Seconds between two looks for somebody who waits."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, and in how many seconds it may be another one that is worth waiting for; None if this one is what was waited for."""

    body: bytes
    pause: float | None


@dataclass(frozen=True, slots=True)
class _Part:
    """A root, or what is asked for in one. Times are wall-clock ns, None where they are not known."""

    still: Stillness
    usage: Usage
    changed_at: int | None
    settles_at: int | None


def judge(scope: Scope, asked: RestAsked, since: int) -> Judged:
    """How the path rests for somebody who has waited since then (wall-clock ns)."""
    with OpenScope(scope) as opened:
        place = scope.place
        path = place.path if isinstance(place, InRoot) else b""
        trust = opened.trust(path, asked)
        parts = [_part(root, path) for root in opened.roots]
        known = [part for part in parts if part is not None]
        exists = bool(known) or isinstance(place, Synthetic)
        settled = _all_settled(known) if len(known) == len(parts) else None
        confirmed = bool(settled) and trust.complete and trust.as_of is not None and trust.as_of >= since
        settles_at = max((part.settles_at for part in known if part.settles_at is not None), default=None)
        shape = _shape(place.view_path, known, exists=exists, settled=settled, confirmed=confirmed, settles_at=settles_at)
        done = exists if not asked.settled else confirmed
        return Judged(shapes.answer(shape, trust), None if done else _pause(settles_at, scope.now, settled=settled))


def _part(root: OpenRoot, path: bytes) -> _Part | None:
    if root.reading is None or root.settling is None:
        return None
    found, usage = root.reading.find(path), root.reading.usage(path)
    if found is None or usage is None:
        return None
    oldest = trust_in(root.reading, path, root.settling.live).oldest
    still, epoch = root.settling.of(found, oldest or 0), root.settling.epoch
    settles_at = None if still.settles_at is None or still.writing else still.settles_at + epoch
    return _Part(still, usage, found.changed_below + epoch if found.changed_below > 0 else None, settles_at)


def _all_settled(parts: list[_Part]) -> bool | None:
    settled = [part.still.settled for part in parts]
    return False if False in settled else None if None in settled or not settled else True


def _shape(
    view_path: bytes, parts: list[_Part], *, exists: bool, settled: bool | None, confirmed: bool, settles_at: int | None
) -> shapes.RestShape:
    path, path_b64 = shapes.text(view_path)
    changed_at = max((part.changed_at for part in parts if part.changed_at is not None), default=None)
    return shapes.RestShape(
        path,
        exists,
        settled,
        confirmed,
        sum(part.still.files_written for part in parts),
        None if changed_at is None else format_wall(changed_at),
        None if settles_at is None else format_wall(settles_at),
        sum(part.usage.files for part in parts),
        sum(part.usage.bytes for part in parts),
        path_b64,
    )


def _pause(settles_at: int | None, now: int, *, settled: bool | None) -> float:
    """What is settled is waited for only to be confirmed; and nothing can be settled before its time has come."""
    if settled or settles_at is None:
        return SOONEST
    return min(max((settles_at - now) / _SECOND, SOONEST), LATEST)
