"""What audits found otherwise than it was known: changes that no event told, counted by kind and by directory. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from heapq import nlargest
from typing import Final

from msgspec import Struct

from fustor_fusion.merge.nodes import Directory

MOST_PLACES: Final = 100
"""Directories that are kept one by one."""


class DriftKind(StrEnum):
    """On disk and not known; known and not on disk; on disk with other attributes."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


class Drift(Struct, frozen=True):
    """How many entries an audit found otherwise, and the stamp at which it did last."""

    missing: int = 0
    extra: int = 0
    changed: int = 0
    at: int = 0

    @property
    def entries(self) -> int:
        return self.missing + self.extra + self.changed

    def __add__(self, other: "Drift") -> "Drift":
        return Drift(self.missing + other.missing, self.extra + other.extra, self.changed + other.changed, max(self.at, other.at))


class FoundDrift:
    """What the audits of one commit find."""

    def __init__(self) -> None:
        self._found: dict[bytes, dict[DriftKind, int]] = {}

    def note(self, chain: Sequence[Directory], kind: DriftKind, entries: int = 1) -> None:
        """So many entries in the last directory of the chain (which begins at the root), and below it, were otherwise."""
        place = self._found.setdefault(b"/".join([directory.name for directory in chain[1:]]), {})
        place[kind] = place.get(kind, 0) + entries

    def at(self, now: int) -> dict[bytes, Drift]:
        """What was found, by directory."""
        return {path: Drift(**{kind.value: entries for kind, entries in kinds.items()}, at=now) for path, kinds in self._found.items()}


class Drifts(Struct, frozen=True):
    """All drift of a root since its store is new, and the directories in which most was found, or the last."""

    total: Drift = Drift()
    places: Mapping[bytes, Drift] = {}

    def and_found(self, found: Mapping[bytes, Drift]) -> "Drifts":
        """With what another commit found. Where there are too many directories, those in which least was found are forgotten, the latest
        last."""
        total, places = self.total, dict(self.places)
        for path, drift in found.items():
            total += drift
            places[path] = places.get(path, Drift()) + drift
        if len(places) > MOST_PLACES:
            latest = max(places.values(), key=lambda drift: drift.at).at
            kept = nlargest(MOST_PLACES, places.items(), key=lambda place: (place[1].at == latest, place[1].entries))
            places = dict(kept)
        return Drifts(total, places)

    def worst(self, most: int) -> list[tuple[bytes, Drift]]:
        """The directories in which most was found."""
        return nlargest(most, self.places.items(), key=lambda place: (place[1].entries, place[1].at))


NO_DRIFT: Final = Drifts()
