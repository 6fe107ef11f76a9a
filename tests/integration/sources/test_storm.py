"""Whatever several writers do at once: when they rest, what has been told is what is on the disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.plain import fastest, leave_all
from tests.integration.sources import storm
from tests.integration.sources.mirror import mirrored
from tests.integration.sources.view import View

WRITERS = 3
OPERATIONS = 1000


@pytest.mark.parametrize("seed", range(20))
def test_three_writers_and_three_readers_end_with_the_same_tree(tmp_path: Path, seed: int) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    # Half of the seeds without openat2, so that the walk component by component goes through the same; and half without what is compiled.
    view = View()
    source = FsSource(root, openat2=bool(seed % 2), read_plain=fastest if seed % 4 < 2 else leave_all, part_entries=5)
    with mirrored(source, view) as mirror:
        command = [sys.executable, storm.__file__, str(root), str(outside)]
        writers = [subprocess.Popen([*command, f"{seed}-{number}", str(OPERATIONS)]) for number in range(WRITERS)]
        while any(writer.poll() is None for writer in writers):
            mirror.step()
        assert [writer.returncode for writer in writers] == [0] * WRITERS
        mirror.rest()
        mirror.assert_exact(root)
        assert mirror.overflows == 0
        assert not view.unreadable.keys() & view.entries().keys()
