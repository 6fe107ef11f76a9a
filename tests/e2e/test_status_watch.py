"""`fustor status --watch` in a real terminal, while a pipe goes through its life."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pexpect
import pytest

from tests.e2e.system import KEY, System
from tests.polling import eventually


@contextmanager
def watching(system: System) -> Iterator["pexpect.spawn[str]"]:
    environment = {**os.environ, "FUSTOR_URL": system.url, "FUSTOR_KEY": KEY, "TERM": "xterm-256color", "COLUMNS": "160"}
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "fustor_core.cli", "status", "--watch"],
        env=environment,
        encoding="utf-8",
        dimensions=(30, 160),
        timeout=20,
    )
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def act(system: System, verb: str) -> None:
    urlopen(Request(f"{system.url}/v1/pipes/{system.pipe}/{verb}", method="POST", headers={"Authorization": f"Bearer {KEY}"})).close()


def shows(terminal: "pexpect.spawn[str]", system: System, word: str) -> None:
    """The line of the pipe has the word; colours may stand between them."""
    terminal.expect(re.escape(system.pipe) + r"[^\r\n]*?" + word)


def test_a_pipe_is_watched_through_its_life(system: System) -> None:
    # A snapshot that is over at once would never be seen.
    system.module = "tests.e2e.shim"
    system.environment["fusion"] = {"FUSTOR_SHIM_COMMIT": "0.7"}
    for number in range(3000):
        directory = system.root / f"d{number % 300}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}").write_bytes(b"x")
    system.start_fusion()
    with watching(system) as terminal:
        terminal.expect("fusion:default")
        system.start_agent()
        shows(terminal, system, "snapshot")
        shows(terminal, system, "live")
        act(system, "pause")
        shows(terminal, system, "paused")
        act(system, "resume")
        shows(terminal, system, "live")
        # This time it is known how much there is.
        act(system, "snapshot")
        shows(terminal, system, r"snapshot [0-9]+ %")
        shows(terminal, system, "live")
        moved = system.root.with_name("moved away")
        system.root.rename(moved)
        shows(terminal, system, "reconnecting")
        moved.rename(system.root)
        shows(terminal, system, "live")
        assert system.agent is not None
        system.agent.send(signal.SIGSTOP)
        shows(terminal, system, "unknown")
        system.agent.send(signal.SIGCONT)
        shows(terminal, system, "live")
        assert system.fusion is not None
        system.fusion.kill()
        terminal.expect("no answer: ")
        system.start_fusion()
        shows(terminal, system, "live")
        act(system, "stop")
        shows(terminal, system, "stopped")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 0
        assert "Traceback" not in (terminal.before or "")
        # The cursor that a live table hides is shown again.
        assert "\x1b[?25h" in (terminal.before or "")


def test_nobody_there_ends_it_with_its_code(system: System) -> None:
    with watching(system) as terminal:
        terminal.expect("cannot reach fusion")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 3


@pytest.mark.parametrize("arguments", [("--watch", "--json"), ("--watch",)])
def test_away_from_a_terminal_it_prints_what_changes(system: System, arguments: tuple[str, ...]) -> None:
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    eventually(lambda: system.state() == "RUNNING | MESSAGE_SYNC")
    command = f"exec {sys.executable} -m fustor_core.cli status {' '.join(arguments)} | cat"
    environment = {**os.environ, "FUSTOR_URL": system.url, "FUSTOR_KEY": KEY}
    child = pexpect.spawn("/bin/sh", ["-c", command], env=environment, encoding="utf-8", timeout=20)
    try:
        child.expect(re.escape(system.pipe))
        act(system, "pause")
        child.expect("paused")
    finally:
        child.close(force=True)
