"""What the source says of everything that can be in a directory, or in the way of one."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from fustor_agent.sources.fs.plain import ReadPlain
from fustor_agent.sources.fs.reading import entry_of
from fustor_core.evidence import Kind, Listing, Seen, Unreadable, check_evidence
from tests.integration.sources.looks import asked, both_ways, listed, read_plain_ways, said
from tests.integration.sources.mirror import walk


@read_plain_ways
def test_every_kind_of_thing_is_listed_as_lstat_has_it(tmp_path: Path, read_plain: ReadPlain) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "dir").mkdir(mode=0o2750)
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    os.link(tmp_path / "file", tmp_path / "same file")
    with socket.socket(socket.AF_UNIX) as end, open(tmp_path / "sparse", "wb") as sparse:
        end.bind(str(tmp_path / "socket"))
        sparse.truncate(1 << 40)
    for name in ("new\nline", "\udcff\udcfe", "ü", "u\u0308", "A", "a", "x" * 255):
        (tmp_path / name).touch()
    for name, seconds in (("old", -(10**9)), ("future", 2**33), ("never", 0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(0, seconds * 10**9 + 7))
    with asked(tmp_path, read_plain=read_plain) as ask:
        look = ask.list()
        found, disk = listed(look), walk(tmp_path)
        assert {b"": next(one.entry for one in look.evidence if isinstance(one, Seen))} | found == disk
        assert look.directories == [b"dir"]
        assert look.strangers == []
        assert found[b"old"].mtime == -(10**9)
        assert found[b"old"].mtime_ns == 7
        assert found[b"sparse"].allocated < 4096 < found[b"sparse"].size
        assert {found[name].kind for name in (b"fifo", b"socket")} == {Kind.OTHER}
        for evidence in look.evidence:
            check_evidence(evidence)
        checked = ask.check(*found)
        assert {one.path: one.entry for one in checked.evidence if isinstance(one, Seen)} == found


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (9, 1), (10, 1), (11, 2), (30, 3)])
def test_a_huge_directory_comes_in_parts_of_one_listing_in_order(
    tmp_path: Path, count: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fustor_agent.sources.fs.reading._SORTED_AT_ONCE", 9)
    for number in range(count):
        (tmp_path / str(number)).touch()
    with asked(tmp_path, part_entries=10) as ask:
        listings = [one for one in ask.list().evidence if isinstance(one, Listing)]
    assert [one.part for one in listings] == list(range(parts))
    assert [one.last for one in listings] == [False] * (parts - 1) + [True]
    assert len({one.at for one in listings}) == 1
    assert sum(len(one.entries) for one in listings) == count
    assert [name for one in listings for name in one.entries] == sorted(str(number).encode() for number in range(count))


@both_ways
def test_what_is_no_directory_is_stated_as_what_it_is(tmp_path: Path, openat2: bool) -> None:
    outside = tmp_path / "outside"
    (outside / "secret").mkdir(parents=True)
    root = tmp_path / "root"
    (root / "dir" / "sub").mkdir(parents=True)
    (root / "file").write_bytes(b"x")
    (root / "link").symlink_to(outside)
    (root / "dir" / "up").symlink_to("..")
    with asked(root, openat2=openat2) as ask:
        assert said(ask.list(b"file")) == [("Seen", b"file")]
        assert said(ask.list(b"link")) == [("Seen", b"link")]
        assert said(ask.list(b"link/secret")) == [("Seen", b"link")]
        assert said(ask.list(b"file/below/it")) == [("Seen", b"file")]
        assert said(ask.list(b"none")) == [("Gone", b"none")]
        assert said(ask.list(b"none/below/it")) == [("Gone", b"none")]
        assert said(ask.list(b"dir/none/x")) == [("Gone", b"dir/none")]
        assert said(ask.list(b"dir/up/dir")) == [("Seen", b"dir/up")]
        assert said(ask.list(b"dir/sub")) == [("Listing", b"dir/sub")]
        assert said(ask.list(b"n" * 300)) == [("Gone", b"n" * 300)]
        assert said(ask.list(b"n" * 300 + b"/x")) == [("Gone", b"n" * 300)]
        assert said(ask.check(b"link/secret", b"link/other/x", b"file/x", b"dir/none/x", b"dir/none/y/z", b"dir/sub", b"dir")) == [
            ("Seen", b"dir"),
            ("Seen", b"dir/sub"),
            ("Gone", b"dir/none"),
            ("Seen", b"file"),
            ("Seen", b"link"),
        ]
        assert said(ask.check(b"", b"n" * 300)) == [("Seen", b""), ("Gone", b"n" * 300)]


@both_ways
def test_depth_and_length_have_no_limit_but_that_of_the_wire(tmp_path: Path, openat2: bool) -> None:
    with asked(tmp_path, openat2=openat2) as ask:
        here = os.open(tmp_path, os.O_RDONLY)
        depth = 260  # of 255 bytes each: beyond PATH_MAX after 16, beyond what a path on the wire may have after 256
        for level in range(depth):
            name = str(level).ljust(255, "d")
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        todo, deepest, evidence = [b""], b"", []
        while todo:
            deepest = todo.pop()
            look = ask.list(deepest)
            evidence += look.evidence
            todo += look.directories
        assert deepest.count(b"/") + 1 == 256
        assert said(ask.check(deepest)) == [("Seen", deepest)]
        assert said(ask.check(deepest + b"/x" * 100)) == []
        assert [one.path for one in evidence if isinstance(one, Unreadable)] == [deepest]
        for one in evidence:
            check_evidence(one)
        assert said(ask.check(deepest.rpartition(b"/")[0] + b"/none")) == [("Gone", deepest.rpartition(b"/")[0] + b"/none")]


@both_ways
def test_a_link_that_takes_the_place_of_a_directory_never_leads_anywhere(tmp_path: Path, openat2: bool) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "child").write_bytes(b"inside")
    outside.mkdir()
    (outside / "child").write_bytes(b"what is outside is longer")
    (outside / "stranger").touch()
    (root / "link").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("dir", "kept"), ("link", "dir"), ("dir", "link"), ("kept", "dir")):
                os.rename(root / old, root / new)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        with asked(root, openat2=openat2) as ask:
            for _ in range(400):
                for look in (ask.check(b"dir/child", b"dir/stranger"), ask.list(b"dir")):
                    for evidence in look.evidence:
                        if isinstance(evidence, Seen) and evidence.path == b"dir/child":
                            assert evidence.entry.size == 6
                        if isinstance(evidence, Seen):
                            assert evidence.path != b"dir/stranger"
                        if isinstance(evidence, Listing):
                            assert set(evidence.entries) <= {b"child"}
    finally:
        stop.set()
        swapper.join()


def test_the_mode_of_an_entry_has_its_type() -> None:
    assert stat.S_ISDIR(entry_of(os.lstat("/")).mode)
