"""Whatever an operator gets wrong is one line that says what to do, with the exit code of who must act."""

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.e2e.system import KEY_HASH, System, free_port


def fustor(*arguments: str, environment: Mapping[str, str] | None = None, home: Path | None = None) -> tuple[int, str, str]:
    """Run a command to its end: exit code, output, errors."""
    variables = {
        **os.environ,
        **({"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)} if home else {}),
        **(environment or {}),
    }
    command = [sys.executable, "-m", "fustor_core.cli", *arguments]
    done = subprocess.run(command, capture_output=True, env=variables, timeout=60, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def the_error(errors: str) -> str:
    """The one line that is an error; a traceback is none."""
    assert "Traceback" not in errors, errors
    lines = [line for line in errors.splitlines() if line.startswith("fustor:")]
    assert len(lines) == 1, errors
    return lines[0]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, dict[str, object]]:
    """Settings that work."""
    (tmp_path / "root").mkdir()
    key = {"name": "k", "hash": KEY_HASH, "scopes": ["*"]}
    return {
        "fusion": {"data": str(tmp_path / "fusion"), "listen": {"port": free_port()}, "keys": [key]},
        "agent": {
            "id": "nas",
            "data": str(tmp_path / "agent"),
            "listen": {"port": free_port()},
            "fusion": {"url": f"http://127.0.0.1:{free_port()}", "key": "k"},
            "pipes": {"p": {"root": "p", "source": {"path": str(tmp_path / "root")}}},
        },
    }


def run_side(tmp_path: Path, side: str, settings: object, verb: str = "run", **environment: str) -> tuple[int, str]:
    """Run a side that cannot start; its exit code and its error."""
    file = tmp_path / "settings.yaml"
    file.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
    code, _, errors = fustor(side, verb, "--config", str(file), environment=environment)
    return code, the_error(errors)


@pytest.mark.parametrize("side", ["agent", "fusion"])
def test_an_unknown_key_in_the_file(tmp_path: Path, settings: dict[str, dict[str, object]], side: str) -> None:
    code, error = run_side(tmp_path, side, {**settings[side], "listenn": {"port": 1}})
    assert code == 2
    assert "listenn" in error
    assert "listen" in error.replace("listenn", "")


@pytest.mark.parametrize("side", ["agent", "fusion"])
def test_an_unknown_key_in_the_environment(tmp_path: Path, settings: dict[str, dict[str, object]], side: str) -> None:
    variable = f"FUSTOR_{side.upper()}__LISTEN__PROT"
    code, error = run_side(tmp_path, side, settings[side], **{variable: "1"})
    assert code == 2
    assert variable in error


@pytest.mark.parametrize("side", ["agent", "fusion"])
@pytest.mark.parametrize("text", ["a: [", "- a", "just words", "id: 3\nid: 4"])
def test_a_file_that_is_no_mapping(tmp_path: Path, side: str, text: str) -> None:
    assert run_side(tmp_path, side, text)[0] == 2


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_missing_root_and_one_that_is_a_file(tmp_path: Path, settings: dict[str, dict[str, object]], verb: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in ("missing", "file"):
        wrong = {**settings["agent"], "pipes": {"p": {"root": "p", "source": {"path": str(tmp_path / path)}}}}
        code, error = run_side(tmp_path, "agent", wrong, verb)
        assert code == 2
        assert str(tmp_path / path) in error


@pytest.mark.parametrize("side", ["agent", "fusion"])
def test_a_port_in_use(tmp_path: Path, settings: dict[str, dict[str, object]], side: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, error = run_side(tmp_path, side, {**settings[side], "listen": {"port": port}})
    assert code == 2
    assert str(port) in error


def test_no_keys_at_all(tmp_path: Path, settings: dict[str, dict[str, object]]) -> None:
    assert run_side(tmp_path, "fusion", {**settings["fusion"], "keys": []})[0] == 2


def test_open_on_a_network(tmp_path: Path, settings: dict[str, dict[str, object]]) -> None:
    wrong = {"data": settings["fusion"]["data"], "open": True, "listen": {"host": "0.0.0.0", "port": free_port()}}
    code, error = run_side(tmp_path, "fusion", wrong)
    assert code == 2
    assert "loopback" in error


def test_a_data_directory_of_a_newer_version(tmp_path: Path, settings: dict[str, dict[str, object]], system: System) -> None:
    database = kept_database(system)
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    code, error = run_side(tmp_path, "fusion", {**settings["fusion"], "data": str(system.directory / "fusion")})
    assert code == 2
    assert "999" in error
    assert str(database) in error


def test_a_corrupt_database_is_refused_and_kept(tmp_path: Path, settings: dict[str, dict[str, object]], system: System) -> None:
    database = kept_database(system)
    content = b"this is no database" + database.read_bytes()[19:]
    database.write_bytes(content)
    code, error = run_side(tmp_path, "fusion", {**settings["fusion"], "data": str(system.directory / "fusion")})
    assert code == 2
    assert str(database) in error
    assert database.read_bytes() == content


def test_a_damaged_store_is_set_aside_and_filled_anew(system: System) -> None:
    database = kept_database(system)
    database.write_bytes(b"this is no database")
    file = str(system.directory / "fusion.yaml")
    code, _, errors = fustor("fusion", "rebuild", "nonsense", "--config", file)
    assert code == 2
    assert "nonsense" in the_error(errors)
    code, output, _ = fustor("fusion", "rebuild", system.name, "--config", file)
    assert code == 0
    assert "set aside" in output
    aside = next(database.parent.glob("*.set-aside-*"))
    assert aside.read_bytes() == b"this is no database"
    system.start()
    assert the_error(fustor("fusion", "rebuild", "--config", file)[2])
    system.wait_complete()
    system.wait_equal()


def kept_database(system: System) -> Path:
    """The store of a root that was served, and is no longer."""
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    for process in (system.agent, system.fusion):
        assert process is not None
        process.stop()
    return next((system.directory / "fusion" / "roots").glob("*.db"))


def test_two_on_one_data_directory(tmp_path: Path, settings: dict[str, dict[str, object]], system: System) -> None:
    system.start()
    for side in ("fusion", "agent"):
        code, error = run_side(tmp_path, side, {**settings[side], "data": str(system.directory / side)})
        assert code == 2
        assert "another process" in error


def test_an_agent_with_a_wrong_key_or_url_says_so_and_ends(tmp_path: Path, settings: dict[str, dict[str, object]], system: System) -> None:
    system.start_fusion()
    wrong = {**settings["agent"], "fusion": {"url": system.url, "key": "wrong"}}
    code, error = run_side(tmp_path, "agent", wrong)
    assert code == 2
    assert "key" in error
    assert run_side(tmp_path, "agent", {**settings["agent"], "fusion": {"url": "localhost:8102"}})[0] == 2


@pytest.mark.parametrize("command", ["ls", "stat", "du", "find", "status"])
def test_a_query_where_nobody_answers_with_a_wrong_url_and_a_wrong_key(tmp_path: Path, command: str, system: System) -> None:
    path = [] if command == "status" else ["/"]
    code, _, errors = fustor(command, *path, "--url", f"http://127.0.0.1:{free_port()}", home=tmp_path)
    assert code == 3
    assert "reach" in the_error(errors)
    code, _, errors = fustor(command, *path, "--url", "not a url", home=tmp_path)
    assert code == 2
    the_error(errors)
    system.start_fusion()
    code, _, errors = fustor(command, *path, "--url", system.url, "--key", "wrong", home=tmp_path)
    assert code == 2
    assert "key" in the_error(errors)


@pytest.mark.parametrize(
    "arguments", [("ls", "--nonsense", "/"), ("nonsense",), ("find", "/", "-nonsense"), ("find", "/", "-exec", "rm", "{}", ";"), ("up",)]
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, _, errors = fustor(*arguments, home=tmp_path)
    assert code == 2
    assert "Traceback" not in errors


def test_up_refuses_what_cannot_be_indexed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in ("missing", "file"):
        code, _, errors = fustor("up", str(tmp_path / path), home=tmp_path)
        assert code == 2
        assert str(tmp_path / path) in the_error(errors)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, errors = fustor("up", str(tmp_path), "--port", port, "--data", str(tmp_path.parent / "updata"), home=tmp_path)
    assert code == 2
    assert port in the_error(errors)
