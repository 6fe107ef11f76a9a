"""A file system of this machine that hangs keeps nobody from asking fusion, and doctor from saying so."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fustor_fusion.commands import asking, examine
from fustor_fusion.commands.typed import Source
from fustor_fusion.diagnosis import Word
from fustor_fusion.replies import Root, SourcePath

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture
def hung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A directory at which every look hangs until the test ends."""
    path, ended = str(tmp_path / "hung"), threading.Event()
    realpath, scandir = os.path.realpath, os.scandir
    monkeypatch.setattr(os.path, "realpath", lambda of: ended.wait() if os.fsdecode(of) == path else realpath(of))
    monkeypatch.setattr(os, "scandir", lambda of: ended.wait() if os.fsdecode(of) == path else scandir(of))
    monkeypatch.setattr(asking, "RESOLVED_WITHIN", 0.1)
    monkeypatch.setattr(examine, "ANSWERS_WITHIN", 0.1)
    yield path
    ended.set()


def test_a_source_that_hangs_goes_by_the_name_in_the_settings(hung: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    sources = [SourcePath("nas", BOOT, hung), SourcePath("nas", BOOT, str(tmp_path / "link")), SourcePath("far", "another boot", "/srv")]
    root = Root("data", "/data", True, None, [], None, None, 1, 0, ["nas"], "nas", sources)
    found = asking.local_sources([root])
    assert found == [Source(os.fsencode(path), b"/data") for path in (hung, tmp_path / "link", tmp_path)]


def test_doctor_says_that_it_hangs(hung: str, tmp_path: Path) -> None:
    findings = examine.of_permissions([os.fsencode(hung), os.fsencode(tmp_path)])
    assert [(each.word, each.what) for each in findings] == [
        (Word.OK, f"{tmp_path} can be read"),
        (Word.FAIL, f"{hung} does not answer"),
    ]
