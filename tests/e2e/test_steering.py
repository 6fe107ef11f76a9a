"""Steering pipes of real processes: what an operator wants is recorded, accepted, and followed over whatever happens."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.e2e.system import KEY, Problem, System, ask
from tests.polling import eventually

MESSAGE = "RUNNING | MESSAGE_SYNC"


def act(system: System, verb: str, pipe: str = "", port: int | None = None, key: str | None = KEY, **parameters: str) -> Any:  # JSON
    query = f"?{urlencode(parameters)}" if parameters else ""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return ask("POST", port or system.port, f"/v1/pipes/{pipe or system.pipe}/{verb}{query}", headers)["data"]


def refused(system: System, verb: str, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        act(system, verb, **options)
    return caught.value


def pipe_of(system: System, port: int | None = None) -> Any:  # JSON
    return system.get(f"/v1/pipes/{system.pipe}", port=port)["data"]


def wait_state(system: System, state: str, within: float = 15) -> None:
    eventually(lambda: system.state() == state, within=within, what=state)


@pytest.fixture
def live(system: System) -> System:
    for number in range(30):
        (system.root / f"f{number}").write_bytes(b"x" * number)
    system.start()
    system.wait_equal()
    wait_state(system, MESSAGE)
    return system


def test_a_pause_stops_reading_and_a_resume_delivers_what_changed(live: System) -> None:
    accepted = act(live, "pause")
    assert accepted["desired"] == "paused"
    wait_state(live, "PAUSED")
    (live.root / "made in the pause").write_bytes(b"x")
    eventually(lambda: pipe_of(live)["counters"]["marked"] >= 1)
    assert b"made in the pause" not in live.in_view()
    # What is known of the change is held back, so the answer does not claim to be newer than it is.
    assert act(live, "resume")["desired"] == "running"
    wait_state(live, MESSAGE)
    live.wait_equal()
    assert live.states()[-3:] == [MESSAGE, "PAUSED", MESSAGE]


def test_a_pause_is_held_over_a_reconnect(live: System) -> None:
    act(live, "pause")
    wait_state(live, "PAUSED")
    assert live.fusion is not None
    live.fusion.kill()
    eventually(lambda: pipe_of(live, live.agent_port)["pipe_state"] == "RUNNING | RECONNECTING")
    live.start_fusion()
    wait_state(live, "PAUSED")
    (live.root / "still held").write_bytes(b"x")
    eventually(lambda: pipe_of(live)["counters"]["marked"] >= 1)
    assert pipe_of(live)["desired"] == "paused"
    assert live.states()[-3:] == ["PAUSED", "RUNNING | RECONNECTING", "PAUSED"]
    act(live, "resume")
    live.wait_equal()


def test_an_operator_may_pause_while_fusion_is_away(live: System) -> None:
    assert live.fusion is not None
    live.fusion.kill()
    eventually(lambda: pipe_of(live, live.agent_port)["pipe_state"] == "RUNNING | RECONNECTING")
    assert act(live, "pause", port=live.agent_port)["desired"] == "paused"
    live.start_fusion()
    wait_state(live, "PAUSED")
    act(live, "resume")
    wait_state(live, MESSAGE)


def test_a_pause_is_held_over_sigkill_of_the_agent(live: System) -> None:
    act(live, "pause")
    wait_state(live, "PAUSED")
    assert live.agent is not None
    live.agent.kill()
    (live.root / "made while it was dead").write_bytes(b"x")
    live.start_agent()
    eventually(lambda: pipe_of(live, live.agent_port)["pipe_state"] == "PAUSED")
    wait_state(live, "PAUSED")
    assert pipe_of(live)["desired"] == "paused"
    # The last steps before the kill may be missing: a pipe is saved behind.
    assert live.states()[-4:] == ["STOPPED", "INITIALIZING", "RUNNING", "PAUSED"]
    interrupted = live.get(f"/v1/pipes/{live.pipe}/history")["data"][-4]
    assert (interrupted["reason"], interrupted["events"]) == ("interrupted", [])
    act(live, "resume")
    live.wait_equal()


def test_a_pipe_is_stopped_and_started_while_its_agent_goes_on(live: System) -> None:
    assert live.agent is not None
    pid = live.agent.pid
    assert act(live, "stop")["desired"] == "stopped"
    wait_state(live, "STOPPED")
    (live.root / "made while it was stopped").write_bytes(b"x")
    assert refused(live, "snapshot").document["allowed"] == ["stop", "start", "restart", "halt"]
    assert refused(live, "pause").status == 409
    act(live, "start")
    wait_state(live, MESSAGE)
    live.wait_equal()
    assert live.agent.alive
    assert live.agent.pid == pid
    stopped = ["STOPPING", "DRAINING", "STOPPED", "INITIALIZING", "RUNNING", "RUNNING | SNAPSHOT_SYNC", MESSAGE]
    assert live.states()[-7:] == stopped
    act(live, "restart")
    eventually(lambda: live.states()[-14:] == stopped + stopped)
    live.wait_equal()


def test_a_stop_is_kept_over_a_restart_of_the_agent(live: System) -> None:
    act(live, "stop", reason="the disk is being replaced")
    wait_state(live, "STOPPED")
    assert live.agent is not None
    live.agent.stop()
    live.start_agent()
    eventually(lambda: pipe_of(live, live.agent_port)["desired"] == "stopped")
    assert pipe_of(live, live.agent_port)["pipe_state"] == "STOPPED"
    eventually(lambda: act(live, "start"))
    wait_state(live, MESSAGE)


def test_a_halt_takes_effect_at_once_and_ends_only_by_name(live: System) -> None:
    act(live, "halt", reason="smoke")
    wait_state(live, "ERROR")
    pipe = pipe_of(live)
    assert (pipe["desired"], pipe["health"], pipe["operational"]) == ("halted", "Critical", "Stopped")
    history = live.get(f"/v1/pipes/{live.pipe}/history")["data"]
    assert any(row["reason"] == "smoke" and row["events"] == ["EMERGENCY_STOP"] for row in history)
    for verb in ("resume", "start", "restart", "stop", "pause", "snapshot"):
        problem = refused(live, verb)
        assert (problem.status, problem.document["allowed"]) == (409, ["halt", "start after_halt"]), verb
    assert live.agent is not None
    live.agent.kill()
    live.start_agent()
    eventually(lambda: pipe_of(live, live.agent_port)["pipe_state"] == "ERROR")
    eventually(lambda: act(live, "start", after_halt="true"))
    wait_state(live, MESSAGE)
    live.wait_equal()


def test_a_snapshot_lists_everything_again(live: System) -> None:
    act(live, "snapshot")
    eventually(lambda: live.states()[-3:] == [MESSAGE, "RUNNING | SNAPSHOT_SYNC", MESSAGE])
    live.wait_complete()
    live.wait_equal()


def test_whoever_may_not_is_refused(live: System) -> None:
    assert refused(live, "pause", key="wrong").status == 401
    assert refused(live, "pause", key=None, port=live.agent_port).status == 401
    assert refused(live, "pause", key="wrong", port=live.agent_port).status == 401
    assert refused(live, "pause", key="not UTF-8: \xff", port=live.agent_port).status == 401
    assert refused(live, "pause", pipe="nobody:nothing").status == 404
    assert refused(live, "dance", port=live.agent_port).status == 404
    assert refused(live, "stop", pipe="fusion:default").status == 409
    assert refused(live, "pause", sudo="please").status == 400
    assert pipe_of(live)["pipe_state"] == MESSAGE


def test_an_agent_that_is_away_is_named(live: System) -> None:
    assert live.agent is not None
    live.agent.kill()
    problem = eventually(lambda: refused(live, "pause"))
    assert problem.status == 503
    assert problem.document["type"].endswith("agent-away")
    assert live.agent_id in problem.document["detail"]


def test_what_is_wanted_is_on_disk_before_it_is_accepted(live: System) -> None:
    for verb, desired in (("pause", "paused"), ("stop", "stopped"), ("start", "running"), ("halt", "halted")):
        act(live, verb)
        kept = json.loads((live.directory / "agent" / "intent.json").read_text())
        assert kept[live.name]["desired"] == desired
