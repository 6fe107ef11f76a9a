"""Patterns mean what they mean to git."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fustor_agent.sources.fs.excludes import Excludes
from fustor_core.errors import ConfigurationError

TREE = [
    "a.tmp",
    "dir/a.tmp",
    "dir/sub/x.py",
    "dir/sub/y.c",
    "build/x",
    "dir/build/x",
    "build2",
    "top/build",
    "é/x",
    "dir/sub/deep/x.py",
    "sp ace",
]

PATTERNS = [
    ["*.tmp"],
    ["build/"],
    ["/build"],
    ["dir/*"],
    ["dir/**"],
    ["dir/**", "!dir/sub"],
    ["*", "!*/", "!*.py"],
    ["*", "!/dir/"],
    ["dir/*", "!dir/sub/"],
    ["**/deep"],
    ["dir/**/x.py"],
    ["[a-b]*"],
    ["?.py"],
    ["é"],
    ["build", "!build/x"],
    ["*/", "!/dir/", "!/dir/sub/"],
    ["sp\\ ace"],
    ["/*", "!/dir"],
    ["sub/x.py"],
    ["dir/sub/*.c", "!y.c"],
    ["*.c", "!y.c", "y.*"],
]


def kept(excludes: Excludes, top: Path) -> set[str]:
    """The files that a walk meets which asks before it enters a directory."""
    found, todo = set(), [top]
    while todo:
        for one in todo.pop().iterdir():
            path = str(one.relative_to(top))
            if not excludes.leaves_out(path.encode(), directory=one.is_dir()):
                if one.is_dir():
                    todo.append(one)
                else:
                    found.add(path)
    return found


@pytest.mark.parametrize("patterns", PATTERNS, ids=" ".join)
def test_the_same_is_left_out_as_by_git(tmp_path: Path, patterns: list[str]) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for file in TREE:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    git = ["git", "-C", str(tmp_path), "-c", "core.excludesFile=/dev/null"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("\n".join(patterns) + "\n")
    told = subprocess.run([*git, "ls-files", "-z", "--others", "--exclude-standard"], check=True, capture_output=True)
    shutil.rmtree(tmp_path / ".git")
    excludes = Excludes(patterns)
    assert kept(excludes, tmp_path) == {name for name in told.stdout.decode().split("\0") if name}
    for file in TREE:
        assert not (excludes.leaves_out_anyway(file.encode()) and not excludes.leaves_out(file.encode(), directory=False))


def test_names_are_bytes_and_may_hold_anything() -> None:
    excludes = Excludes(["*.tmp", "caf\udce9"])
    assert excludes.leaves_out(b"new\nline/\xff.tmp", directory=False)
    assert excludes.leaves_out(b"a.tmp", directory=True)
    assert not excludes.leaves_out(b"a.tmp\n", directory=False)
    assert excludes.leaves_out(b"caf\xe9", directory=False)


def test_snapshots_are_left_out_whatever_is_told() -> None:
    excludes = Excludes(["!.snapshot/", "!.zfs"])
    assert excludes.leaves_out(b"a/.snapshot", directory=True)
    assert excludes.leaves_out(b".zfs", directory=True)
    assert not excludes.leaves_out(b".zfs", directory=False)
    assert excludes.covers(b"a/.snapshot/b/c")
    assert not excludes.covers(b"a/b")
    assert not excludes.covers(b"")


def test_without_patterns_names_are_not_even_looked_at() -> None:
    names = [b"a", b"b"]
    assert Excludes([]).candidates(b"x", names) is names
    assert Excludes(["# a comment", " "]).candidates(b"x", names) is names


def test_the_text_is_the_same_for_the_same() -> None:
    assert Excludes(["b", "a", "a"]).lines == Excludes(["a", "# why", "b"]).lines == ["a", "b", ".snapshot/", ".zfs/"]
    assert Excludes(["b", "!a"]).lines == ["b", "!a", ".snapshot/", ".zfs/"]
    assert Excludes(["b", "!a"]).lines != Excludes(["!a", "b"]).lines


@pytest.mark.parametrize("pattern", ["!", "/", "["])
def test_what_can_never_match_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^exclude: .*gitignore$"):
        Excludes([pattern])
