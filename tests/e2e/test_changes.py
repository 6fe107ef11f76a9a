"""`fustor changes` tells of what happens to real files, and loses nothing over a fusion that is killed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.system import KEY, System
from tests.polling import eventually


@pytest.fixture
def live(system: System) -> System:
    (system.root / "d").mkdir()
    (system.root / "d" / "old").write_bytes(b"x")
    system.fusion_extra = {"settled": {"quiet": 0}}
    system.start()
    system.wait_complete()
    return system


def command(system: System, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "fustor_core.cli", "changes", *arguments, "--url", system.url, "--key", KEY]


def wanted_are_in(wanted: set[str], paths: Callable[[], list[str]]) -> bool:
    return wanted <= set(paths())


def printed(system: System, *arguments: str) -> str:
    return subprocess.run(command(system, *arguments), capture_output=True, text=True, timeout=60, check=True).stdout


def test_one_line_a_change_with_the_path_as_it_was_typed(live: System) -> None:
    here = os.fspath(live.root)
    cursor = json.loads(printed(live, here, "--json"))["meta"]["next"]
    (live.root / "d" / "new").write_bytes(b"y")
    os.rename(live.root / "d" / "old", live.root / "d" / "renamed")
    live.wait_equal()
    lines = [line.split(" ", 1)[1] for line in printed(live, here, "--after", cursor).splitlines()]
    files = {line for line in lines if not line.startswith("changed")}
    assert files == {f"appeared {here}/d/new", f"gone     {here}/d/old", f"appeared {here}/d/renamed"}
    assert f"changed  {here}/d" in lines
    assert printed(live, here, "--after", "now") == ""
    assert f"listed   {here}/d" in printed(live, here)
    result = subprocess.run(command(live, here, "--after", "nonsense"), capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)


def test_a_follower_hears_of_every_file_though_fusion_is_killed(live: System, tmp_path: Path) -> None:
    assert live.fusion is not None
    heard = tmp_path / "heard"

    def appeared() -> list[str]:
        changes = [json.loads(line) for line in heard.read_text().splitlines()]
        return [change["path"] for change in changes if change["kind"] == "appeared"]

    with heard.open("wb") as output:
        follower = subprocess.Popen(command(live, "/data/d", "--follow", "--json", "--after", "now"), stdout=output)
    try:
        number = 0
        while not heard.stat().st_size:  # until it listens
            number += 1
            (live.root / "d" / f"before-{number}").write_bytes(b"x")
            live.wait_equal()
        for turn in range(2):
            for number in range(50):
                (live.root / "d" / f"{turn}-{number}").write_bytes(b"x")
                if number == 25:
                    live.fusion.kill()
                    live.start_fusion()
            wanted = {f"/data/d/{turn}-{number}" for number in range(50)}
            eventually(partial(wanted_are_in, wanted, appeared), within=60, what="all are heard of")
        assert follower.poll() is None
        assert len(appeared()) == len(set(appeared())), "nothing is told twice"
    finally:
        follower.kill()
        follower.wait()
