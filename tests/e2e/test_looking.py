"""`refresh` and `verify`: the agents look, and what they find is in the view when the answer comes."""

import os
import sqlite3
import subprocess
import sys
import time

import pytest

from fustor_fusion.verify import MARGIN
from tests.disk import on_disk
from tests.e2e.system import KEY, Problem, System
from tests.polling import eventually


def command(system: System, *arguments: str) -> "subprocess.CompletedProcess[str]":
    call = [sys.executable, "-m", "fustor_core.cli", *arguments, "--url", system.url, "--key", KEY]
    return subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)


def falsify(system: System, *statements: str) -> None:
    """Let fusion believe what is not so, by changing its store behind its back while it is stopped."""
    assert system.fusion is not None
    system.fusion.stop()
    with sqlite3.connect(system.directory / "fusion" / "roots" / f"{system.name}.db") as store:
        for statement in (*statements, "UPDATE dirs SET digest = NULL"):
            assert store.execute(statement).rowcount
    store.close()
    system.start_fusion()
    eventually(lambda: system.get("/v1/sessions")["data"], within=20)
    # What changed shortly before counts as changed meanwhile.
    newest = max(thing.ctime_ns for thing in on_disk(os.fsencode(system.root)).values())
    eventually(lambda: time.time_ns() > newest + 2 * MARGIN * 1e9)


@pytest.fixture
def filled(system: System) -> System:
    for directory in range(10):
        (system.root / f"d{directory}").mkdir()
        for number in range(20):
            (system.root / f"d{directory}" / f"f{number}").write_bytes(b"x" * number)
    (system.root / "top").write_bytes(b"t")
    system.start()
    system.wait_complete()
    return system


FALSE_SIZE = (
    "UPDATE entries SET size = 77777 WHERE name = CAST('f3' AS BLOB) AND dir IN (SELECT id FROM dirs WHERE name = CAST('d1' AS BLOB))"
)
FALSE_NAME = "UPDATE entries SET name = CAST('no-such' AS BLOB) WHERE name = CAST('f4' AS BLOB) AND dir IN (SELECT id FROM dirs WHERE name = CAST('d2' AS BLOB))"  # noqa: E501


def test_all_that_is_claimed_can_be_verified(filled: System) -> None:
    result = filled.post("verify", filled.mount(), all="true")
    assert result["data"]["compared"] == 1 + 10 + 200 + 1
    assert (result["data"]["wrong"], result["data"]["left_out"], result["data"]["exact"]) == (0, 0, True)
    assert result["data"]["statement"] == "0 of 212 wrong: exact, all entries were compared"
    assert result["meta"]["complete"]


def test_a_sample_says_what_follows_from_it(filled: System) -> None:
    result = filled.post("verify", b"/", sample=100)["data"]
    assert (result["compared"], result["wrong"], result["exact"]) == (100, 0, False)
    assert result["statement"] == "0 of 100 wrong: under 3 % at 95 %"
    assert 0.029 < result["bound"] < 0.03


def test_what_is_wrong_is_counted_by_kind_and_repaired(filled: System) -> None:
    falsify(filled, FALSE_SIZE, FALSE_NAME)
    os.utime(filled.root / "top", ns=(1, 1))  # what changes while it is verified is left out, and never wrong
    result = filled.post("verify", filled.mount(), all="true")["data"]
    assert result["differences"] == {"size": 1, "gone": 1, "missing": 1}
    assert {(each["path"], each["kind"]) for each in result["examples"]} == {
        ("/data/d1/f3", "size"),
        ("/data/d2/no-such", "gone"),
        ("/data/d2/f4", "missing"),
    }
    filled.wait_equal()
    assert filled.post("verify", filled.mount(), all="true")["data"]["wrong"] == 0


def test_a_refresh_repairs_what_it_looks_at(filled: System) -> None:
    falsify(filled, FALSE_SIZE, FALSE_NAME)
    answer = filled.post("refresh", filled.mount(b"d1/f3"))
    assert answer["data"] == {"path": "/data/d1/f3", "recursive": False, "exists": True, "unread": 0}
    assert filled.query("stat", filled.mount(b"d1/f3"))["data"]["size"] == 3
    filled.post("refresh", filled.mount(), recursive="true")
    filled.wait_equal(within=2)


def test_the_commands(filled: System) -> None:
    falsify(filled, FALSE_SIZE)
    wrong = command(filled, "verify", "--all", "/data")
    assert wrong.returncode == 0, wrong.stderr
    assert wrong.stdout.splitlines()[1:] == ["/data: 1 size", "/data: size: /data/d1/f3"]
    right = command(filled, "verify", "/data/d1")
    assert right.stdout.startswith("/data/d1: 0 of 21 wrong: under "), right
    done = command(filled, "refresh", "-r", "/data/d1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert command(filled, "refresh", "/data/none").returncode == 1
    assert command(filled, "verify", "/nowhere").returncode == 1
    assert command(filled, "verify", "--all", "--sample", "3", "/data").returncode == 2


def test_without_an_agent_nobody_can_look(filled: System) -> None:
    assert filled.agent is not None
    filled.agent.kill()
    eventually(lambda: not filled.get("/v1/sessions")["data"])
    for what in ("refresh", "verify"):
        with pytest.raises(Problem) as caught:
            filled.post(what, filled.mount())
        assert caught.value.status == 503
        assert "no agent" in caught.value.document["detail"]
