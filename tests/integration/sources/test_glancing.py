"""A look at directories alone finds those that have moved since they were listed, and no others."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.glancing import RACY, looks_of, looks_to_keep
from tests.integration.sources.looks import Asked
from tests.polling import eventually

TREE = ("a/b/c", "a/d", "x")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[FsSource]:
    """A source that watches, and has listed everything since it came to rest."""
    root = tmp_path / "root"
    for directory in TREE:
        (root / directory).mkdir(parents=True)
        (root / directory / "file").write_bytes(b"x")
    made = FsSource(root)
    with made.open(), made.watch():

        def rests() -> bool:
            list_all(made)
            return not moved(made)

        eventually(rests)
        yield made


def list_all(source: FsSource) -> None:
    asked, left = Asked(source), [b""]
    while left:
        left += asked.list(left.pop()).directories


def moved(source: FsSource) -> list[bytes]:
    """All that have moved, as a walk over everything finds them."""
    found, left = [], [b""]
    while left:
        glance = source.glance(left.pop())
        found += glance.moved
        left += glance.below
    return sorted(found)


def test_what_comes_goes_or_is_renamed_moves_its_directory_and_what_is_written_does_not(source: FsSource) -> None:
    root = Path(os.fsdecode(source.place))
    (root / "a" / "d" / "file").write_bytes(b"longer")
    assert moved(source) == []
    (root / "a" / "b" / "new").touch()
    (root / "x" / "file").rename(root / "x" / "renamed")
    (root / "a" / "d" / "file").unlink()
    assert moved(source) == [b"a/b", b"a/d", b"x"]
    (root / "top").mkdir()
    assert moved(source) == [b"", b"a/b", b"a/d", b"x"]


def test_another_directory_in_the_same_place_has_moved_and_so_has_what_is_none_any_more(source: FsSource) -> None:
    root = Path(os.fsdecode(source.place))
    shutil.rmtree(root / "a" / "d")
    (root / "a" / "d").touch()
    os.rename(root / "a" / "b" / "c", root / "c")
    assert moved(source) == [b"", b"a", b"a/b", b"a/b/c", b"a/d"]
    # Gone with all below it: the topmost says so.
    shutil.rmtree(root / "a")
    assert set(moved(source)) == {b"", b"a"}


def test_a_directory_that_was_listed_while_it_changed_is_listed_again(source: FsSource) -> None:
    (Path(os.fsdecode(source.place)) / "x" / "new").touch()
    Asked(source).list(b"x")
    assert moved(source) == [b"x"]


def test_looks_are_kept_only_of_what_has_rested(tmp_path: Path) -> None:
    status = os.stat(tmp_path)
    assert looks_to_keep(status, status.st_ctime_ns + RACY + 1) == looks_of(status) != 0
    for now in (status.st_ctime_ns + RACY, status.st_ctime_ns, status.st_ctime_ns - RACY * 9):
        assert looks_to_keep(status, now) == 0
