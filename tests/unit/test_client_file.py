"""The client file is whole, private, and understood or refused."""

from pathlib import Path

import pytest

from fustor_core.client_file import ClientFile, client_file_path, read_client_file, write_client_file
from fustor_core.errors import ConfigurationError
from fustor_core.files import make_private_directory, read_if_there, write_private
from fustor_core.xdg import xdg_directory


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.config/fustor/client.yaml"),
        ({"HOME": "/home/ann", "XDG_CONFIG_HOME": "/etc/xdg"}, "/etc/xdg/fustor/client.yaml"),
        ({"HOME": "/home/ann", "XDG_CONFIG_HOME": "relative"}, "/home/ann/.config/fustor/client.yaml"),
        ({"HOME": "/home/ann", "XDG_CONFIG_HOME": ""}, "/home/ann/.config/fustor/client.yaml"),
    ],
)
def test_it_lies_where_settings_of_users_lie(environ: dict[str, str], path: str) -> None:
    assert client_file_path(environ) == Path(path)


def test_without_a_home_in_the_environment_the_system_knows_it() -> None:
    assert xdg_directory({}, "XDG_DATA_HOME", ".local/share") == Path.home() / ".local/share/fustor"


@pytest.mark.parametrize("client", [ClientFile("http://127.0.0.1:8102", "s3cret"), ClientFile("http://127.0.0.1:8102")])
def test_what_was_written_is_read(tmp_path: Path, client: ClientFile) -> None:
    file = tmp_path / "new" / "fustor" / "client.yaml"
    write_client_file(file, client)
    assert read_client_file(file) == client
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.parent.iterdir()] == ["client.yaml"]


def test_the_key_is_not_shown() -> None:
    assert "s3cret" not in repr(ClientFile("http://h", "s3cret"))


def test_no_file_is_no_error(tmp_path: Path) -> None:
    assert read_client_file(tmp_path / "client.yaml") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- x", "holds a list where a mapping belongs; write it as `key: value` lines"),
        ("key: k", '"url" is missing; add it, or remove the file and start `fustor up` again'),
        ("url: 3", '"url" should be text; put it in quotes'),
        ("url: http://h\nkey: [s3cret]", '"key" should be text; put it in quotes'),
        ("url: http://h\nport: 3", 'unknown key "port"; the file holds url and key'),
        ("url: [", "line 1, column 7: expected the node content, but found '<stream end>'; correct the YAML there"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "client.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_client_file(file)
    assert str(refused.value) == f"{file}: {message}"


def test_a_private_file_replaces_the_one_before_it_with_its_own_mode(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o600)


def test_what_cannot_be_written_or_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff")
    (tmp_path / "directory").mkdir()
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}/file/x: cannot be used as a directory: "):
        make_private_directory(tmp_path / "file" / "x")
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}/file: cannot be used as a directory: is no directory; name another$"):
        make_private_directory(tmp_path / "file")
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}/directory: cannot be written: Is a directory; "):
        write_private(tmp_path / "directory", "x")
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}/directory: cannot be read: Is a directory; "):
        read_if_there(tmp_path / "directory")
    with pytest.raises(ConfigurationError, match=f"^{tmp_path}/file: is not UTF-8 text; "):
        read_if_there(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "file"]
