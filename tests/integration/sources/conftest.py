"""Trees that several tests of the source read."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


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
