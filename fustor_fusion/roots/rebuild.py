"""Setting the store of a root aside, so that the agents fill a new one. Nothing is deleted."""

from datetime import UTC, datetime
from pathlib import Path

from fustor_core.errors import ConfigurationError
from fustor_core.process import data_directory
from fustor_fusion.roots.registry import kept_roots

# SQLite's own companions belong to the file: a log that is left behind would be applied to the new one.
_PARTS = ("", "-wal", "-shm")


def set_aside(data: Path, roots: list[str]) -> list[Path]:
    """Move the files of these roots (all, if none are named) to names that are not in use; where each of them is then.

    Raises ConfigurationError while fusion runs on this data, and for a root that is not kept here; then nothing has been moved.
    """
    with data_directory(data, "fusion"):
        directory = data / "roots"
        kept = kept_roots(directory)
        for name in roots:
            if name not in kept:
                known = ", ".join(kept) or "none"
                raise ConfigurationError(f"{directory} keeps no root {name!r}; it keeps {known}")
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        return [_move(directory / f"{name}.db", stamp) for name in roots or kept]


def _move(database: Path, stamp: str) -> Path:
    aside = database.with_name(f"{database.name}.set-aside-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = database.with_name(f"{database.name}.set-aside-{stamp}-{number}")
    for part in _PARTS:
        file = database.with_name(database.name + part)
        if file.exists():
            file.rename(aside.with_name(aside.name + part))
    return aside
