"""Watching pipes: the stream of their steps, and their metrics, from real processes."""

import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.system import KEY, Problem, System, ask
from tests.polling import eventually

MESSAGE = "RUNNING | MESSAGE_SYNC"


@pytest.fixture
def live(system: System) -> System:
    (system.root / "f").write_bytes(b"x")
    system.start()
    system.wait_complete()
    eventually(lambda: system.state() == MESSAGE)
    return system


def act(system: System, verb: str) -> None:
    ask("POST", system.port, f"/v1/pipes/{system.pipe}/{verb}", {"Authorization": f"Bearer {KEY}"})


class Listener:
    """Somebody who listens to `/v1/events`, on a thread."""

    def __init__(self, system: System, last_id: str | None = None) -> None:
        self.events: list[tuple[str, str, Any]] = []
        self.comments = 0
        self._connection = http.client.HTTPConnection("127.0.0.1", system.port, timeout=30)
        headers = {"Authorization": f"Bearer {KEY}", **({"Last-Event-ID": last_id} if last_id else {})}
        self._connection.request("GET", "/v1/events", headers=headers)
        self._response = self._connection.getresponse()
        assert self._response.headers["Content-Type"].startswith("text/event-stream")
        assert self._response.readline() == b"retry: 1000\n"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError, AttributeError):
            while line := self._response.readline():
                text = line.decode().rstrip("\n")
                if text.startswith(":"):
                    self.comments += 1
                elif text:
                    name, _, value = text.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    self.events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
                    fields = {}

    def states(self, pipe: str) -> list[str]:
        return [data["transition"]["pipe_state"] for _, kind, data in self.events if kind == "transition" and data["pipe"] == pipe]

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def listening(system: System, last_id: str | None = None) -> Iterator[Listener]:
    listener = Listener(system, last_id)
    try:
        yield listener
    finally:
        listener.close()


def test_every_step_is_told_and_a_listener_goes_on_where_it_stood(live: System) -> None:
    with listening(live) as listener:
        act(live, "pause")
        act(live, "resume")
        eventually(lambda: listener.states(live.pipe) == ["PAUSED", MESSAGE])
        first = listener.events[0][0]
    act(live, "stop")
    eventually(lambda: live.state() == "STOPPED")
    with listening(live, first) as again:
        eventually(lambda: again.states(live.pipe) == [MESSAGE, "STOPPING", "DRAINING", "STOPPED"])
        versions = [data["transition"]["version"] for _, _, data in again.events]
        assert versions == list(range(versions[0], versions[0] + len(versions)))


def test_whoever_comes_from_another_run_is_told_what_is_missing(live: System) -> None:
    with listening(live, "another-run.5") as listener:
        eventually(lambda: live.pipe in [data.get("pipe") for _, kind, data in listener.events if kind == "transition"])
        assert listener.events[0][1] == "gap"
        eventually(lambda: listener.states(live.pipe)[-1:] == [MESSAGE])


def test_an_agent_that_falls_silent_is_told_of(live: System) -> None:
    assert live.agent is not None
    with listening(live) as listener:
        live.agent.send(signal.SIGSTOP)
        eventually(lambda: [kind for _, kind, _ in listener.events] == ["unknown"])
        assert listener.events[0][2]["pipe_state"] == "UNKNOWN"
        live.agent.send(signal.SIGCONT)
        eventually(lambda: "known" in [kind for _, kind, _ in listener.events])


def test_a_listener_does_not_keep_fusion_from_ending(live: System) -> None:
    assert live.fusion is not None
    with listening(live) as listener:
        assert live.fusion.stop(within=4) == 0
        eventually(listener.ended)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(system: System, port: int | None = None) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port or system.port, timeout=20)) as connection:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        assert response.status == 200
        return samples(response.read().decode())


def flags(found: dict[tuple[str, frozenset[tuple[str, str]]], float], pipe: str) -> set[str]:
    return {
        dict(labels)["flag"]
        for (name, labels), value in found.items()
        if name == "fustor_pipe_state" and ("pipe", pipe) in labels and value
    }


def value(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_metrics_tell_on_both_sides_what_pipes_do(live: System) -> None:
    for port in (live.port, live.agent_port):
        found = scrape(live, port)
        assert flags(found, live.pipe) == {"RUNNING", "MESSAGE_SYNC"}
        assert value(found, "fustor_pipe_lifecycle", pipe=live.pipe, lifecycle="Active") == 1
        assert value(found, "fustor_pipe_lifecycle", pipe=live.pipe, lifecycle="Offline") == 0
        assert value(found, "fustor_pipe_transitions_total", pipe=live.pipe, event="TASK_START") == 2
        assert value(found, "fustor_pipe_state_seconds_total", pipe=live.pipe, state=MESSAGE) > 0
        assert any(name == "fustor_build_info" for name, _ in found)
    found = scrape(live)
    assert value(found, "fustor_root_complete", root=live.name) == 1
    assert value(found, "fustor_root_unreadable_directories", root=live.name) == 0
    eventually(lambda: ("fustor_root_as_of_timestamp_seconds", frozenset({("root", live.name)})) in scrape(live))
    assert value(scrape(live), "fustor_root_as_of_timestamp_seconds", root=live.name) > 1e9
    assert flags(found, "fusion:default") == {"RUNNING"}
    act(live, "stop")
    eventually(lambda: flags(scrape(live), live.pipe) == {"STOPPED"})
    act(live, "start")
    eventually(lambda: flags(scrape(live), live.pipe) == {"RUNNING", "MESSAGE_SYNC"})
    assert live.fusion is not None
    live.fusion.kill()
    live.start_fusion()
    eventually(lambda: value(scrape(live, live.agent_port), "fustor_pipe_reconnects_total", pipe=live.pipe) == 1)


def test_metrics_of_a_silent_agent_have_no_state(live: System) -> None:
    assert live.agent is not None
    live.agent.kill()
    eventually(lambda: value(scrape(live), "fustor_pipe_unknown", pipe=live.pipe) == 1)
    found = scrape(live)
    assert flags(found, live.pipe) == set()
    assert value(found, "fustor_root_complete", root=live.name) == 0


def test_no_path_and_no_user_is_ever_a_label(live: System) -> None:
    odd = live.root / "nobody knows this name"
    odd.mkdir()
    (odd / "nor this one").write_bytes(b"x")
    os.chown(odd / "nor this one", 54321, 54321)
    live.wait_equal()
    # Conditions have words about paths; their types are what is told.
    os.rename(live.root, live.root.with_name("moved away"))
    gone = "fustor_pipe_condition", frozenset({("pipe", live.pipe), ("type", "root-gone")})
    eventually(lambda: gone in scrape(live))
    for port in (live.port, live.agent_port):
        told = [text for _, labels in scrape(live, port) for _, text in labels]
        assert told
        assert not [text for text in told if "/" in text or "nobody knows" in text or "nor this one" in text or "54321" in text]


def test_metrics_need_their_scope(live: System) -> None:
    with pytest.raises(Problem) as caught:
        live.get("/metrics", key=None)
    assert caught.value.status == 401
