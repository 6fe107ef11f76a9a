"""`fustor up` decides names, settings and ports so that nothing is lost or mixed up, and refuses in one line what cannot work."""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.cli import fustor, outcome
from fustor_core.errors import ConfigurationError
from fustor_core.up import place
from fustor_core.up.plan import Plan, agent_settings, announcement, exclusion, fold, fusion_settings, key_hash, name_roots, roots_note
from fustor_core.yaml_text import write_text

PATHS = st.binary(min_size=1, max_size=12).filter(lambda path: b"\0" not in path).map(lambda path: os.path.abspath(b"/" + path))


def a_plan(roots: Mapping[str, bytes] | None = None, key: str | None = "k") -> Plan:
    return Plan(roots or {"data": b"/srv/data"}, data="/var/f", port=8102, agent_port=8103, agent_id="nas-1a2b3c", key=key)


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("data", "data"),
        ("My Photos (2024)", "my-photos-2024"),
        ("Größe", "groe"),
        ("2024", "root-2024"),
        ("_x_", "x"),
        ("a_b-c", "a_b-c"),
        ("", "root"),
        ("文件", "root"),
        ("\udcff", "root"),
        ("a\nb", "a-b"),
    ],
)
def test_a_name_is_folded_to_the_letters_that_names_have(name: str, folded: str) -> None:
    assert fold(name, otherwise="root") == folded


@given(st.text())
def test_every_folded_name_is_a_name(name: str) -> None:
    assert re.fullmatch("[a-z][a-z0-9_-]*", fold(name, otherwise="root"))


def test_a_root_is_named_after_its_directory() -> None:
    assert name_roots([b"/srv/data", b"/"], {}) == {"data": b"/srv/data", "root": b"/"}


def test_equal_names_are_made_distinct_by_a_number() -> None:
    assert name_roots([b"/a/data", b"/b/data", b"/c/Data", b"/d/data-2"], {}) == {
        "data": b"/a/data",
        "data-2": b"/b/data",
        "data-3": b"/c/Data",
        "data-2-2": b"/d/data-2",
    }


def test_a_name_never_passes_to_another_tree() -> None:
    first = name_roots([b"/a/data"], {})
    assert name_roots([b"/b/data"], first) == {"data-2": b"/b/data"}
    assert name_roots([b"/b/data", b"/a/data"], first) == {"data-2": b"/b/data", "data": b"/a/data"}


@given(st.lists(PATHS, unique=True), st.lists(PATHS, unique=True))
def test_every_path_has_one_name_for_good(first: list[bytes], second: list[bytes]) -> None:
    before = name_roots(first, {})
    after = name_roots(second, before)
    assert sorted(before.values()) == sorted(first)
    assert sorted(after.values()) == sorted(second)
    assert all(before.get(name, path) == path for name, path in after.items())


def test_the_names_that_were_given_are_noted_losslessly(tmp_path: Path) -> None:
    known, roots = {"old": b"/old"}, {"data": b"/srv/\xff", "x": b"/srv/x"}
    (tmp_path / "roots.yaml").write_text(write_text(roots_note(known, roots)))
    assert place.known_roots(tmp_path) == known | roots


@pytest.mark.parametrize(
    ("root", "data", "pattern"),
    [
        (b"/srv", b"/var/f", None),
        (b"/srv", b"/srvx/f", None),
        (b"/srv", b"/srv/a/f", "/a/f/"),
        (b"/", b"/var/f", "/var/f/"),
        (b"/srv", b"/srv/[a] *?!#\\", r"/\[a\]\ \*\?\!\#\\/"),
    ],
)
def test_the_data_directory_is_kept_out_of_what_is_indexed(root: bytes, data: bytes, pattern: str | None) -> None:
    assert exclusion(root, data) == pattern


@pytest.mark.parametrize("root", [b"/var/f", b"/var/f/x"])
def test_the_data_directory_itself_is_not_indexed(root: bytes) -> None:
    with pytest.raises(ConfigurationError, match="lies in the data directory /var/f; choose another with --data"):
        exclusion(root, b"/var/f")


def test_fusion_is_given_one_key_by_its_hash() -> None:
    assert fusion_settings(a_plan(key="k")) == {
        "listen": {"host": "127.0.0.1", "port": 8102},
        "data": "/var/f/fusion",
        "views": {"default": {}},
        "keys": [{"name": "up", "hash": key_hash("k"), "scopes": ["push:*", "read:*", "operate", "metrics"]}],
    }
    assert key_hash("abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_open_fusion_has_no_key_and_listens_to_this_machine_only() -> None:
    settings = fusion_settings(a_plan(key=None))
    assert (settings["open"], "keys" in settings, settings["listen"]["host"]) == (True, False, "127.0.0.1")
    assert agent_settings(a_plan(key=None), {})["fusion"] == {"url": "http://127.0.0.1:8102"}


def test_the_agent_is_given_a_pipe_for_each_root() -> None:
    plan = a_plan({"data": b"/srv/data", "raw": b"/srv/\xff"})
    assert agent_settings(plan, {"data": "/f/"}) == {
        "id": "nas-1a2b3c",
        "data": "/var/f/agent",
        "listen": {"host": "127.0.0.1", "port": 8103},
        "fusion": {"url": "http://127.0.0.1:8102", "key_file": "/var/f/key"},
        "pipes": {
            "data": {"source": {"type": "fs", "path": "/srv/data", "exclude": ["/f/"]}, "root": "data"},
            "raw": {"source": {"type": "fs", "path": "/srv/\udcff"}, "root": "raw"},
        },
    }


def test_a_log_level_that_was_asked_for_reaches_both() -> None:
    plan = replace(a_plan(), log_level="debug")
    assert fusion_settings(plan)["log"] == agent_settings(plan, {})["log"] == {"level": "debug"}


def test_the_announcement_can_be_pasted_into_a_shell() -> None:
    text = announcement(a_plan({"my": b"/srv/my data", "raw": b"/x"}), "fustor")
    assert "Fustor answers at http://127.0.0.1:8102\n" in text
    assert "  fustor ls '/srv/my data'\n" in text
    assert "  fustor ls $'/srv/\\x0a\\xff\\x27'\n" in announcement(a_plan({"raw": b"/srv/\n\xff'"}), "fustor")


def test_a_typed_path_keeps_its_links_unless_dots_follow_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    monkeypatch.chdir(tmp_path)
    here = os.fsencode(tmp_path)
    assert place.absolute(b"link/") == here + b"/link"
    assert place.absolute(b"./a//b") == here + b"/a/b"
    assert place.absolute(b"link/..") == os.path.realpath(here) + b"/a"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        yield holder.getsockname()[1]


def test_a_port_that_is_in_use_is_refused_and_skipped(taken_port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"^port {taken_port} is in use; choose another with --port$"):
        place.check_port(taken_port)
    assert place.free_port_after(taken_port - 1) != taken_port
    assert place.free_port_after(65535) > 0


def test_the_data_directory_is_for_one_alone(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    with place.locked(data), pytest.raises(ConfigurationError, match=f"^{data}: another `fustor up` works on it; "), place.locked(data):
        pass
    assert data.stat().st_mode & 0o777 == 0o700
    with place.locked(data):
        pass


def test_what_is_done_under_the_lock_fails_in_words_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError, match="the terminal is not read"), place.locked(tmp_path):
        raise BlockingIOError("the terminal is not read")


def test_key_and_id_are_made_once_and_the_key_is_private(tmp_path: Path) -> None:
    assert place.key(tmp_path) == place.key(tmp_path)
    assert len(place.key(tmp_path)) >= 43
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert place.agent_id(tmp_path) == place.agent_id(tmp_path)
    assert re.fullmatch("[a-z][a-z0-9_-]*-[0-9a-f]{6}", place.agent_id(tmp_path))
    assert place.agent_id(tmp_path / "other") != place.agent_id(tmp_path)


def test_an_empty_key_is_not_taken_for_a_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}/key: is empty; remove it, and it is made anew$"):
        place.key(tmp_path)


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert outcome(fustor, ["up", *arguments], name="fustor") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_what_cannot_be_indexed_is_refused_before_anything_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    data = ["--data", str(tmp_path / "data")]
    assert complaint([f"{tmp_path}/none", *data], capsys) == f"fustor: {tmp_path}/none: no such directory; name one that exists\n"
    assert complaint([f"{tmp_path}/file", *data], capsys) == f"fustor: {tmp_path}/file: is no directory; name the directory that holds it\n"
    assert complaint([f"{tmp_path}", f"{tmp_path}/.", *data], capsys) == f"fustor: {tmp_path}: is given twice; name it once\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert "closed: cannot be read: Permission denied; " in complaint([f"{tmp_path}/closed"], capsys)


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path: Path, taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tree").mkdir()
    message = complaint([f"{tmp_path}/tree", "--data", f"{tmp_path}/data", "--port", str(taken_port)], capsys)
    assert message == f"fustor: port {taken_port} is in use; choose another with --port\n"
    assert not (tmp_path / "data" / "fusion.yaml").exists()


def test_a_second_up_on_the_same_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tree").mkdir()
    with place.locked(tmp_path / "data"):
        message = complaint([f"{tmp_path}/tree", "--data", f"{tmp_path}/data"], capsys)
    assert message.startswith(f"fustor: {tmp_path}/data: another `fustor up` works on it; ")


def test_help_says_where_the_index_is_kept() -> None:
    assert "~/.local/share/fustor" in CliRunner().invoke(fustor, ["up", "--help"]).output
