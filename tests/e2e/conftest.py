"""Systems of real processes, ended with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """One fusion and one agent, not started yet."""
    made = System(tmp_path)
    yield made
    made.end()


@pytest.fixture
def make_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """More than one of them, each in a directory of its own."""
    made: list[System] = []

    def make(**options: object) -> System:
        directory = tmp_path / f"system-{len(made)}"
        directory.mkdir()
        made.append(System(directory, **options))  # type: ignore[arg-type]  # what the constructor takes
        return made[-1]

    yield make
    for system in made:
        system.end()
