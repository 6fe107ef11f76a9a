"""Mounts below the root: entered only on demand, and gone with what was in them."""

import os
import subprocess
from pathlib import Path

from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.mounts import mounted_below
from fustor_core.evidence import Seen
from tests.integration.sources.looks import asked, both_ways, listed, only, said


@both_ways
def test_mounts_below_the_root_are_not_entered(mounted: Path, openat2: bool) -> None:
    with asked(mounted, openat2=openat2) as ask:
        look = ask.list()
        assert {name: entry.mount for name, entry in listed(look).items()} == {b"tmpfs": -1, b"real": 0, b"bound": -1}
        assert sorted(look.directories) == [b"bound", b"real", b"tmpfs"]
        for path in (b"tmpfs", b"bound"):
            look = ask.list(path)
            assert sorted(said(look)) == [("Listing", path), ("Seen", path)]
            assert listed(look) == {}  # whatever is hidden under it
            assert look.directories == []
        for path in (b"tmpfs/deep", b"bound/sub"):
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


TABLE = rb"""22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /srv rw - tmpfs none rw
31 30 0:27 / /srv/a\040b\134\012c rw - tmpfs none rw
32 30 259:1 /x /srv/deep/er rw shared:1 master:2 - ext4 /dev/root rw
33 22 0:28 / /srv2 rw - tmpfs none rw
34 30 0:29 / /srv/deep/er rw - tmpfs none rw
"""


def test_the_table_names_what_is_below_a_root_and_not_the_root_itself() -> None:
    assert mounted_below(b"/srv/", TABLE) == {(b"31", b"a b\\\nc"), (b"32", b"deep/er"), (b"34", b"deep/er")}
    assert (b"30", b"srv") in mounted_below(b"/", TABLE)
    assert mounted_below(b"/elsewhere/", TABLE) == frozenset()


def test_what_is_mounted_and_unmounted_is_noticed_where_it_is(mounted: Path) -> None:
    source = FsSource(mounted)
    with source.open(), source.watch():
        assert source.notice().trees == []
        subprocess.run(["mount", "--bind", mounted / "real", mounted / "real" / "sub"], check=True)
        try:
            assert source.notice().trees == [b"real/sub"]
            assert source.notice().trees == []
        finally:
            subprocess.run(["umount", mounted / "real" / "sub"], check=True)
        assert source.notice().trees == [b"real/sub"]
