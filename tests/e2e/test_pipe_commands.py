"""`fustor pipe` against real processes: what it prints, and what it ends with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.system import KEY, System
from tests.polling import eventually


@pytest.fixture
def live(system: System) -> System:
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    return system


def pipe(system: System, *arguments: str, key: str = KEY) -> tuple[int, str, str]:
    """Run `fustor pipe …`: exit code, output, errors."""
    environment = {**os.environ, "FUSTOR_URL": system.url, "FUSTOR_KEY": key, "HOME": str(Path(system.directory))}
    command = [sys.executable, "-m", "fustor_core.cli", "pipe", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


def test_pipes_are_listed_shown_and_their_history_told(live: System) -> None:
    code, out, _ = pipe(live, "list")
    assert code == 0
    header, *rows = out.splitlines()
    assert header.split() == ["PIPE", "DOES", "STATE", "HEALTH", "SHOULD", "BE", "SINCE"]
    assert [row.split()[0] for row in rows] == ["fusion:default", live.pipe]
    assert "RUNNING | MESSAGE_SYNC" in rows[1]
    code, out, _ = pipe(live, "show", live.pipe)
    assert code == 0
    assert "lifecycle Active, operation Running, health Healthy" in out
    code, out, _ = pipe(live, "history", live.pipe)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["VERSION", "0", "1", "2", "3", "4"]
    assert "TASK_COMPLETE,TASK_START" in out
    code, out, _ = pipe(live, "history", live.pipe, "--last", "1", "--json")
    assert [row["pipe_state"] for row in json.loads(out)["data"]] == ["RUNNING | MESSAGE_SYNC"]


def test_a_pipe_is_steered_from_a_shell(live: System) -> None:
    code, out, _ = pipe(live, "pause", live.pipe)
    assert (code, out.split(" (")[0]) == (0, f"{live.pipe}  should be paused")
    eventually(lambda: live.state() == "PAUSED")
    code, out, _ = pipe(live, "list")
    assert "paused: held by operator" in out
    assert pipe(live, "resume", live.pipe)[0] == 0
    assert pipe(live, "halt", "--all", "--reason", "smoke")[0] == 0
    eventually(lambda: live.state() == "ERROR")
    eventually(lambda: "halted: smoke" in pipe(live, "list")[1])
    code, out, errors = pipe(live, "start", live.pipe)
    assert (code, out) == (4, "")
    assert "start after_halt" in errors
    code, out, _ = pipe(live, "start", live.pipe, "--after-halt", "--json")
    assert (code, json.loads(out)["data"]["desired"]) == (0, "running")
    eventually(lambda: live.state() == "RUNNING | MESSAGE_SYNC")


def test_what_cannot_be_says_so_and_ends_with_its_code(live: System) -> None:
    assert pipe(live, "show", "nobody:nothing")[0] == 1
    assert pipe(live, "pause", "nobody:nothing")[0] == 1
    assert pipe(live, "stop", "fusion:default")[0] == 4
    assert pipe(live, "pause")[0] == 2
    assert pipe(live, "pause", live.pipe, "--all")[0] == 2
    assert pipe(live, "halt", live.pipe)[0] == 2
    assert live.agent is not None
    live.agent.kill()
    eventually(lambda: pipe(live, "pause", live.pipe)[0] == 3)
    assert f"agent {live.agent_id}" in pipe(live, "pause", live.pipe)[2]
