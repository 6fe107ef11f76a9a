"""The root of a source: opened, recognised, and a fault wherever it is not what it was."""

import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.identity import lasting_id, lasting_inode
from fustor_core.clock import Stamper, boottime
from fustor_core.errors import ConfigurationError, RootGone
from fustor_core.evidence import Gone
from tests.integration.sources.looks import asked, listed


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


def test_gone_is_never_said_of_the_root(tmp_path: Path) -> None:
    with asked(tmp_path) as ask:
        assert not [one for one in ask.check(b"", b"none").evidence if isinstance(one, Gone) and not one.path]


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
