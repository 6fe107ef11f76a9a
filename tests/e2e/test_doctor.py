"""`fustor doctor` on real processes: what it finds, and what its exit code says."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import System
from tests.e2e.test_looking import command
from tests.polling import eventually

ALLOWED = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())


@pytest.fixture
def live(system: System) -> System:
    (system.root / "a" / "b").mkdir(parents=True)
    (system.root / "a" / "f").write_bytes(b"x")
    system.start()
    system.wait_equal()
    return system


def findings(system: System, *arguments: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and what was found by subject."""
    done = command(system, "doctor", "--json", *arguments)
    assert "Traceback" not in done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout)["data"]:
        found.setdefault(each["subject"], []).append(each)
    return done.returncode, found


def test_where_all_is_well(live: System) -> None:
    code, found = findings(live, "/data/a")
    assert live.agent is not None
    assert live.fusion is not None
    # What this machine has of disk and watches is not up to the test.
    ours = [each for subject in found for each in found[subject] if subject not in ("disk", "watches", "open files")]
    assert [each for each in ours if each["word"] != "ok"] == []
    assert {"fusion", "versions", "clocks", "agent nas-1", "pipe nas-1:data", "root data", "path /data/a", "permissions"} <= found.keys()
    [watches] = found["watches"]
    assert watches["what"].startswith("3 needed for what is indexed of this machine, ")
    assert watches["what"].endswith(f"{ALLOWED:,} allowed for each user")
    counted = [each["what"] for each in found["open files"]]
    for process, name in ((live.agent, "agent"), (live.fusion, "fusion")):
        assert any(f"process {process.pid} (fustor {name})" in each for each in counted), counted
    assert code == (5 if any(each["word"] == "fail" for subject in found for each in found[subject]) else 0)
    lines = command(live, "doctor").stdout.splitlines()
    assert any(line.startswith(f"ok    fusion: answers at {live.url}") for line in lines)


def test_what_fails_is_named_with_its_remedy(live: System) -> None:
    assert live.agent is not None
    live.agent.kill()
    eventually(lambda: live.state() == "UNKNOWN")
    code, found = findings(live)
    assert code == 5
    assert found["agent nas-1"][0]["word"] == "fail"
    assert found["pipe nas-1:data"][0]["word"] == "fail"
    assert found["root data"][0]["word"] == "warn"
    assert found["root data"][0]["remedy"] == "start the agent, or see in its log why it cannot reach fusion"
    assert findings(live, "/data/none")[1]["path /data/none"][0]["word"] == "fail"


def test_a_fusion_that_cannot_be_reached(live: System) -> None:
    assert live.fusion is not None
    live.fusion.stop(signal.SIGTERM)
    code, found = findings(live)
    assert code == 3
    assert found["fusion"][0]["word"] == "fail"
    assert "cannot reach fusion" in found["fusion"][0]["what"]


def test_a_root_that_is_not_there_is_not_one_that_may_not_be_read(live: System) -> None:
    live.root.rename(live.directory / "elsewhere")
    eventually(lambda: live.state() == "RUNNING | RECONNECTING")
    code, found = findings(live)
    assert code == 5
    [finding] = found["permissions"]
    assert finding["what"] == f"{live.root} cannot be looked into: No such file or directory"
    assert found["pipe nas-1:data"][0]["word"] == "fail"


def test_what_is_demanded_of_an_answer_hides_no_finding(live: System) -> None:
    code, found = findings(live, "--max-age", "0s")
    assert {"fusion", "agent nas-1", "root data", "watches", "permissions"} <= found.keys()
    assert live.agent is not None
    live.agent.kill()
    eventually(lambda: not live.meta()["complete"])
    code, found = findings(live, "/data/a", "--require-complete")
    assert code == 5
    [finding] = found["path /data/a"]
    assert finding["word"] == "fail"
    assert "would not be complete" in finding["what"]
    assert findings(live, "/data/a")[1]["path /data/a"][0]["word"] == "warn"
