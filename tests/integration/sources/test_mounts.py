"""Mounts below the root: entered only on demand, and gone with what was in them."""

import os
import subprocess
from pathlib import Path

from fustor_core.evidence import Seen
from tests.integration.sources.looks import asked, both_ways, listed, only, said


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
