"""A large directory that is renamed there and back, moved out, and deleted, while other things change: exact when all rests."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import storm
from tests.e2e.at_rest import check_at_rest
from tests.e2e.counts import FULL, count, seed
from tests.e2e.storm import linked_inodes
from tests.e2e.system import System
from tests.e2e.witness import Witness

FILES = count("RENAMED_FILES", 2_000)


@pytest.fixture
def large(system: System) -> Path:
    """A directory of many files, some of them deep."""
    path = system.root / "large"
    for number in range(FILES):
        directory = path.joinpath(*(f"d{number % base}" for base in (7, 3, 2)[: number % 4]))
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"f{number}").write_bytes(b"x" * (number % 50))
    (system.root / "storm").mkdir()
    (system.directory / "outside").mkdir()
    return path


def there_and_back(large: Path) -> None:
    for turn in range(20):
        large.rename(large.with_name("larger"))
        (large.with_name("larger") / f"made {turn}").write_bytes(b"x")
        large.with_name("larger").rename(large)


def below_another_and_back(large: Path) -> None:
    for turn in range(10):
        above = large.with_name(f"above{turn}")
        above.mkdir()
        large.rename(above / "inner")
        (above / "inner").rename(large)


def moved_out(large: Path) -> None:
    large.rename(large.parent.with_name("outside") / "large")


def moved_out_and_in(large: Path) -> None:
    moved_out(large)
    (large.parent.with_name("outside") / "large" / "changed outside").write_bytes(b"x")
    (large.parent.with_name("outside") / "large").rename(large.with_name("back"))


def deleted(large: Path) -> None:
    shutil.rmtree(large)


def exchanged(large: Path) -> None:
    other = large.with_name("other")
    shutil.copytree(large, other)
    for _ in range(10):
        large.rename(large.with_name("between"))
        other.rename(large)
        large.with_name("between").rename(other)


SOME = (there_and_back, moved_out_and_in, deleted)
MORE = (below_another_and_back, moved_out, exchanged)


@pytest.mark.parametrize("what", [*SOME, *(pytest.param(each, marks=FULL) for each in MORE)])
def test_a_large_directory(system: System, large: Path, what: Callable[[Path], None]) -> None:
    system.start()
    system.wait_complete()
    raging = storm.start(system.root / "storm", system.directory / "outside", str(seed()), 150)
    with Witness(system) as witness:
        what(large)
        assert raging.wait(60) == 0
    check_at_rest(system, linked_inodes(system.directory / "outside"), within=60)
    witness.check()
