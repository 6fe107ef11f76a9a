"""What the user that reads may not read: unreadable, and nothing else."""

import os
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fustor_agent.sources.fs import FsSource
from fustor_core.errors import ConfigurationError
from fustor_core.evidence import Unreadable
from tests.integration.sources.looks import Asked, asked, both_ways, listed, only, said


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that an ordinary user can reach and owns."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+rwx", path], check=True)
    shutil.rmtree(path)


def as_ordinary_user(root: Path, work: Callable[[Path], None]) -> None:
    """Do it to `root` as a user who may not read everything."""
    if os.geteuid() != 0:
        work(root)
        return
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            work(root)
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
    as_ordinary_user(shared, partial(_look_around, openat2=openat2))


def _look_around(root: Path, *, openat2: bool) -> None:
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
