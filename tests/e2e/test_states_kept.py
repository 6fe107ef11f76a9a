"""States of pipes that outlast their processes, and what becomes of them while their store is away."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fustor_core.state import SqliteStateStore
from tests.e2e.system import System
from tests.polling import eventually
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture

MESSAGE = "RUNNING | MESSAGE_SYNC"
RECONNECTING = "RUNNING | RECONNECTING"
START = ["INITIALIZING", "RUNNING", "RUNNING | SNAPSHOT_SYNC", MESSAGE]


def at_the_agent(system: System) -> Any:  # JSON
    return system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port)["data"]


def wait_saved(data: Path, machine: str, version: int) -> None:
    """Steps are saved behind: until this one is, a kill may lose it."""

    def is_saved() -> bool:
        store = SqliteStateStore(data / "state.db")
        try:
            record = store.load(machine)
        finally:
            store.close()
        return record is not None and int(record["version"]) >= version

    eventually(is_saved)


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_after_sigkill_the_history_says_interrupted_where_it_is_kept(system: System, store: str) -> None:
    system.agent_extra = {"state": {"store": store}}
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    eventually(lambda: system.states() == ["STOPPED", *START])
    if store == "sqlite":
        wait_saved(system.directory / "agent", system.pipe, 4)
    assert system.agent is not None
    system.agent.kill()
    system.start_agent()
    again = [*START, "STOPPED", *START] if store == "sqlite" else ["STOPPED", *START]
    eventually(lambda: system.states(port=system.agent_port)[-len(again) :] == again)
    eventually(lambda: system.states()[-len(again) :] == again)
    rows = system.get(f"/v1/pipes/{system.pipe}/history")["data"]
    assert [row["version"] for row in rows] == list(range(rows[0]["version"], 10 if store == "sqlite" else 5))
    assert (rows[0]["version"], rows[0]["events"], rows[0]["reason"]) == (0, [], "initial state")
    assert [row["reason"] for row in rows].count("interrupted") == (store == "sqlite")


def test_fusion_that_was_killed_says_so(system: System) -> None:
    system.start_fusion()
    wait_saved(system.directory / "fusion", "fusion:default", 2)
    assert system.fusion is not None
    system.fusion.kill()
    system.start_fusion()
    eventually(lambda: system.get("/v1/pipes/fusion:default/history")["data"][-1]["version"] == 5)
    rows = system.get("/v1/pipes/fusion:default/history")["data"]
    assert [row["pipe_state"] for row in rows][-5:] == ["INITIALIZING", "RUNNING", "STOPPED", "INITIALIZING", "RUNNING"]
    assert rows[-3]["reason"] == "interrupted"


def test_a_damaged_record_is_a_clean_start_with_a_warning(system: System) -> None:
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    assert system.agent is not None
    system.agent.stop()
    (system.directory / "agent" / "state.db").write_bytes(b"this is no database" * 1000)
    system.start_agent()
    eventually(lambda: at_the_agent(system)["pipe_state"] == MESSAGE)
    assert any("cannot be restored" in line["message"] for line in system.agent.log_lines())


def test_redis_is_killed_under_a_running_agent(system: System, redis_server: RedisServer) -> None:
    system.agent_extra = {"state": {"store": "redis", "url": redis_server.url}}
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_equal()
    redis_server.kill()
    assert system.fusion is not None
    system.fusion.kill()
    system.start_fusion()
    eventually(lambda: [each["type"] for each in at_the_agent(system)["conditions"]] == ["state-unsaved"])
    assert at_the_agent(system)["health"] == "Warning"
    (system.root / "made meanwhile").write_bytes(b"data keeps moving")
    system.wait_equal()
    redis_server.start()
    eventually(lambda: at_the_agent(system)["conditions"] == [], within=30)
    assert system.agent is not None
    version = at_the_agent(system)["version"]
    system.agent.kill()
    system.start_agent()
    eventually(lambda: at_the_agent(system)["pipe_state"] == MESSAGE)
    assert at_the_agent(system)["version"] == version + 5


def test_a_store_of_fusion_that_cannot_commit_is_a_condition_of_its_pipe(system: System) -> None:
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    database = next((system.directory / "fusion" / "roots").glob("*.db"))
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (system.root / "waits").write_bytes(b"x")
        pipe = eventually(lambda: (data := system.get("/v1/pipes/fusion:default")["data"])["health"] == "Critical" and data, within=30)
        assert [each["type"] for each in pipe["conditions"]] == ["store-unavailable"]
        assert pipe["pipe_state"] == RECONNECTING
        pipe = eventually(lambda: (data := at_the_agent(system))["pipe_state"] == RECONNECTING and data)
        assert [each["type"] for each in pipe["conditions"]] == ["fusion-stalled"]
        connection.execute("ROLLBACK")
    connection.close()
    eventually(lambda: system.get("/v1/pipes/fusion:default")["data"]["health"] == "Healthy", within=30)
    assert system.get("/v1/pipes/fusion:default")["data"]["pipe_state"] == "RUNNING"
    system.wait_equal()
    eventually(lambda: at_the_agent(system)["pipe_state"] == MESSAGE)
