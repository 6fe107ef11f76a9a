"""Systems of real processes, ended with their test."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.system import System

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control starts what it puts into the background so, and every process below would be deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
