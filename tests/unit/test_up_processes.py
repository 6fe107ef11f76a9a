"""`fustor up` starts its processes one after the other, ends them in the opposite order, and tells how that went."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fustor_core.errors import Unreachable
from fustor_core.up.processes import Part, run_parts

# Stands in for a side: writes what happens to it to a shared file, answers /livez, ends at SIGTERM with the code that it was given.
STAND_IN = """
import http.server, os, signal, sys, threading
name, port, journal, code, deaf = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5] == "deaf"
def note(word):
    with open(journal, "a") as file:
        file.write(f"{name} {word}\\n")
class Livez(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
def end(*_):
    note("told")
    if not deaf:
        note("ended")
        os._exit(code)
signal.signal(signal.SIGTERM, end)
with open(f"{journal}.{name}", "w") as file:
    file.write(str(os.getpid()))
note("started")
server = http.server.HTTPServer(("127.0.0.1", port), Livez)
server.serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Run:
    """One run of the parts, with what was said and what happened."""

    def __init__(self, directory: Path) -> None:
        self.journal = directory / "journal"
        self.journal.touch()
        self.said: list[str] = []
        self.lock = os.open(directory, os.O_RDONLY)

    def part(self, name: str, code: int = 0, *, deaf: bool = False) -> Part:
        port = free_port()
        arguments = (name, str(port), str(self.journal), str(code), "deaf" if deaf else "hears")
        return Part(name, (sys.executable, "-c", STAND_IN, *arguments), port)

    def script(self, name: str, code: str) -> Part:
        return Part(name, (sys.executable, "-c", code), free_port())

    async def code(self, *parts: Part, when_ready: Callable[[], None], within: float = 60) -> int:
        try:
            return await run_parts(parts, lock=self.lock, on_ready=when_ready, say=self.said.append, ready_within=within)
        finally:
            os.close(self.lock)

    def pid(self, name: str) -> int:
        return int(Path(f"{self.journal}.{name}").read_text())

    def happened(self) -> list[str]:
        return self.journal.read_text().splitlines()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def never() -> None:
    raise AssertionError("it was never ready")


async def test_they_start_in_order_and_end_in_the_opposite_order(run: Run) -> None:
    assert await run.code(run.part("fusion"), run.part("agent"), when_ready=interrupt) == 0
    assert run.happened() == ["fusion started", "agent started", "agent told", "agent ended", "fusion told", "fusion ended"]


async def test_ctrl_c_in_the_terminal_does_not_reach_them(run: Run) -> None:
    groups: list[int] = []

    def look() -> None:
        groups.extend(os.getpgid(run.pid(name)) for name in ("fusion", "agent"))
        interrupt()

    assert await run.code(run.part("fusion"), run.part("agent"), when_ready=look) == 0
    assert groups == [run.pid("fusion"), run.pid("agent")]


@pytest.mark.parametrize(("fusion", "agent", "code"), [(0, 3, 3), (4, 0, 4), (4, 3, 4)])
async def test_the_exit_code_is_that_of_the_one_that_did_not_end_well(run: Run, fusion: int, agent: int, code: int) -> None:
    assert await run.code(run.part("fusion", fusion), run.part("agent", agent), when_ready=interrupt) == code


async def test_a_second_signal_kills_at_once(run: Run) -> None:
    def interrupt_twice() -> None:
        interrupt()
        asyncio.get_running_loop().call_later(0.2, interrupt)

    assert await run.code(run.part("fusion"), run.part("agent", deaf=True), when_ready=interrupt_twice) == 130
    assert run.happened() == ["fusion started", "agent started", "agent told"]


async def test_one_that_fails_at_start_has_the_last_word(run: Run) -> None:
    failing = run.script("agent", "raise SystemExit(2)")
    assert await run.code(run.part("fusion"), failing, when_ready=never) == 2
    assert run.happened() == ["fusion started", "fusion told", "fusion ended"]
    assert run.said == []


async def test_when_the_first_fails_the_second_is_not_started(run: Run) -> None:
    assert await run.code(run.script("fusion", "raise SystemExit(2)"), run.part("agent"), when_ready=never) == 2
    assert run.happened() == []


async def test_one_that_ends_without_reason_at_start_is_no_success(run: Run) -> None:
    assert await run.code(run.script("fusion", ""), when_ready=never) == 1


async def test_one_that_dies_later_is_named_and_the_other_stopped(run: Run) -> None:
    def kill_agent() -> None:
        os.kill(run.pid("agent"), signal.SIGKILL)

    assert await run.code(run.part("fusion"), run.part("agent"), when_ready=kill_agent) == 1
    assert run.said == ["agent ended with exit code 137; stopping the rest"]
    assert run.happened()[-2:] == ["fusion told", "fusion ended"]


async def test_a_signal_while_they_start_stops_what_runs(run: Run) -> None:
    slow = run.script("agent", "import time; time.sleep(600)")
    asyncio.get_running_loop().call_later(1.5, interrupt)
    assert await run.code(run.part("fusion"), slow, when_ready=never) == 0
    assert run.happened() == ["fusion started", "fusion told", "fusion ended"]


async def test_one_that_never_gets_ready_is_given_up(run: Run) -> None:
    with pytest.raises(Unreachable, match=r"^fusion does not answer on port \d+ after 0\.3 s; see what it says above$"):
        await run.code(run.script("fusion", "import time; time.sleep(600)"), when_ready=never, within=0.3)


CHILD = """
import os, sys, time
from fustor_core.up.child import end_with_parent
end_with_parent(int(sys.argv[1]))
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = "import os, subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1], str(os.getpid())]).wait()"


def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        process.kill()
        # The pipe ends when the last process that holds it has ended.
        assert process.stdout.read() == b""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline
