"""At rest the view equals the disk in every field of an entry, whatever a file system can do."""

import ctypes
import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fustor_core.times import parse_instant
from tests.e2e.system import NOT_YOUNG, System
from tests.e2e.test_looking import command
from tests.polling import eventually

MANY = int(os.environ.get("FUSTOR_MANY_FILES", "40000"))
"""Files in the largest directory; 200,000 where there is time."""
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--") if os.geteuid() == 0 else ()
"""Takes from root what makes it more than another user. (The interpreter may lie where other users cannot reach it.)"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: devices, mounts and other users")


@pytest.fixture
def live(system: System) -> System:
    """A system that has its snapshot, so that everything that follows is followed live."""
    system.start()
    system.wait_complete()
    return system


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", *arguments, str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


# Size and depth


def test_a_huge_directory(system: System) -> None:
    big = system.root / "big"
    big.mkdir()
    for number in range(MANY):
        (big / f"file-{number:06}").touch()
    system.start()
    system.wait_complete(within=60)
    for number in range(0, MANY, MANY // 50):
        (big / f"file-{number:06}").unlink()
        (big / f"new-{number:06}").write_bytes(b"x")
    system.wait_equal(within=40)
    big.rename(system.root / "moved")
    system.wait_equal(within=60)


def descend(root: Path, names: list[str], bottom: Callable[[], object]) -> None:
    """Make directories below one another, and call `bottom` in the last: no path is ever longer than one name."""

    def work() -> None:
        # chdir is the only way below PATH_MAX; of a thread of its own, so that nobody else is moved.
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(0x200) == 0  # CLONE_FS
        os.chdir(root)
        for name in names:
            with suppress(FileExistsError):
                os.mkdir(name)
            os.chdir(name)
        bottom()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize("names", [["d"] * 200, ["n" * 250] * 20], ids=["depth 200", "beyond PATH_MAX"])
def test_deep_trees(live: System, names: list[str]) -> None:
    where = "/".join(names).encode()
    descend(live.root, names, lambda: Path("bottom").write_bytes(b"deep"))
    found = eventually(lambda: live.query("stat", live.mount(where + b"/bottom"))["data"])
    assert found["size"] == 4
    descend(live.root, names, lambda: Path("bottom").write_bytes(b"deeper"))
    eventually(lambda: live.query("stat", live.mount(where + b"/bottom"))["data"]["size"] == 6)
    usage = live.query("usage", live.mount())["data"]
    assert (usage["files"], usage["directories"], usage["bytes"]) == (1, 1 + len(names), 6)
    (live.root / names[0]).rename(live.root / "top")
    moved = b"top" + where[len(names[0]) :]
    eventually(lambda: live.query("stat", live.mount(moved + b"/bottom"))["data"])
    subprocess.run(["rm", "-rf", str(live.root / "top")], check=True)
    live.wait_equal()


# What files can be


def test_sparse_files_owners_and_modes(live: System) -> None:
    sparse = live.root / "sparse"
    with sparse.open("wb") as file:
        file.truncate(10**12)
        file.seek(10**9)
        file.write(b"x" * 100_000)
    plain = live.root / "plain"
    plain.write_bytes(b"x")
    for mode in (0o4755, 0o2755, 0o1777, 0o0, 0o644):
        plain.chmod(mode)
    live.wait_equal()
    shown = live.query("stat", live.mount(b"sparse"))["data"]
    assert shown["size"] == 10**12
    assert shown["allocated"] < 10**6
    plain.chmod(0o6711)
    if os.geteuid() == 0:
        os.chown(plain, 1234, 4321)
        os.chown(sparse, 2**32 - 2, 0)
        (live.root / "directory").mkdir()
        os.chown(live.root / "directory", 7, 7)
    live.wait_equal()
    plain.unlink()
    with sparse.open("r+b") as file:
        file.truncate(0)
    live.wait_equal()


TIMES = [
    0,
    -1,
    -(10**9) - 1,
    -(2**31) * 10**9,
    2_524_608_000 * 10**9 + 1,
    2**33 * 10**9 + 999_999_999,
    9_214_646_400 * 10**9,
    2**34 * 10**9,
]


@pytest.mark.parametrize("memory", [pytest.param(True, marks=as_root), False], ids=["tmpfs", "here"])
def test_times_of_all_ages(make_system: Callable[..., System], tmp_path: Path, memory: bool) -> None:
    """Files as `cp -p` makes them, `touch -d 2050`, before 1970, beyond 2262: whatever the file system itself can keep."""
    root = tmp_path / "times"
    with mounted(root, "-t", "tmpfs", "tmpfs") if memory else root_at(root):
        system = make_system(root=root, name="times")
        system.start()
        system.wait_complete()
        for number, time in enumerate(TIMES):
            (system.root / f"old{number}").write_bytes(b"x")
            os.utime(system.root / f"old{number}", ns=(0, time))
            subprocess.run(["cp", "-p", str(system.root / f"old{number}"), str(system.root / f"copy{number}")], check=True)
        (system.root / "link").symlink_to("old0")
        os.utime(system.root / "link", ns=(0, 2**33 * 10**9), follow_symlinks=False)
        (system.root / "directory").mkdir()
        os.utime(system.root / "directory", ns=(0, -(10**18)))
        system.wait_equal()
        system.end()


@contextmanager
def root_at(root: Path) -> Iterator[None]:
    root.mkdir()
    yield


def test_an_inode_that_is_used_again(live: System) -> None:
    """What comes next under the number of what has gone is another thing, of another kind, elsewhere."""
    seen: set[int] = set()
    for turn in range(60):
        place = live.root / f"d{turn % 3}"
        place.mkdir(exist_ok=True)
        thing = place / f"n{turn % 5}"
        if thing.is_dir() and not thing.is_symlink():
            thing.rmdir()
        thing.unlink(missing_ok=True)
        (thing.mkdir, lambda: thing.write_bytes(b"x"), lambda: thing.symlink_to("x"))[turn % 3]()  # noqa: B023 - called at once
        seen.add(thing.lstat().st_ino)
    live.wait_equal()


def test_everything_that_is_no_file(live: System) -> None:
    os.mkfifo(live.root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(live.root)
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
    (live.root / "dangling").symlink_to("nowhere")
    (live.root / "loop").symlink_to("loop")
    (live.root / "up").symlink_to("..")
    if os.geteuid() == 0:
        os.mknod(live.root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(live.root / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    live.wait_equal()
    assert live.query("stat", live.mount(b"fifo"))["data"]["type"] == "other"
    (live.root / "fifo").unlink()
    (live.root / "fifo").mkdir()
    live.wait_equal()


def test_names_that_look_alike(live: System) -> None:
    names = [b"Case", b"case", b"CASE", "é".encode(), "e\u0301".encode(), "ﬁ".encode(), b"fi", b"\xe9", b"trail ", b"trail", b"..."]
    names += [
        b"\r",
        b"\x1b[31m",
        b"%2F",
        b"&amp;",
        b"\xf0\x9f\x92\xa9",
        b"\xed\xa0\x80",
        bytes(range(1, 47)),
        bytes(range(48, 256)),
        b"-rf",
    ]
    for name in names:
        path = os.path.join(os.fsencode(live.root), name)
        os.mkdir(path)
        for inner in names:
            with open(os.path.join(path, inner), "wb") as file:
                file.write(inner)
    live.wait_equal()
    os.rename(os.path.join(os.fsencode(live.root), b"Case"), os.path.join(os.fsencode(live.root), b"cAse"))
    live.wait_equal()


def test_an_open_file_that_has_no_name_any_more(live: System) -> None:
    with (live.root / "gone").open("wb") as file:
        (live.root / "gone").unlink()
        file.write(b"nobody sees this")
        file.flush()
        live.wait_equal()
        assert live.query("usage", live.mount())["data"]["files"] == 0


# Rights, room and mounts


def test_what_an_ordinary_user_may_not_read(make_system: Callable[..., System]) -> None:
    """The agent has no rights beyond its user's; a directory is closed to that, and opened again."""
    system = make_system(wrapper=UNPRIVILEGED)
    closed = system.root / "closed"
    (closed / "below").mkdir(parents=True)
    (closed / "below" / "file").write_bytes(b"x")
    (closed / "plain").write_bytes(b"x")
    system.start()
    system.wait_complete()
    system.wait_equal()
    opened = os.open(closed / "below", os.O_RDONLY)
    closed.chmod(0)
    unseen = os.open("unseen", os.O_CREAT | os.O_WRONLY, dir_fd=opened)
    made_at = time.time_ns()
    with open(unseen, "wb") as file:
        file.write(b"x")
    os.close(opened)
    eventually(lambda: "unreadable" in [each["type"] for each in system.meta()["conditions"]])
    assert not system.meta()["complete"]
    assert not system.meta(b"closed")["complete"]
    below = system.meta(b"closed/below")
    assert not below["complete"], "what happens there goes unseen, too"
    assert below["as_of"] is None or parse_instant(below["as_of"]) < divmod(made_at, 10**9)
    for words in (("refresh", "/data/closed/below"), ("ls", "--fresh", "/data/closed"), ("stat", "--fresh", "/data/closed/below/file")):
        ran = command(system, *words)
        assert (ran.returncode, ran.stdout) == (5, ""), words
        assert "the agents looked, and 1 directory could not be read" in ran.stderr
    assert system.query("stat", system.mount(b"closed/plain"))["data"]["size"] == 1, "what was known stays"
    closed.chmod(0o755)
    (closed / "plain").write_bytes(b"changed")
    system.wait_complete()
    system.wait_equal()
    assert "unreadable" not in [each["type"] for each in system.meta()["conditions"]]
    (closed / "below").chmod(0o600)
    system.wait_equal()
    if os.geteuid() == 0:  # whoever may not search it cannot change what is in it either
        (closed / "below" / "unseen").unlink()
        eventually(lambda: not system.meta(b"closed/below")["complete"])
    (closed / "below").chmod(0o755)
    system.wait_complete()
    system.wait_equal()


def fill(root: Path) -> None:
    for number in range(1_000):
        (root / f"d{number % 7}").mkdir(exist_ok=True)
        (root / f"d{number % 7}" / f"f{number}").write_bytes(b"x" * 9_000)


@as_root
def test_a_file_system_that_fills_up(make_system: Callable[..., System], tmp_path: Path) -> None:
    root = tmp_path / "small"
    with mounted(root, "-t", "tmpfs", "-o", "size=300k,nr_inodes=60", "tmpfs"):
        system = make_system(root=root, name="small")
        system.start()
        system.wait_complete()
        with pytest.raises(OSError, match="No space"):
            fill(root)
        system.wait_equal()
        for directory in list(root.iterdir())[::2]:
            subprocess.run(["rm", "-rf", str(directory)], check=True)
        (root / "room").write_bytes(b"x" * 20_000)
        system.wait_equal()
        system.end()


@as_root
@pytest.mark.parametrize("cross", [False, True])
def test_mounts_below_the_root(make_system: Callable[..., System], tmp_path: Path, cross: bool) -> None:
    system = make_system(cross_mounts=cross)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "inner").mkdir(parents=True)
    (elsewhere / "inner" / "file").write_bytes(b"bound")
    with mounted(system.root / "memory", "-t", "tmpfs", "tmpfs"), mounted(system.root / "bound", "--bind", str(elsewhere)):
        (system.root / "memory" / "file").write_bytes(b"x" * 100)
        (system.root / "here").write_bytes(b"x")
        system.start()
        system.wait_complete()
        expected = {b"here", b"memory", b"bound", b""}
        if cross:
            expected |= {b"memory/file", b"bound/inner", b"bound/inner/file"}
        eventually(lambda: system.in_view().keys() == expected)
        (system.root / "memory" / "later").write_bytes(b"x")
        (elsewhere / "inner" / "through the other name").write_bytes(b"x")
        (system.root / "here").write_bytes(b"xx")
        if cross:
            expected |= {b"memory/later", b"bound/inner/through the other name"}
        eventually(lambda: system.in_view().keys() == expected and system.query("stat", system.mount(b"here"))["data"]["size"] == 2)
        for path, shown in system.in_view().items():
            assert shown is not None
            assert shown.inode == os.lstat(os.path.join(os.fsencode(system.root), path)).st_ino
        system.end()


@as_root
@pytest.mark.parametrize("cross", [False, True])
def test_what_is_mounted_over_files_hides_them_until_it_is_unmounted(
    make_system: Callable[..., System], tmp_path: Path, cross: bool
) -> None:
    """No event tells of a mount."""
    system = make_system(cross_mounts=cross)
    system.fusion_extra = NOT_YOUNG
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "shown").touch()
    (system.root / "d" / "sub").mkdir(parents=True)
    for name in ("hidden", "sub/hidden too"):
        (system.root / "d" / name).touch()
    system.start()
    system.wait_complete()
    expected = {b"", b"d", b"d/shown"} if cross else {b"", b"d"}
    with mounted(system.root / "d", "--bind", str(elsewhere)):
        eventually(lambda: system.in_view().keys() == expected)
        in_view = system.in_view()[b"d"]
        assert in_view is not None
        assert in_view.inode == os.stat(elsewhere).st_ino
        system.wait_complete()
    system.wait_equal()
    (system.root / "d" / "sub" / "later").touch()
    system.wait_equal()
    with mounted(system.root / "d", "--bind", str(elsewhere)):
        # Nor does one that began while nobody watched keep what it hides in the view.
        assert system.agent is not None
        system.agent.stop()
        system.start_agent()
        eventually(lambda: system.in_view().keys() == expected)
        system.wait_complete()
        system.end()


def test_the_data_directory_inside_the_watched_one(make_system: Callable[..., System], tmp_path: Path) -> None:
    """What Fustor itself writes is not part of what it indexes: it would never rest."""
    system = make_system(root=tmp_path, name="all")
    (tmp_path / "file").write_bytes(b"x")
    system.start()
    system.wait_complete()
    (tmp_path / "file").write_bytes(b"more")
    eventually(lambda: system.query("stat", b"/all/file")["data"]["size"] == 4)
    assert not [path for path in system.in_view() if path.endswith(b"/agent") or b"/agent/" in path]
