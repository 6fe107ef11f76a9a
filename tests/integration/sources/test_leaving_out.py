"""What is left out of a root: by pattern, and what that means for what is listed, looked at and entered."""

from pathlib import Path

import pytest

from fustor_agent.sources.fs import FsSource
from fustor_core.errors import ConfigurationError
from tests.integration.sources.looks import asked, listed, said


def test_excluded_paths_are_not_listed_not_checked_and_not_entered(tmp_path: Path) -> None:
    for directory in ("build", "src/build", "node_modules/x", ".snapshot/day", "src/.zfs", "data", "top/keep", "src/\udcff"):
        (tmp_path / directory).mkdir(parents=True)
    for file in ("a.tmp", "a.txt", "src/b.tmp", "src/x", "build/x", "top/keep/x", "data/db", "src/build2", "src/\udcff/é.tmp"):
        (tmp_path / file).touch()
    (tmp_path / "node").write_bytes(b"")
    with asked(tmp_path, exclude=["*.tmp", "build/", "# a comment", "", "/node_modules"], own=[tmp_path / "data"]) as ask:
        assert set(listed(ask.list())) == {b"a.txt", b"src", b"top", b"node"}
        assert set(listed(ask.list(b"src"))) == {b"x", b"build2", b"\xff"}
        assert listed(ask.list(b"src/\xff")) == {}
        for path in (b"build", b"build/x", b"data", b"data/x", b".snapshot", b".snapshot/day", b"node_modules/x"):
            assert said(ask.list(path)) == []
        assert said(ask.check(b"a.tmp", b"src/b.tmp", b"build/x", b"src/build/x", b"data/db", b".snapshot/day", b"a.txt")) == [
            ("Seen", b"a.txt")
        ]
        # A directory that is left out for being one may have taken the place of a file that was not.
        assert said(ask.check(b"build", b"data", b".snapshot")) == [("Gone", b"build"), ("Gone", b"data"), ("Gone", b".snapshot")]
        assert ask.source.excludes == ["*.tmp", "/node_modules", "build/", ".snapshot/", ".zfs/"]


def test_what_is_left_out_only_for_being_no_directory(tmp_path: Path) -> None:
    (tmp_path / "dir" / "keep.py").mkdir(parents=True)
    (tmp_path / "file").touch()
    with asked(tmp_path, exclude=["*", "!*/", "!*.py"]) as ask:
        assert set(listed(ask.list())) == {b"dir"}
        assert set(listed(ask.list(b"dir"))) == {b"keep.py"}
        assert said(ask.check(b"file", b"dir")) == [("Gone", b"file"), ("Seen", b"dir")]
        assert ask.source.excludes[:3] == ["*", "!*/", "!*.py"]


def test_a_bad_pattern_is_an_error_of_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="exclude"):
        FsSource(tmp_path, exclude=["!"])
