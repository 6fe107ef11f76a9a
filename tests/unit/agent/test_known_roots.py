"""What an agent remembers of the roots of its pipes."""

import stat
from pathlib import Path

import pytest

from fustor_agent.root.known_roots import Known, KnownRoots
from fustor_core.errors import ConfigurationError
from fustor_core.wire import Identity

DISK = Identity("ext4", "1234", -2)


def test_a_root_is_remembered_for_its_pipe_its_name_and_its_place(tmp_path: Path) -> None:
    file = tmp_path / "roots.json"
    known = KnownRoots(file)
    assert known.of("p", "data", b"/srv/\xff") is None
    known.record("p", Known("data", b"/srv/\xff", DISK))
    known.record("q", Known("other", b"/q", DISK))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for each in (known, KnownRoots(file)):
        assert each.of("p", "data", b"/srv/\xff") == DISK
        assert each.of("p", "data", b"/srv/b") is None
        assert each.of("p", "renamed", b"/srv/\xff") is None


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "roots.json"
    file.write_text("{")
    with pytest.raises(ConfigurationError, match=r"roots\.json: .* correct it, or remove it"):
        KnownRoots(file)
