"""A pipe's life as its operator watches it, and what a restart keeps."""

import os
import signal

import pytest

from tests.e2e.system import System
from tests.polling import eventually

FIRST = ["STOPPED", "INITIALIZING", "RUNNING", "RUNNING | SNAPSHOT_SYNC", "RUNNING | MESSAGE_SYNC"]


def fill(system: System, files: int = 300) -> None:
    for number in range(files):
        directory = system.root / f"d{number % 17}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}").write_bytes(b"x" * number)


def shown_states(system: System, log_of: str, pipe: str) -> list[str]:
    """The pipe's states in the log of a side, in order."""
    process = system.agent if log_of == "agent" else system.fusion
    assert process is not None
    lines = [line for line in process.log_lines() if line["logger"] == "fustor.state" and line["pipe"] == pipe]
    return [str(line["message"]).partition(" (")[0] for line in lines]


def test_the_history_is_the_same_wherever_it_is_asked(system: System) -> None:
    fill(system)
    system.start()
    system.wait_complete()
    eventually(lambda: system.states() == FIRST)
    assert system.states(port=system.agent_port) == FIRST
    [session] = system.get("/v1/sessions")["data"]
    assert (session["pipe"], session["state"]) == (system.pipe, "live")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_clean_and_loses_nothing_that_was_seen(system: System, number: signal.Signals) -> None:
    fill(system)
    system.start()
    system.wait_complete()
    (system.root / "last").write_bytes(b"seen before the signal")
    assert system.agent is not None
    assert system.agent.stop(number) == 0
    # Whatever the disk held when the signal came is there without the agent.
    system.wait_listed_without_agent()
    assert shown_states(system, "agent", system.pipe)[-3:] == ["STOPPING", "DRAINING", "STOPPED"]
    assert system.state() == "STOPPED"
    assert system.fusion is not None
    assert system.fusion.stop(number) == 0
    assert shown_states(system, "fusion", "fusion:default") == ["INITIALIZING", "RUNNING", "STOPPING", "STOPPED"]


def test_a_restart_answers_at_once_says_that_it_is_not_complete_and_becomes_so(system: System) -> None:
    fill(system)
    system.start()
    system.wait_equal()
    eventually(lambda: system.get("/v1/views/default/roots")["data"][0]["as_of"])
    before = system.in_view()
    for process in (system.agent, system.fusion):
        assert process is not None
        process.stop()
    (system.root / "made meanwhile").write_bytes(b"x")
    system.start_fusion()
    assert system.in_view() == before
    meta = system.meta()
    assert meta["complete"] is False
    assert [condition["type"] for condition in meta["conditions"]] == ["agent-away"]
    assert meta["as_of"] is not None
    system.start_agent()
    system.wait_complete()
    system.wait_equal()


def test_fusion_that_is_started_again_while_nothing_changes_becomes_complete(system: System) -> None:
    """Also where the session brings no evidence, not even of young files: that it is quiet is said, too."""
    system.fusion_extra = {"settled": {"quiet": 0.05}}
    fill(system)
    system.start()
    system.wait_equal()
    eventually(lambda: system.meta()["as_of"])
    assert system.fusion is not None
    system.fusion.stop()
    system.start_fusion()
    system.wait_complete()


def test_fusion_that_is_not_there_yet_is_waited_for(system: System) -> None:
    fill(system)
    system.start_agent()
    eventually(lambda: system.states(port=system.agent_port)[-1] == "RUNNING | RECONNECTING")
    condition = system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port, key=None)["data"]["conditions"][0]
    assert condition["type"] == "disconnected"
    assert "Connect" in condition["message"]
    assert condition["remedy"]
    system.start_fusion()
    system.wait_complete()
    system.wait_equal()
    seen = ["STOPPED", "INITIALIZING", "RUNNING | RECONNECTING", "RUNNING | SNAPSHOT_SYNC", "RUNNING | MESSAGE_SYNC"]
    eventually(lambda: system.states() == seen)


def test_a_second_signal_ends_an_agent_that_cannot_drain(system: System) -> None:
    system.agent_extra = {"drain": {"timeout": 60}}
    fill(system)
    system.start()
    system.wait_complete()
    assert system.agent is not None
    assert system.fusion is not None
    system.fusion.send(signal.SIGSTOP)
    (system.root / "cannot be delivered").write_bytes(b"x")
    system.agent.send(signal.SIGINT)
    eventually(lambda: "STOPPING" in shown_states(system, "agent", system.pipe))
    assert system.agent.stop(signal.SIGINT, within=5) == 1


def test_live_changes_are_seen_in_every_field(system: System) -> None:
    fill(system, 50)
    system.start()
    system.wait_complete()
    deep = system.root.joinpath(*"abcdef")
    deep.mkdir(parents=True)
    (deep / "bottom").write_bytes(b"12345")
    os.chmod(deep / "bottom", 0o4711)
    os.utime(deep / "bottom", ns=(0, -5_000_000_001))
    os.symlink("bottom", deep / "link")
    os.rename(system.root / "d1", deep / "moved")
    system.wait_equal()
    data = system.query("stat", system.mount(b"a/b/c/d/e/f/bottom"))["data"]
    assert data["mtime"] == "1969-12-31T23:59:54.999999999Z"
    assert data["via"] in ("live", "asked")
