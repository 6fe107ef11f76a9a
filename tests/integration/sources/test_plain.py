"""Whoever reads plain files at once says what is said of them one by one, and leaves everything else alone."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from fustor_agent.sources.fs.plain import ReadPlain, fastest, leave_all
from fustor_agent.sources.fs.reading import entry_of
from fustor_core.evidence import Entry
from tests.integration.sources.looks import read_plain_ways

PLAIN = [b"%05d" % number for number in range(1000)]


def read(read_plain: ReadPlain, directory: Path, names: Sequence[bytes], mount: int = 0) -> tuple[list[bytes], dict[bytes, Entry]]:
    """The names that were left, and what was put."""
    entries: dict[bytes, Entry] = {}
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return list(read_plain(descriptor, names, os.fstat(descriptor).st_dev, mount, Entry, entries)), entries
    finally:
        os.close(descriptor)


@read_plain_ways
def test_each_name_is_put_as_lstat_has_it_or_left(read_plain: ReadPlain, tmp_path: Path) -> None:
    for name in PLAIN:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "\udcff\n").touch()
    os.utime(tmp_path / PLAIN[7].decode(), ns=(0, -(10**18) + 7))
    os.truncate(tmp_path / PLAIN[8].decode(), 1 << 40)
    names = [*PLAIN[:500], b"dir", b"none", *PLAIN[500:], b"link", b"fifo", b"\xff\n", b"n" * 300]
    left, put = read(read_plain, tmp_path, names, mount=42)
    assert sorted([*left, *put]) == sorted(names)
    assert left == [name for name in names if name not in put]
    assert [name for name in names if name in put] == list(put)
    assert {b"dir", b"none", b"n" * 300} <= {*left}
    for name, entry in put.items():
        assert entry == entry_of(os.lstat(os.path.join(os.fsencode(tmp_path), name)), 42)


@read_plain_ways
def test_what_lies_on_another_device_is_left(read_plain: ReadPlain) -> None:
    entries: dict[bytes, Entry] = {}
    descriptor = os.open("/dev", os.O_RDONLY | os.O_DIRECTORY)
    try:
        left = read_plain(descriptor, [b"null"], os.fstat(descriptor).st_dev + 1, 0, Entry, entries)
    finally:
        os.close(descriptor)
    assert (list(left), entries) == ([b"null"], {})


@pytest.mark.skipif(fastest is leave_all, reason="it could not be compiled here")
def test_all_that_is_plain_is_put_where_it_is_compiled(tmp_path: Path) -> None:
    for name in PLAIN:
        (tmp_path / name.decode()).touch()
    (tmp_path / "dir").mkdir()
    left, put = read(fastest, tmp_path, [*PLAIN, b"dir"])
    assert (left, list(put)) == ([b"dir"], PLAIN)


@read_plain_ways
def test_what_is_no_open_directory_has_nothing_in_it(read_plain: ReadPlain) -> None:
    entries: dict[bytes, Entry] = {}
    assert (list(read_plain(-1, [b"a", b"b"], 0, 0, Entry, entries)), entries) == ([b"a", b"b"], {})


@pytest.mark.skipif(fastest is leave_all, reason="it could not be compiled here")
def test_a_name_that_is_no_bytes_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        read(fastest, tmp_path, ["text"])  # type: ignore[list-item]
