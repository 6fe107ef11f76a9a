"""Real faults of real processes: what stands still, breaks or goes missing is shown within two seconds, and is left behind."""

import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from fustor_core.times import parse_instant
from tests.e2e.system import KEY, System, ask
from tests.polling import eventually

MESSAGE = "RUNNING | MESSAGE_SYNC"
RECONNECTING = "RUNNING | RECONNECTING"
FAULTS = int(os.environ.get("FUSTOR_FAULTS", "0"))
"""FUSTOR_FAULTS=100 for the promise itself: so many times, within two seconds. A few, with more patience, are for every day."""
ROUNDS, WITHIN = FAULTS or 2, 2.0 if FAULTS else 10.0


@pytest.fixture
def live(system: System) -> System:
    for number in range(30):
        (system.root / f"f{number}").write_bytes(b"x" * number)
    system.start()
    system.wait_equal()
    eventually(lambda: system.state() == MESSAGE)
    return system


def at_the_agent(system: System) -> Any:  # JSON
    return system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port)["data"]


@pytest.mark.timeout(120 + 10 * ROUNDS)
def test_a_fusion_that_hangs_is_seen_and_forgiven_when_it_goes_on(live: System) -> None:
    assert live.fusion is not None
    for _ in range(ROUNDS):
        live.fusion.send(signal.SIGSTOP)
        stopped = time.time()
        pipe = eventually(lambda: (shown := at_the_agent(live))["pipe_state"] == RECONNECTING and shown)
        seconds, nanoseconds = parse_instant(pipe["since"])
        assert seconds + nanoseconds / 1e9 - stopped < WITHIN
        assert pipe["health"] == "Warning"
        assert [condition["type"] for condition in pipe["conditions"]] == ["fusion-silent"]
        live.fusion.send(signal.SIGCONT)
        eventually(lambda: at_the_agent(live)["pipe_state"] == MESSAGE)
        assert at_the_agent(live)["health"] == "Healthy"
    live.wait_equal()


def test_an_agent_that_hangs_is_shown_as_unknown(live: System) -> None:
    assert live.agent is not None
    live.agent.send(signal.SIGSTOP)
    pipe = eventually(lambda: (data := live.get(f"/v1/pipes/{live.pipe}")["data"])["pipe_state"] == "UNKNOWN" and data)
    assert (pipe["value"], pipe["lifecycle"], pipe["operational"], pipe["health"]) == (None, "UNKNOWN", "UNKNOWN", "UNKNOWN")
    assert pipe["since"] == pipe["last_heartbeat"]
    assert pipe["phase"] == ""
    live.agent.send(signal.SIGCONT)
    eventually(lambda: live.state() == MESSAGE)


def test_a_root_that_is_gone_is_a_fault_and_its_return_ends_it(live: System) -> None:
    moved = live.root.with_name("moved away")
    os.rename(live.root, moved)
    eventually(lambda: at_the_agent(live)["health"] == "Critical")
    pipe = at_the_agent(live)
    assert pipe["pipe_state"] == RECONNECTING
    assert [condition["type"] for condition in pipe["conditions"]] == ["root-gone"]
    os.rename(moved, live.root)
    eventually(lambda: at_the_agent(live)["pipe_state"] == MESSAGE)
    assert at_the_agent(live)["health"] == "Healthy"
    live.wait_equal()
    shutil.rmtree(live.root / "nothing", ignore_errors=True)


def test_retries_that_are_used_up_leave_the_agent_up_and_the_pipe_may_be_started_again(system: System) -> None:
    system.agent_extra = {"reconnect": {"first": 0.05, "most": 0.1, "attempts": 3}}
    system.start_agent()
    eventually(lambda: at_the_agent(system)["pipe_state"] == "ERROR")
    assert at_the_agent(system)["conditions"][0]["type"] == "refused"
    assert system.agent is not None
    assert system.agent.alive


def test_a_recovery_that_lasts_longer_than_its_deadline_gives_up_and_the_pipe_may_be_started_again(live: System) -> None:
    assert live.agent is not None
    live.agent.stop()
    live.agent_extra = {"deadlines": {"recovering": 1}}
    live.start_agent()
    eventually(lambda: live.get("/livez", port=live.agent_port) and at_the_agent(live)["pipe_state"] == MESSAGE)
    assert live.fusion is not None
    live.fusion.kill()
    eventually(lambda: at_the_agent(live)["pipe_state"] == "ERROR")
    assert at_the_agent(live)["conditions"][0]["message"] == "Recovering for longer than 1 s"
    assert "RECOVERY_FAILED" in live.get(f"/v1/pipes/{live.pipe}/history", port=live.agent_port)["data"][-2]["events"]
    live.start_fusion()
    ask("POST", live.agent_port, f"/v1/pipes/{live.pipe}/start", {"Authorization": f"Bearer {KEY}"})
    eventually(lambda: at_the_agent(live)["pipe_state"] == MESSAGE)


def test_a_stop_that_hangs_is_ended_when_it_is_overdue(live: System) -> None:
    assert live.agent is not None
    live.agent.stop()
    live.agent_extra = {"deadlines": {"shutting_down": 1}, "drain": {"timeout": "1h"}}
    live.start_agent()
    eventually(lambda: at_the_agent(live)["pipe_state"] == MESSAGE)
    # Nothing that is sent is committed any more, and the pipe drains for an hour.
    database = next((live.directory / "fusion" / "roots").glob("*.db"))
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (live.root / "waits").write_bytes(b"x")
        assert live.agent.stop(within=20) == 0
    steps = [row["events"] for row in live.get(f"/v1/pipes/{live.pipe}/history")["data"]]
    assert ["EMERGENCY_STOP"] in [events[:1] for events in steps]
