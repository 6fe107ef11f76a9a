"""`fustor up`, and the questions that a person asks of it, compared with the tools that they would have used."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk import on_disk
from tests.e2e.system import Process, ask, free_port
from tests.polling import eventually


class Up:
    """One run of `fustor up` with a home of its own."""

    def __init__(self, home: Path, directory: Path) -> None:
        self.home = home
        self.directory = directory
        self.port = free_port()
        self.data = home / "data"
        self.environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "LC_ALL": "C"}
        self.process: Process | None = None

    def start(self) -> "Up":
        command = [sys.executable, "-m", "fustor_core.cli", "up", str(self.directory), "--port", str(self.port), "--data", str(self.data)]
        self.process = Process("up", command, self.home / "up.log")
        eventually(self._announced, within=40, what="up announces its address")
        return self

    def _announced(self) -> bool:
        assert "Fustor answers at" in self.log(), self.log()
        return True

    def log(self) -> str:
        assert self.process is not None
        return self.process.log.read_text()

    def run(self, *arguments: str | bytes, cwd: Path | None = None) -> bytes:
        """The output of a `fustor` command that ends well."""
        done = subprocess.run(
            [sys.executable, "-m", "fustor_core.cli", *arguments],
            capture_output=True,
            env=self.environment,
            cwd=cwd,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done.stdout

    def wait_complete(self) -> None:
        eventually(
            lambda: (
                b'"complete": true' in self.run("stat", "--json", str(self.directory))
                or b'"complete":true' in self.run("stat", "--json", str(self.directory))
            ),
            within=40,
        )


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Up]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    tree = tmp_path / "My Data"
    plant(tree)
    made = Up(tmp_path, tree)
    yield made
    if made.process is not None and made.process.alive:
        made.process.stop(signal.SIGTERM)


def plant(tree: Path) -> None:
    """A tree with everything that makes trees hard."""
    for number in range(120):
        directory = tree / f"d{number % 7}" / "deep er"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"file{number}.{'py' if number % 3 else 'txt'}").write_bytes(b"x" * number * 37)
    (tree / "empty").mkdir()
    os.symlink("nowhere", tree / "link")
    os.mkfifo(tree / "fifo")
    for name in (b"new\nline.py", b"tab\t.py", b"\xff\xfe.py", b"-n.py", b"x" * 251 + b".py"):
        with open(os.path.join(os.fsencode(tree), name), "wb") as file:
            file.write(name)
    os.utime(tree / "d1", ns=(0, 1_000_000_000_123_456_789))
    os.chmod(tree / "d2", 0o2751)


def lines(output: bytes, separator: bytes = b"\n") -> list[bytes]:
    return sorted(output.split(separator))


def gnu(*command: str | bytes, cwd: Path | None = None) -> bytes:
    return subprocess.run(command, capture_output=True, check=True, cwd=cwd, env={**os.environ, "LC_ALL": "C"}).stdout


def test_what_a_person_asks_is_what_the_disk_says(up: Up) -> None:
    up.start()
    up.wait_complete()
    tree = str(up.directory)
    for arguments in (
        ("-type", "f", "-name", "*.py", "-print0"),
        ("-print0",),
        ("-maxdepth", "1", "-print0"),
        ("-mindepth", "2", "-type", "d", "-print0"),
        ("-size", "+3k", "-print0"),
        ("-empty", "-print0"),
        ("-iname", "FILE1*", "-print0"),
        ("-path", "*deep er*", "-print0"),
        ("-mtime", "+1000", "-print0"),
        ("-mmin", "-600", "-print0"),
        ("-newermt", "2020-01-01", "-print0"),
    ):
        assert lines(up.run("find", tree, *arguments), b"\0") == lines(gnu("find", tree, "-xdev", *arguments), b"\0"), arguments
    form = "%p|%s|%y|%m|%n|%i|%U|%G|%T@|%C@|%b|%d|%f|%h|%P\\0"
    assert lines(up.run("find", tree, "-printf", form), b"\0") == lines(gnu("find", tree, "-printf", form), b"\0")
    sizes = sum(map(int, gnu("find", tree, "-xdev", "-type", "f", "-printf", "%s\n").split()))
    assert up.run("du", "-s", tree) == b"%d\t%s\n" % (sizes, os.fsencode(tree))
    assert lines(up.run("ls", tree)) == lines(gnu("ls", tree))
    form = "%n|%s|%b|%f|%a|%A|%u|%g|%h|%i|%Y|%Z|%F"
    for name in ("d1", "d2", "link", "fifo", "d3/deep er/file3.txt"):
        assert up.run("stat", "--format", form, f"{tree}/{name}") == gnu("stat", "--format", form, f"{tree}/{name}")


def test_paths_are_printed_as_they_were_typed(up: Up) -> None:
    up.start()
    up.wait_complete()
    for start in (".", "d1", "./d1", "../My Data/d1", str(up.directory / "d1")):
        assert lines(up.run("find", start, cwd=up.directory)) == lines(gnu("find", start, cwd=up.directory)), start
    inside = up.run("find", "/my-data/d1", "-type", "f")
    assert all(line.startswith(b"/my-data/d1/") for line in inside.split(b"\n") if line)


def test_ctrl_c_is_clean_and_a_second_run_answers_from_what_it_has(up: Up) -> None:
    up.start()
    up.wait_complete()
    assert "live" in up.run("status").decode()
    assert up.process is not None
    assert up.process.stop(signal.SIGINT) == 0
    for word in ("STOPPING", "DRAINING", "STOPPED"):
        assert word in up.log()
    assert "Traceback" not in up.log()
    assert (up.data / "key").stat().st_mode & 0o777 == 0o600
    (up.directory / "made meanwhile.py").write_bytes(b"x")
    up.start()
    eventually(lambda: b"made meanwhile.py" in up.run("ls", str(up.directory)))
    assert up.process.stop(signal.SIGTERM) == 0


def test_the_api_needs_the_key_and_the_right_host(up: Up) -> None:
    up.start()
    with pytest.raises(OSError, match="401"):
        ask("GET", up.port, "/v1/views", {})
    key = (up.data / "key").read_text().strip()
    assert ask("GET", up.port, "/v1/views", {"Authorization": f"Bearer {key}"})["data"]
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        with pytest.raises(OSError, match="403"):
            ask("GET", up.port, "/v1/views", {"Authorization": f"Bearer {key}", **headers})


def test_the_whole_view_is_the_disk(up: Up) -> None:
    up.start()
    up.wait_complete()
    found = up.run("find", str(up.directory), "-printf", "%P\\0").split(b"\0")[:-1]
    assert sorted(found) == sorted(on_disk(os.fsencode(up.directory)))
