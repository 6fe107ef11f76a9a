"""Each trick of renaming, replacing and removing on its own: afterwards what was told is what is on disk, and all watches are right."""

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fustor_agent.sources import Watchable
from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.inotify import InotifyQueue
from tests.integration.sources.looks import Asked, listed, said
from tests.integration.sources.mirror import mirrored


def grow(root: Path) -> None:
    for directory in ("a/b/c", "x/y", "z"):
        (root / directory).mkdir(parents=True)
        (root / directory / "file").write_bytes(b"content")


def swap(root: Path) -> None:
    os.rename(root / "a", root / "b")
    os.rename(root / "x", root / "a")


def there_and_back(root: Path) -> None:
    for _ in range(3):
        os.rename(root / "a", root / "x" / "a")
        os.rename(root / "x" / "a", root / "a")


def below_a_renamed_ancestor(root: Path) -> None:
    os.rename(root / "a" / "b", root / "a" / "B")
    os.rename(root / "a", root / "A")
    os.rename(root / "A" / "B" / "c", root / "A" / "B" / "C")
    (root / "A" / "B" / "C" / "new").touch()


def out_and_in(root: Path) -> None:
    away = root.parent / "away"
    os.rename(root / "a", away)
    (away / "b" / "unseen").touch()
    (away / "b" / "c" / "file").unlink()
    os.rename(away, root / "z" / "a")


def out(root: Path) -> None:
    os.rename(root / "a", root.parent / "away")
    (root.parent / "away" / "b" / "not ours").touch()


def removed_and_made_again(root: Path) -> None:
    for _ in range(5):
        shutil.rmtree(root / "a")
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "b" / "other").touch()


def file_for_directory(root: Path) -> None:
    shutil.rmtree(root / "a")
    (root / "a").touch()
    (root / "z" / "file").unlink()
    (root / "z" / "file").mkdir()
    (root / "z" / "file" / "in it").touch()


def link_for_directory(root: Path) -> None:
    os.rename(root / "a", root / "kept")
    (root / "a").symlink_to(root / "kept")


def six_levels_at_once(root: Path) -> None:
    (root / "1/2/3/4/5/6").mkdir(parents=True)
    (root / "1/2/3/4/5/6/bottom").write_bytes(b"x")


def attributes(root: Path) -> None:
    os.chmod(root / "a", 0o700)
    os.utime(root / "x" / "y", ns=(0, 2**33 * 10**9 + 1))
    os.utime(root, ns=(0, 5))
    with open(root / "z" / "file", "ab") as file:
        file.write(b"appended")
        file.flush()
        os.truncate(root / "x" / "y" / "file", 1)


def rename_over(root: Path) -> None:
    (root / "new").write_bytes(b"newer")
    os.rename(root / "new", root / "z" / "file")
    os.rename(root / "x" / "y" / "file", root / "a" / "b" / "c" / "file")
    (root / "empty").mkdir()
    os.rename(root / "a" / "b", root / "empty")


TRICKS = [swap, there_and_back, below_a_renamed_ancestor, out_and_in, out, removed_and_made_again, file_for_directory, link_for_directory]
TRICKS += [six_levels_at_once, attributes, rename_over]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_after_the_events_all_is_as_on_the_disk(tmp_path: Path, trick: Callable[[Path], None]) -> None:
    root = tmp_path / "root"
    grow(root)
    with mirrored(FsSource(root)) as mirror:
        mirror.assert_exact(root)
        trick(root)
        mirror.rest()
        mirror.assert_exact(root)
        # Each watch is alive: a change in any directory is still heard of.
        for directory in sorted(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()):
            (directory / "touched").touch()
        mirror.rest()
        mirror.assert_exact(root)


def test_a_source_can_be_watched(tmp_path: Path) -> None:
    assert isinstance(FsSource(tmp_path), Watchable)


def test_what_an_event_is_about(tmp_path: Path) -> None:
    grow(tmp_path)
    source = FsSource(tmp_path)
    with source.open(), source.watch():
        ask, todo = Asked(source), [b""]
        while todo:
            todo += ask.list(todo.pop()).directories
        assert source.notice().paths == []
        with open(tmp_path / "z" / "file", "ab") as file:
            file.write(b"more")
        assert source.notice().paths == [b"z/file"]
        (tmp_path / "z" / "other").touch()
        assert set(source.notice().paths) == {b"z", b"z/other"}
        (tmp_path / "z" / "other").unlink()
        assert set(source.notice().paths) == {b"z", b"z/other"}
        (tmp_path / "z").chmod(0o700)
        assert source.notice().paths == [b"z"]
        (tmp_path / "z" / "dir").mkdir()
        noticed = source.notice()
        assert (set(noticed.paths), noticed.trees, noticed.overflowed) == ({b"z", b"z/dir"}, [b"z/dir"], False)
        os.rename(tmp_path / "a" / "b", tmp_path / "z" / "b")
        noticed = source.notice()
        assert set(noticed.paths) == {b"a", b"a/b", b"z", b"z/b"}
        assert noticed.trees == [b"z/b"]
        os.utime(tmp_path)
        assert source.notice().paths == [b""]
        assert source.notice().paths == []


def test_what_is_listed_again_is_no_stranger_but_what_is_new_in_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    source = FsSource(tmp_path)
    with source.open(), source.watch():
        ask = Asked(source)
        assert ask.list().strangers == [b"old"]
        assert said(ask.list(b"old")) == [("Listing", b"old"), ("Seen", b"old")]
        assert said(ask.list(b"old")) == [("Listing", b"old"), ("Seen", b"old")]
        (tmp_path / "new").mkdir()
        look = ask.list()
        assert sorted(look.directories) == [b"new", b"old"]
        assert look.strangers == [b"new"]
        assert ask.check(b"old", b"new", b"").strangers == [b"new"]
        # Another directory under a name that is known.
        (tmp_path / "old").rename(tmp_path / "away")
        (tmp_path / "new").rename(tmp_path / "old")
        assert sorted(ask.check(b"old", b"away").strangers) == [b"away", b"old"]
        assert said(ask.list()) == [("Listing", b""), ("Seen", b"")]


def test_without_watching_nothing_is_a_stranger(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    source = FsSource(tmp_path)
    with source.open():
        ask = Asked(source)
        assert ask.list().strangers == []
        assert ask.list().directories == [b"dir"]
        assert ask.check(b"dir", b"").strangers == []
        assert source.notice().paths == []
        assert source.conditions() == []


def test_excluded_directories_are_not_watched(tmp_path: Path) -> None:
    root = tmp_path / "root"
    grow(root)
    (root / "data").mkdir()
    with mirrored(FsSource(root, exclude=["/a"], own=[root / "data"])) as mirror:
        (root / "data" / "database").touch()
        (root / "a" / "unseen").touch()
        (root / "a2").mkdir()
        mirror.rest()
        shutil.rmtree(root / "a")
        shutil.rmtree(root / "data")
        mirror.rest()
        mirror.assert_exact(root)


def test_a_queue_that_overflows_makes_everything_be_listed_again(tmp_path: Path) -> None:
    root = tmp_path / "root"
    grow(root)
    with open("/proc/sys/fs/inotify/max_queued_events") as limit:
        most = int(limit.read())
    if most > 100_000:
        pytest.skip(f"filling a queue of {most:,} events would take too long")
    with mirrored(FsSource(root, queue=partial(InotifyQueue, patience=3_600_000))) as mirror:
        for number in range(most // 20 + 1):
            for name in range(10):
                os.rename(root / "z" / "file", root / "z" / f"file{name}")
                os.rename(root / "z" / f"file{name}", root / "z" / "file")
            if number % 100 == 0:
                os.mknod(root / "z" / f"left {number}")
        shutil.rmtree(root / "a")
        os.rename(root / "x", root / "a")
        (root / "a" / "new" / "newer").mkdir(parents=True)
        mirror.rest()
        assert mirror.overflows == 1
        mirror.assert_exact(root)
        (root / "a" / "new" / "newer" / "heard").touch()
        mirror.rest()
        assert mirror.overflows == 1
        mirror.assert_exact(root)


class FewWatches(InotifyQueue):
    """Refuses watches beyond `most`, as the kernel does."""

    most = 3

    def __init__(self) -> None:
        super().__init__()
        self.given: set[int] = set()

    def add(self, directory: int) -> int:
        if len(self.given) >= self.most:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        watch = super().add(directory)
        self.given.add(watch)
        return watch


def test_where_watches_are_refused_all_is_listed_and_the_remedy_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    grow(root)
    source = FsSource(root, queue=FewWatches)
    with source.open(), source.watch():
        ask, todo, found = Asked(source), [b""], set()
        while todo:
            look = ask.list(directory := todo.pop())
            todo += look.directories
            found |= {directory + b"/" + name for name in listed(look)}
        assert len(found) == 9
        assert len(source.unwatched()) == 7 - 3
        (condition,) = source.conditions()
        assert condition.type == "directories-unwatched"
        assert condition.message.startswith("4 directories are not watched")
        assert condition.remedy == "sysctl fs.inotify.max_user_watches=524288"
        assert condition.since > 0
        # Known to be unwatched is not unknown: else each look would list it again.
        assert ask.list().strangers == []
        monkeypatch.setattr(FewWatches, "most", 100)
        for path in source.unwatched():
            ask.list(path)
        assert source.unwatched() == []
        assert source.conditions() == []
        for below in list(root.rglob("*/")):
            (below / "touched").touch()
        assert len([path for path in source.notice().paths if path.endswith(b"touched")]) == 6


def test_directories_that_were_refused_and_are_gone_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    grow(root)
    monkeypatch.setattr(FewWatches, "most", 1)
    source = FsSource(root, queue=FewWatches)
    with source.open(), source.watch():
        ask, todo = Asked(source), [b""]
        while todo:
            todo += ask.list(todo.pop()).directories
        assert len(source.unwatched()) == 6
        shutil.rmtree(root / "a")
        ask.check(*source.notice().paths)
        assert sorted(source.unwatched()) == [b"x", b"x/y", b"z"]
        (condition,) = source.conditions()
        assert condition.message.startswith("3 directories")
