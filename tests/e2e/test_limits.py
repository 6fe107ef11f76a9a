"""The kernel's own limits: where it drops events or refuses watches, answers stay right, and say what is the matter."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fustor_core.times import parse_instant
from tests.e2e.system import System
from tests.e2e.test_steering import act, wait_state
from tests.e2e.witness import CLOCKS
from tests.polling import eventually

QUEUE = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
FEW = 40
NAMESPACE = ("unshare", "--user", "--map-root-user", "sh", "-c", f'echo {FEW} > /proc/sys/user/max_inotify_watches; exec "$@"', "sh")
"""The agent in a user namespace of its own, in which only few watches are allowed."""


def namespaces_work() -> bool:
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def conditions(system: System) -> dict[str, str]:
    """What the agent's pipe says is not as it should be: types and remedies."""
    pipe = system.get(f"/v1/pipes/{system.pipe}")["data"]
    return {each["type"]: each["remedy"] for each in pipe["conditions"]}


def doubts(system: System) -> set[str]:
    """Why the view of the root is not complete."""
    meta = system.meta()
    found = {each["type"] for each in meta["conditions"]}
    assert meta["complete"] == (not found)
    return found


@pytest.mark.skipif(QUEUE > 100_000, reason="the queue of events is too long to be filled in a test")
def test_events_that_are_dropped(system: System) -> None:
    for number in range(20):
        (system.root / f"d{number}").mkdir()
    system.start()
    system.wait_complete()
    # A pipe that is held notices and reads nothing: so what is the matter stays to be seen, until it goes on.
    act(system, "pause")
    wait_state(system, "PAUSED")
    assert system.agent is not None
    system.agent.send(signal.SIGSTOP)
    for number in range(max(20_000, QUEUE + 4_000)):
        (system.root / f"d{number % 20}" / f"f{number}").touch()
    for number in range(10):
        os.rename(system.root / f"d{number}", system.root / f"moved{number}")
    system.agent.send(signal.SIGCONT)
    remedy = eventually(lambda: conditions(system).get("events-overflowed"), within=30)
    assert remedy is not None
    assert "sysctl fs.inotify.max_queued_events=" in remedy
    eventually(lambda: "pending" in doubts(system), within=30)
    for _ in range(20):
        assert "pending" in doubts(system)
    act(system, "resume")
    system.wait_equal(within=40)
    system.wait_complete()
    eventually(lambda: "events-overflowed" not in conditions(system), within=20)


@pytest.mark.skipif(not namespaces_work(), reason="needs user namespaces")
def test_watches_that_are_refused(make_system: Callable[..., System]) -> None:
    system = make_system(wrapper=NAMESPACE)
    for number in range(2 * FEW):
        (system.root / f"d{number}" / "below").mkdir(parents=True)
        (system.root / f"d{number}" / "file").write_bytes(b"x")
    system.start()
    system.wait_equal(within=20)
    remedy = eventually(lambda: conditions(system).get("directories-unwatched"), within=20)
    assert remedy is not None
    assert remedy.startswith("sysctl fs.inotify.max_user_watches=")
    assert system.agent is not None
    subprocess.run(
        ["nsenter", "-t", str(system.agent.pid), "-U", "sh", "-c", "echo 100000 > /proc/sys/user/max_inotify_watches"], check=True
    )
    for number in range(2 * FEW):
        (system.root / f"d{number}" / "below" / "new").write_bytes(b"y")
    finished = divmod(time.time_ns() + CLOCKS, 10**9)

    lies: list[Any] = []

    def all_seen() -> bool:
        answers = [system.query("list", system.mount(f"d{number}/below".encode())) for number in range(2 * FEW)]
        # Kept, because an error in here is only waited out.
        lies.extend(answer for answer in answers if not answer["data"] and parse_instant(answer["meta"]["as_of"]) >= finished)
        return all(answer["data"] for answer in answers)

    # What is not watched is listed every 30 s, which also tries again to watch it.
    eventually(all_seen, within=60)
    assert not lies, "it claims to know of what no event told"
    system.wait_equal(within=20)
    eventually(lambda: "directories-unwatched" not in conditions(system), within=20)
    for number in range(2 * FEW):
        (system.root / f"d{number}" / "below" / "new").write_bytes(b"watched again")
    system.wait_equal(within=10)
