"""Audits with real processes: what no event told is found, is seen in the states, and costs little where nothing has changed."""

import http.client
import json
import mmap
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.system import KEY, NOT_YOUNG, System
from tests.e2e.test_looking import command
from tests.e2e.test_pipe_commands import pipe
from tests.e2e.test_steering import act, pipe_of, refused, wait_state
from tests.polling import eventually

MESSAGE = "RUNNING | MESSAGE_SYNC"
AUDIT = "RUNNING | MESSAGE_SYNC | AUDIT_PHASE"


@pytest.fixture
def live(system: System) -> System:
    """A system that has a snapshot, and audits only what it is told to."""
    for number in range(20):
        (system.root / f"d{number}").mkdir()
        for name in "abc":
            (system.root / f"d{number}" / name).write_bytes(b"x" * 5000)
    system.agent_extra = {"audit": {"every": 0, "shallow": 0}}
    system.fusion_extra = NOT_YOUNG
    system.start()
    system.wait_equal()
    wait_state(system, MESSAGE)
    return system


@contextmanager
def written_through_mapping(file: Path) -> Iterator[None]:
    """A file that has been changed without any event: there is one only when the mapping ends."""
    before = file.stat().st_mtime_ns
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapping:
        mapping[0] = (mapping[0] + 1) % 256
        mapping.flush()
        assert file.stat().st_mtime_ns != before
        yield


def entry(system: System, path: bytes) -> Any:  # JSON
    return system.query("stat", system.mount(path))["data"]


def test_what_was_written_through_a_mapping_is_found(live: System) -> None:
    with written_through_mapping(live.root / "d7" / "b"):
        assert act(live, "audit")["desired"] == "running"
        live.wait_equal()
        assert entry(live, b"d7/b")["via"] == "audit"
    assert entry(live, b"d7/a")["via"] == "snapshot"
    wait_state(live, MESSAGE)
    assert live.states()[-3:] == [MESSAGE, AUDIT, MESSAGE]
    assert audited(live)
    found = root_of(live)["drift"]
    assert [found[kind] for kind in ("missing", "extra", "changed")] == [0, 0, 1]
    assert [(place["path"], place["changed"]) for place in found["places"]] == [("/data/d7", 1)]
    assert metric(live, "fustor_root_drift_entries_total", kind="changed") == 1
    code, out, _ = pipe(live, "show", live.pipe)
    assert code == 0
    assert "    drift: audits found 1 changed, of which no event had told\n      /data/d7: 1 changed; last at " in out
    assert json.loads(pipe(live, "show", live.pipe, "--json")[1])["data"]["drift"] == found
    assert json.loads(pipe(live, "show", "fusion:default", "--json")[1])["data"]["drift"] is None
    assert "    drift: audits found 1 changed, of which no event had told\n" in command(live, "status", "-v").stdout


def test_what_events_tell_of_is_no_drift_however_often_it_is_audited(live: System) -> None:
    written = 0

    def write() -> None:
        nonlocal written
        while written < 1000:
            written = number = written + 1
            directory = live.root / f"d{number % 20}"
            (directory / f"f{number}").write_bytes(b"x" * number)
            os.rename(directory / f"f{number}", directory / f"renamed{number % 50}")
            if number % 10 == 0:
                (directory / f"made{number}").mkdir()
                (directory / f"made{number}" / "f").write_bytes(b"y")
            time.sleep(0.001)  # so that there are more audits than one

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    while writer.is_alive():
        before = live.states(live.agent_port).count(AUDIT)
        act(live, "audit", port=live.agent_port)
        eventually(lambda: live.states(live.agent_port).count(AUDIT) > before)  # noqa: B023 - called at once
    live.wait_equal()
    assert root_of(live)["drift"] == {"missing": 0, "extra": 0, "changed": 0, "places": []}


def root_of(system: System) -> Any:  # JSON
    return system.get("/v1/views/default/roots")["data"][0]


def metric(system: System, name: str, **labels: str) -> float:
    with closing(http.client.HTTPConnection("127.0.0.1", system.port, timeout=20)) as connection:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {KEY}"})
        text = connection.getresponse().read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def audited(system: System) -> bool:
    """Whether a whole deep audit has ended."""
    return root_of(system)["audit_at"] is not None


def test_a_round_reads_everything_and_goes_round_again(system: System) -> None:
    for number in range(6):
        (system.root / f"d{number}").mkdir()
        (system.root / f"d{number}" / "a").write_bytes(b"x" * 5000)
    system.agent_extra = {"audit": {"every": 2, "shallow": 0}}
    system.fusion_extra = NOT_YOUNG
    system.start()
    system.wait_equal()
    for name in ("d0", "d5"):
        with written_through_mapping(system.root / name / "a"):
            eventually(lambda: entry(system, name.encode() + b"/a")["via"] == "audit", within=30)  # noqa: B023 - called at once
            system.wait_equal()
    eventually(lambda: audited(system), within=30)
    wait_state(system, MESSAGE)
    # Nothing but slices, one like the other.
    after = system.states()[5:]
    assert after[:4] == [AUDIT, MESSAGE, AUDIT, MESSAGE]
    assert set(after) == {AUDIT, MESSAGE}


def test_an_audit_of_a_path_reads_that_and_all_below_it(live: System) -> None:
    (live.root / "d1" / "deep").mkdir()
    (live.root / "d1" / "deep" / "a").write_bytes(b"x" * 5000)
    live.wait_equal()
    with written_through_mapping(live.root / "d1" / "deep" / "a"), written_through_mapping(live.root / "d2" / "a"):
        act(live, "audit", path="d1")
        eventually(lambda: entry(live, b"d1/deep/a")["via"] == "audit")
        eventually(lambda: live.states()[-2:] == [AUDIT, MESSAGE])
        assert entry(live, b"d2/a")["via"] == "snapshot"
        assert not audited(live)
        assert refused(live, "audit", path="../d1").status == 400
        act(live, "audit", path="/d2/")
        live.wait_equal()


def test_an_audit_takes_paths_as_people_type_them(live: System) -> None:
    for number, typed in ((3, "/data/d3"), (4, str(live.root / "d4")), (5, "d5"), (6, "d6/b")):
        with written_through_mapping(live.root / f"d{number}" / "b"):
            code, _, errors = pipe(live, "audit", live.pipe, "--path", typed)
            assert (code, errors) == (0, "")
            eventually(lambda: entry(live, f"d{number}/b".encode())["via"] == "audit")  # noqa: B023 - called at once
    for typed in ("/data/no-such", "no-such/below", str(live.root / "no-such"), "/data/d3/b/below"):
        code, out, errors = pipe(live, "audit", live.pipe, "--path", typed)
        assert (code, out) == (1, "")
        assert errors.startswith(f"fustor: {typed}: ")
        assert len(errors.splitlines()) == 1
    assert refused(live, "audit", path="no-such").status == 404
    assert refused(live, "audit", path="no-such", port=live.agent_port).status == 404
    assert not audited(live)


def test_an_audit_is_refused_where_there_can_be_none(live: System) -> None:
    act(live, "pause")
    wait_state(live, "PAUSED")
    problem = refused(live, "audit")
    assert problem.status == 409
    assert "resume" in problem.document["allowed"]
    act(live, "stop")
    wait_state(live, "STOPPED")
    assert refused(live, "audit").status == 409


def test_what_a_lost_session_left_of_an_audit_goes_on_in_the_next(live: System) -> None:
    assert live.fusion is not None
    with written_through_mapping(live.root / "d3" / "c"):
        live.fusion.send(signal.SIGSTOP)
        act(live, "audit", port=live.agent_port)
        eventually(lambda: pipe_of(live, live.agent_port)["counters"]["audit_directories"] > 0)
        live.fusion.kill()
        eventually(lambda: pipe_of(live, live.agent_port)["pipe_state"] == "RUNNING | RECONNECTING")
        live.start_fusion()
        eventually(lambda: audited(live), within=30)
        live.wait_equal()
    wait_state(live, MESSAGE)
    states = live.states(live.agent_port)
    assert states[-5:] == [AUDIT, "RUNNING | RECONNECTING", MESSAGE, AUDIT, MESSAGE]
