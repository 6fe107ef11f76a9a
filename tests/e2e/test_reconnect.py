"""How a lost, stopping or refusing fusion is dealt with, and how everything ends when it is told to: real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import KEY_HASH, Problem, Process, System, free_port
from tests.polling import eventually

MESSAGE = "RUNNING | MESSAGE_SYNC"


@pytest.fixture
def live(system: System) -> System:
    (system.root / "before").write_bytes(b"x")
    system.start()
    system.wait_equal()
    eventually(lambda: system.state() == MESSAGE)
    return system


def at_the_agent(system: System) -> Any:  # JSON
    return system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port)["data"]


def text_of(process: Process | None) -> str:
    assert process is not None
    return process.log.read_text()


def test_a_fusion_that_stops_says_so_and_nothing_is_lost(live: System) -> None:
    assert live.fusion is not None
    writes = threading.Event()

    def write() -> None:
        number = 0
        while not writes.is_set():
            (live.root / f"f{number}").write_bytes(b"x" * (number % 100))
            number += 1
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            assert live.fusion.stop(signal.SIGTERM) == 0
            said = eventually(lambda: at_the_agent(live)["conditions"], within=10)
            assert said[0]["type"] == "disconnected"
            live.start_fusion()
            eventually(lambda: live.state() == MESSAGE, within=30)
    finally:
        writes.set()
        writer.join()
    live.wait_equal()
    lost = [line["message"] for line in live.agent.log_lines() if line["message"].startswith("session lost")] if live.agent else []
    assert lost == [f"session lost: fusion at {live.url} goes away: fusion is stopping"] * 3
    assert "Traceback" not in text_of(live.agent) + text_of(live.fusion)


def start_fusion_with(system: System, key: dict[str, Any]) -> None:
    assert system.fusion is not None
    system.fusion.stop()
    system.fusion_extra = {"keys": [key]}
    system.start_fusion()


@pytest.mark.parametrize(("scopes", "says"), [(None, "does not know this agent's key"), (["push:other"], "may not push to root data")])
def test_what_fusion_refuses_is_shown_and_taken_up_when_fusion_is_put_right(system: System, scopes: list[str] | None, says: str) -> None:
    right = {"name": "test", "hash": KEY_HASH, "scopes": ["push:*", "read:*", "operate", "metrics"]}
    wrong = {**right, "hash": "sha256:" + "0" * 64} if scopes is None else {**right, "scopes": [*scopes, "read:*", "operate"]}
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_equal()
    start_fusion_with(system, wrong)
    pipe = eventually(lambda: (data := at_the_agent(system))["pipe_state"] == "ERROR" and data, within=20)
    [condition] = pipe["conditions"]
    assert condition["type"] == "refused"
    assert says in condition["message"]
    (system.root / "made meanwhile").write_bytes(b"y")
    version = pipe["version"]
    for _ in range(50):
        assert at_the_agent(system)["version"] == version, "it is not asked again and again"
        time.sleep(0.02)
    assert system.agent is not None
    assert system.agent.alive
    start_fusion_with(system, right)
    system.wait_complete()
    eventually(lambda: at_the_agent(system)["pipe_state"] == MESSAGE)
    assert at_the_agent(system)["conditions"] == []
    system.wait_equal()


@pytest.mark.parametrize("timeout", [1, 60], ids=["in vain", "until the session breaks"])
def test_a_drain_takes_no_longer_than_it_may(live: System, timeout: int) -> None:
    assert live.agent is not None
    assert live.fusion is not None
    live.agent.stop()
    live.agent_extra = {"drain": {"timeout": timeout}}
    live.start_agent()
    eventually(lambda: live.state() == MESSAGE, within=20)
    live.fusion.send(signal.SIGSTOP)
    (live.root / "cannot be delivered").write_bytes(b"x")
    began = time.monotonic()
    assert live.agent.stop(signal.SIGTERM, within=40) == 0
    assert time.monotonic() - began < 15
    assert "not everything could be delivered in time" in text_of(live.agent)
    assert "Traceback" not in text_of(live.agent)
    live.fusion.send(signal.SIGCONT)
    live.start_agent()
    live.wait_equal(within=30)


def test_a_second_signal_ends_fusion_at_once_while_it_waits_for_its_last_answers(live: System) -> None:
    assert live.agent is not None
    assert live.fusion is not None
    live.agent.send(signal.SIGSTOP)
    (live.root / "not looked at").write_bytes(b"x")
    failed: list[Exception] = []

    def ask_in_vain() -> None:
        try:
            live.post("refresh", live.mount(), recursive="true")
        except (Problem, OSError) as error:
            failed.append(error)

    asker = threading.Thread(target=ask_in_vain)
    asker.start()
    live.fusion.send(signal.SIGINT)
    eventually(lambda: '"stopping: SIGINT"' in text_of(live.fusion))
    live.fusion.send(signal.SIGINT)
    code = live.fusion.stop(signal.SIGINT, within=5)
    asker.join(20)
    assert not asker.is_alive()
    assert code in (0, 1)  # it may have been done before the second came
    assert "Traceback" not in text_of(live.fusion)


def test_a_second_signal_ends_up_and_both_its_children(tmp_path: Path) -> None:
    tree, port = tmp_path / "tree", free_port()
    tree.mkdir()
    (tree / "f").write_bytes(b"x")
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "FUSTOR_AGENT__DRAIN__TIMEOUT": "60"}
    command = [sys.executable, "-m", "fustor_core.cli", "up", str(tree), "--port", str(port), "--data", str(tmp_path / "data")]
    with (tmp_path / "log").open("wb") as log:
        up = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    said = tmp_path / "log"
    children: list[int] = []
    try:
        eventually(lambda: "MESSAGE_SYNC" in said.read_text(), within=60)
        children = [int(word) for word in Path(f"/proc/{up.pid}/task/{up.pid}/children").read_text().split()]
        assert len(children) == 2
        os.kill(children[0], signal.SIGSTOP)
        (tree / "cannot be delivered").write_bytes(b"x")
        up.send_signal(signal.SIGINT)
        eventually(lambda: "DRAINING" in said.read_text(), within=20)
        began = time.monotonic()
        up.send_signal(signal.SIGINT)
        assert up.wait(20) == 130
        assert time.monotonic() - began < 5
        eventually(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
        assert "Traceback" not in said.read_text()
    finally:
        for child in [*children, up.pid]:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        up.wait(10)
