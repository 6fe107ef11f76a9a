"""Drift, as commands show it: what audits found otherwise than it was known, although no event had told of it."""

from collections.abc import Sequence

from fustor_fusion.replies import DriftFound, DriftPlace, Root


def drift_line(drift: DriftFound) -> str:
    """All of it, in one line."""
    if not (drift.missing or drift.extra or drift.changed):
        return "drift: none: audits found nothing that no event had told"
    return f"drift: audits found {_kinds(drift)}, of which no event had told"


def drift_lines(roots: Sequence[Root]) -> list[str]:
    """What there is of a root, and where most of it was found; nothing where no view that has the root may be read."""
    if not roots:
        return []
    drift = roots[0].drift
    return [drift_line(drift), *(f"  {each.path}: {_kinds(each)}; last at {each.at}" for each in drift.places)]


def _kinds(drift: DriftFound | DriftPlace) -> str:
    counts = {"missing": drift.missing, "extra": drift.extra, "changed": drift.changed}
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
