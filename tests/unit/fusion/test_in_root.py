"""Paths as a person types them, as paths in one root."""

from pathlib import Path

import pytest

from fustor_fusion.commands.in_root import paths_in
from fustor_fusion.replies import Root, SourcePath

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _root(mount: str, source: str) -> Root:
    return Root("data", mount, True, None, [], None, None, 1, 0, ["nas-1"], "nas-1", [SourcePath("nas-1", BOOT, source)])


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (b"/data/a/b", [b"a/b", b"data/a/b"]),
        (b"/data", [b"", b"data"]),
        (b"/srv/x/a", [b"a", b"srv/x/a"]),
        (b"a/b", [b"a/b"]),
        (b"/a/b/", [b"a/b"]),
        (b"/dataset/a", [b"dataset/a"]),
        (b"/lab/data/a", [b"a", b"lab/data/a"]),
    ],
)
def test_a_path_is_one_of_the_host_of_a_view_or_in_the_root(typed: bytes, expected: list[bytes]) -> None:
    assert paths_in([_root("/data", "/srv/x"), _root("/lab/data", "/srv/x")], typed) == expected


def test_a_relative_path_is_one_of_the_present_directory_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert paths_in([_root("/data", str(tmp_path))], b"a") == [b"sub/a", b"a"]
    assert paths_in([_root("/data", str(tmp_path))], b".") == [b"sub", b""]


def test_where_no_view_may_be_read_it_is_a_path_in_the_root() -> None:
    assert paths_in([], b"/a/./b") == [b"a/b"]
