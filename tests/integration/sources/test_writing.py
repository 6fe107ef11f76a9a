"""What a source tells of real files that are being written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fustor_agent.sources.fs import FsSource
from fustor_core.clock import Stamper, boottime


class Told:
    """A watched source, and everything that it has told so far."""

    def __init__(self, source: FsSource) -> None:
        self._source = source
        self._stamps = Stamper(boottime, 1, 0)
        self._writing: dict[bytes, bool | None] = {}
        self.walk(b"")

    def walk(self, path: bytes) -> None:
        for directory in self._source.list(path, self._stamps).directories:
            self.walk(directory)

    def check(self, *paths: bytes) -> None:
        self._source.check(paths, self._stamps)

    def now(self) -> dict[bytes, bool]:
        self._writing |= self._source.notice().writing
        return {path: writing for path, writing in self._writing.items() if writing is not None}


@contextmanager
def told_of(root: Path) -> Iterator[Told]:
    source = FsSource(root)
    with source.open(), source.watch():
        yield Told(source)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for directory in ("a/b", "c"):
        (tmp_path / "root" / directory).mkdir(parents=True)
    return tmp_path / "root"


def test_a_file_is_being_written_from_its_opening_to_its_closing(root: Path) -> None:
    (root / "old").write_bytes(b"x")
    with told_of(root) as told:
        (root / "old").read_bytes()
        assert told.now() == {}
        with (root / "a" / "new").open("wb", buffering=0) as file:
            assert told.now() == {b"a/new": True}
            file.write(b"x")
            assert told.now() == {b"a/new": True}
        assert told.now() == {b"a/new": False}
        with (root / "old").open("ab", buffering=0) as file:
            file.write(b"y")
            assert told.now() == {b"a/new": False, b"old": True}


def test_an_open_file_keeps_its_state_under_other_names(root: Path) -> None:
    with told_of(root) as told, (root / "a" / "b" / "part").open("wb", buffering=0) as file:
        told.now()
        os.rename(root / "a" / "b" / "part", root / "a" / "b" / "whole")
        assert told.now() == {b"a/b/whole": True}
        os.rename(root / "a", root / "c" / "A")
        told.walk(b"c")
        told.walk(b"")
        assert told.now() == {b"c/A/b/whole": True}
        file.write(b"more")
        (root / "a").mkdir()
        told.walk(b"")
        assert told.now() == {b"c/A/b/whole": True}
        file.close()
        assert told.now() == {b"c/A/b/whole": False}


def test_nothing_is_known_of_a_directory_that_was_out_of_sight(root: Path) -> None:
    with told_of(root) as told, (root / "a" / "b" / "f").open("wb", buffering=0) as file:
        assert told.now() == {b"a/b/f": True}
        os.rename(root / "a", root.parent / "away")
        told.walk(b"")
        os.rename(root.parent / "away", root / "c" / "A")
        told.walk(b"")
        assert told.now() == {}
        file.write(b"x")
        assert told.now() == {b"c/A/b/f": True}


def test_links_and_what_is_no_file_are_not_being_written(root: Path) -> None:
    (root / "file").write_bytes(b"x")
    with told_of(root) as told:
        os.link(root / "file", root / "link")
        os.symlink("file", root / "symlink")
        os.mkfifo(root / "fifo")
        told.now()
        told.check(b"link", b"symlink", b"fifo")
        assert told.now() == {}


def test_a_file_that_is_removed_while_it_is_written_is_none(root: Path) -> None:
    with told_of(root) as told, (root / "c" / "f").open("wb", buffering=0) as file:
        file.write(b"x")
        told.now()
        (root / "c" / "f").unlink()
        file.write(b"y")
        assert told.now() == {}
