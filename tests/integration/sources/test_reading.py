"""What the source says of everything that can be in a directory, or in the way of one."""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.identity import lasting_id, lasting_inode
from fustor_agent.sources.fs.reading import entry_of
from fustor_core.clock import Stamper, boottime
from fustor_core.errors import ConfigurationError, RootGone
from fustor_core.evidence import Gone, Kind, Listing, Seen, Unreadable, check_evidence
from tests.integration.sources.looks import Asked, asked, listed, only, said
from tests.integration.sources.mirror import walk

both_ways = pytest.mark.parametrize("openat2", [True, False], ids=["openat2", "step by step"])


def test_every_kind_of_thing_is_listed_as_lstat_has_it(tmp_path: Path) -> None:
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
    with asked(tmp_path) as ask:
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
def test_a_huge_directory_comes_in_parts_of_one_listing(tmp_path: Path, count: int, parts: int) -> None:
    for number in range(count):
        (tmp_path / str(number)).touch()
    with asked(tmp_path, part_entries=10) as ask:
        listings = [one for one in ask.list().evidence if isinstance(one, Listing)]
    assert [one.part for one in listings] == list(range(parts))
    assert [one.last for one in listings] == [False] * (parts - 1) + [True]
    assert len({one.at for one in listings}) == 1
    assert sum(len(one.entries) for one in listings) == count
    assert {name for one in listings for name in one.entries} == {str(number).encode() for number in range(count)}


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


def test_a_root_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, words in ((tmp_path / "none", "does not exist"), (tmp_path / "file", "is no directory")):
        with pytest.raises(ConfigurationError, match=words) as caught, FsSource(path).open():
            pass
        assert "\n" not in str(caught.value)


def test_the_identity_is_what_survives_a_remount(tmp_path: Path) -> None:
    with FsSource(tmp_path).open() as first, FsSource(tmp_path).open() as second:
        assert first == second
        assert first.inode == tmp_path.stat().st_ino
        assert first.file_system == subprocess.run(
            ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True
        ).stdout.strip().replace("ext2/ext3", "ext4")


def test_the_id_of_a_file_system_is_what_the_next_boot_does_not_change(tmp_path: Path) -> None:
    device = os.stat("/dev/null").st_rdev
    assert lasting_id(0xABC, device, "/dev/sda1", tmp_path) == "abc"
    assert lasting_id(0, device, "server:/export", tmp_path) == "server:/export"
    assert lasting_id(device, device, "/dev/sda1", tmp_path / "none") == ""
    assert lasting_id(device, device, "/dev/sda1", tmp_path) == ""
    (tmp_path / "0123-4567").symlink_to("/dev/zero")
    (tmp_path / "89ab-cdef").symlink_to("/dev/null")
    assert lasting_id(device, device, "/dev/sda1", tmp_path) == "89ab-cdef"
    assert (lasting_inode("ext4", 7), lasting_inode("fuse.sshfs", 7), lasting_inode("vfat", 7)) == (7, 0, 0)


def test_a_file_system_that_is_mounted_again_is_the_same_and_another_is_not(mounted: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "none", mounted / "real"], check=True)
    try:
        with FsSource(mounted / "real").open() as first, FsSource(mounted / "tmpfs").open() as second:
            assert first != second
        subprocess.run(["mount", "--bind", mounted / "real", mounted / "tmpfs"], check=True)
        with FsSource(mounted / "tmpfs").open() as again:
            assert again == first
    finally:
        subprocess.run(["umount", mounted / "tmpfs"], check=True)
        subprocess.run(["umount", "-l", mounted / "real"], check=True)


def test_another_directory_in_the_place_of_the_root_is_a_fault(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with asked(root) as ask:
        ask.source.verify()
        root.rename(tmp_path / "away")
        with pytest.raises(RootGone, match="cannot be reached"):
            ask.source.verify()
        root.mkdir()
        with pytest.raises(RootGone, match="another directory"):
            ask.source.verify()
        root.rmdir()
        (tmp_path / "away").rename(root)
        ask.source.verify()


def test_a_root_that_was_removed_is_no_evidence(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with asked(root) as ask:
        root.rmdir()
        with pytest.raises(RootGone):
            ask.source.verify()
        with pytest.raises(RootGone):
            ask.list()
        assert not ask.stamps._open


def test_a_reading_after_the_end_is_refused(tmp_path: Path) -> None:
    with asked(tmp_path) as ask:
        pass
    for call in (ask.list, ask.check, ask.source.verify):
        with pytest.raises(RootGone):
            call()


class Held(Stamper):
    """Gives its first stamp when it is told to."""

    def __init__(self) -> None:
        super().__init__(boottime, 1, 0)
        self.asked = threading.Event()
        self.told = threading.Event()

    def take(self) -> int:
        self.asked.set()
        assert self.told.wait(10)
        return super().take()


@pytest.mark.parametrize("watching", [False, True])
def test_a_reading_that_outlives_the_source_touches_nothing_else(tmp_path: Path, watching: bool) -> None:
    (tmp_path / "root" / "dir").mkdir(parents=True)
    source, stamps = FsSource(tmp_path / "root"), Held()
    before = set(os.listdir("/proc/self/fd"))
    with ThreadPoolExecutor(1) as reader:
        with source.open(), source.watch() if watching else nullcontext():
            late = reader.submit(source.list, b"", stamps)
            assert stamps.asked.wait(10)
        # Whatever is opened next must not be taken for the root, or for the queue, that the reading began with.
        others = [os.open(tmp_path, os.O_RDONLY) for _ in range(5)]
        stamps.told.set()
        if watching:
            with pytest.raises(RootGone):
                late.result()
            assert not stamps._open
        else:
            assert set(listed(late.result())) == {b"dir"}
    for other in others:
        os.close(other)
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that an ordinary user can reach and owns."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+rwx", path], check=True)
    shutil.rmtree(path)


def as_ordinary_user(root: Path, test: str) -> None:
    """Run a function of this module on `root` as a user who may not read everything."""
    if os.geteuid() != 0:
        globals()[test](root)
        return
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            globals()[test](root)
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@both_ways
def test_what_may_not_be_read_is_unreadable_and_nothing_else(shared: Path, openat2: bool) -> None:
    for directory in ("locked/below", "names only", "passage/open", "fine"):
        (shared / directory).mkdir(parents=True)
    for file in ("locked/x", "names only/x", "passage/open/x", "fine/x"):
        (shared / file).touch()
    subprocess.run(["chown", "-R", "65534:65534", shared], check=os.geteuid() == 0)
    (shared / "locked").chmod(0)
    (shared / "names only").chmod(0o400)
    (shared / "passage").chmod(0o100)
    as_ordinary_user(shared, "_look_around" if openat2 else "_look_around_step_by_step")


def _look_around_step_by_step(root: Path) -> None:
    _look_around(root, openat2=False)


def _look_around(root: Path, *, openat2: bool = True) -> None:
    with asked(root, openat2=openat2) as ask:
        assert set(listed(ask.list())) == {b"locked", b"names only", b"passage", b"fine"}
        for path in (b"locked", b"names only", b"passage"):
            look = ask.list(path)
            assert said(look) == [("Unreadable", path)]
            assert only(look.evidence) == Unreadable(path, look.evidence[0].at, "permission denied")
        assert said(ask.list(b"locked/below")) == [("Unreadable", b"locked")]
        assert said(ask.check(b"locked/x", b"locked/y", b"locked/below/z")) == [("Unreadable", b"locked")]
        assert said(ask.check(b"names only/x", b"locked")) == [("Seen", b"locked"), ("Unreadable", b"names only")]
        assert said(ask.list(b"passage/open")) == [("Listing", b"passage/open")]
        assert said(ask.check(b"passage/open/x", b"passage/none")) == [("Gone", b"passage/none"), ("Seen", b"passage/open/x")]
        (root / "locked").chmod(0o700)
        assert set(listed(ask.list(b"locked"))) == {b"x", b"below"}
    (root / "names only").chmod(0)
    with pytest.raises(ConfigurationError, match="may not be read"), FsSource(root / "names only").open():
        pass
    _an_unreadable_directory_becomes_a_stranger(root)


def _an_unreadable_directory_becomes_a_stranger(root: Path) -> None:
    source = FsSource(root / "fine")
    (root / "fine" / "in").mkdir()
    (root / "fine" / "in" / "file").touch()
    with source.open(), source.watch():
        ask = Asked(source)
        ask.list()
        ask.list(b"in")
        (root / "fine" / "in").chmod(0)
        assert said(ask.check(b"in/file")) == [("Unreadable", b"in")]
        assert ask.check(b"in").strangers == [b"in"]
        (root / "fine" / "in").chmod(0o700)
        assert b"in" in source.notice().paths
        assert ask.check(b"in").strangers == [b"in"]
        ask.list(b"in")
        assert ask.check(b"in").strangers == []


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A root with a tmpfs at `tmpfs/`, and `real/` bound to `bound/`."""
    for name in ("tmpfs", "real/sub", "bound"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "real" / "file").touch()
    commands = (
        ["mount", "-t", "tmpfs", "none", str(tmp_path / "tmpfs")],
        ["mount", "--bind", str(tmp_path / "real"), str(tmp_path / "bound")],
    )
    done: list[str] = []
    try:
        for command in commands:
            if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("mounting is not permitted here")
            done.append(command[-1])
        (tmp_path / "tmpfs" / "deep").mkdir()
        yield tmp_path
    finally:
        for path in done:
            subprocess.run(["umount", "-l", path], check=True)


@both_ways
def test_mounts_below_the_root_are_not_entered(mounted: Path, openat2: bool) -> None:
    with asked(mounted, openat2=openat2) as ask:
        look = ask.list()
        assert {name: entry.mount for name, entry in listed(look).items()} == {b"tmpfs": -1, b"real": 0, b"bound": -1}
        assert look.directories == [b"real"]
        for path in (b"tmpfs", b"tmpfs/deep", b"bound", b"bound/sub"):
            look = ask.list(path)
            seen = only(look.evidence)
            assert isinstance(seen, Seen)
            assert (seen.path, seen.entry.mount) == (path.partition(b"/")[0], -1)
            assert look.directories == []
        look = ask.check(b"tmpfs", b"tmpfs/deep", b"bound/file", b"real/file")
        assert sorted(said(look)) == [("Seen", b"bound"), ("Seen", b"real/file"), ("Seen", b"tmpfs"), ("Seen", b"tmpfs")]
        assert look.directories == []


@both_ways
def test_mounts_below_the_root_are_entered_on_demand(mounted: Path, openat2: bool) -> None:
    with asked(mounted, openat2=openat2, cross_mounts=True) as ask:
        device = os.stat(mounted / "tmpfs").st_dev
        look = ask.list()
        mounts = {name: entry.mount for name, entry in listed(look).items()}
        assert mounts == {b"tmpfs": device, b"real": 0, b"bound": os.stat(mounted).st_dev}
        assert sorted(look.directories) == [b"bound", b"real", b"tmpfs"]
        assert {name: entry.mount for name, entry in listed(ask.list(b"tmpfs")).items()} == {b"deep": device}
        assert {entry.mount for entry in listed(ask.list(b"bound")).values()} == {os.stat(mounted).st_dev}
        assert {entry.mount for entry in listed(ask.list(b"real")).values()} == {0}


def test_what_went_with_a_mount_is_told_with_what_its_mount_point_is(mounted: Path) -> None:
    with asked(mounted, cross_mounts=True) as ask:
        ask.list(b"tmpfs")
        subprocess.run(["umount", mounted / "tmpfs"], check=True)
        try:
            look = ask.check(b"tmpfs/deep/below")
        finally:
            subprocess.run(["mount", "-t", "tmpfs", "none", mounted / "tmpfs"], check=True)
        assert sorted(said(look)) == [("Gone", b"tmpfs/deep"), ("Seen", b"tmpfs")]
        assert [one.entry.mount for one in look.evidence if isinstance(one, Seen)] == [0]


def test_an_unmounted_root_is_a_fault(mounted: Path) -> None:
    with asked(mounted / "tmpfs") as ask:
        ask.source.verify()
        subprocess.run(["mount", "--bind", mounted / "real", mounted / "tmpfs"], check=True)
        try:
            with pytest.raises(RootGone, match="another file system"):
                ask.source.verify()
        finally:
            subprocess.run(["umount", mounted / "tmpfs"], check=True)
        ask.source.verify()


def test_the_mode_of_an_entry_has_its_type() -> None:
    assert stat.S_ISDIR(entry_of(os.lstat("/")).mode)


def test_gone_is_never_said_of_the_root(tmp_path: Path) -> None:
    with asked(tmp_path) as ask:
        assert not [one for one in ask.check(b"", b"none").evidence if isinstance(one, Gone) and not one.path]
