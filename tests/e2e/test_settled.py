"""When a file that is written, as processes write files, is known to be written, and when to be settled."""

import mmap
import os
import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from fustor_core.clock import wall
from fustor_core.times import parse_instant
from tests.e2e.system import KEY, System
from tests.polling import eventually

QUIET = 1.0


@pytest.fixture
def live(system: System) -> System:
    system.fusion_extra = {"settled": {"quiet": QUIET}}
    (system.root / "d").mkdir()
    (system.root / "d" / "old").write_bytes(b"x")
    system.start()
    system.wait_complete()
    return system


def stat(system: System, path: bytes, **parameters: object) -> dict[str, Any]:
    return dict(system.query("stat", system.mount(path), **parameters)["data"])


def state(system: System, path: bytes) -> tuple[bool | None, bool | None]:
    """Whether it is being written, whether it is settled."""
    entry = stat(system, path)
    return entry["writing"], entry["settled"]


def is_as_of(system: System, moment: int) -> bool:
    as_of = system.meta()["as_of"]
    seconds, nanoseconds = parse_instant(as_of) if as_of else (0, 0)
    return seconds * 10**9 + nanoseconds > moment


def test_an_upload_is_settled_some_time_after_it_is_closed_and_never_before(live: System) -> None:
    eventually(lambda: state(live, b"d") == (None, True), what="what rests is settled")
    with (live.root / "d" / "upload").open("wb", buffering=0) as file:
        eventually(lambda: state(live, b"d/upload") == (True, False))
        for piece in range(3):
            file.write(b"x" * 1000)
            # Between two pieces it rests for longer than what is settled has to.
            eventually(partial(is_as_of, live, wall() + int(1.3e9 * QUIET)))
            assert stat(live, b"d/upload")["size"] == 1000 * (piece + 1)
            assert (state(live, b"d/upload"), state(live, b"d"), state(live, b"d/old")[1]) == ((True, False), (True, False), True)
        written = wall()
        file.write(b"end")
    eventually(lambda: state(live, b"d/upload")[0] is False)
    assert state(live, b"d/upload") == (False, False) or is_as_of(live, written + int(0.9e9 * QUIET))
    eventually(lambda: state(live, b"d/upload") == (False, True))
    assert is_as_of(live, written + int(0.9e9 * QUIET))
    eventually(lambda: state(live, b"d") == (None, True))
    assert stat(live, b"d/upload", quiet="1h")["settled"] is False
    found = live.query("find", live.mount(), settled="true")["data"]
    assert {entry["name"] for entry in found} == {"data", "d", "old", "upload"}
    call = [sys.executable, "-m", "fustor_core.cli", "find", "/data", "-type", "f", "-settled", "--url", live.url, "--key", KEY]
    printed = subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout
    assert sorted(printed.split()) == ["/data/d/old", "/data/d/upload"]


def test_what_is_written_through_a_mapping_shortly_after_an_event_is_found(live: System) -> None:
    file = live.root / "mapped"
    file.write_bytes(b"x" * 4096)
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 4096) as mapped:
        eventually(lambda: state(live, b"mapped")[1] is not None)
        before = os.stat(file).st_mtime_ns
        mapped[0] = ord("y")
        mapped.flush()
        assert os.stat(file).st_mtime_ns > before
        live.wait_equal()


def test_nothing_is_settled_by_the_word_of_an_agent_that_is_away(live: System) -> None:
    with (live.root / "upload").open("wb", buffering=0) as file:
        file.write(b"x")
        eventually(lambda: state(live, b"upload") == (True, False))
        assert live.agent is not None
        live.agent.kill()
        eventually(lambda: state(live, b"upload") == (None, None))
        live.start_agent()
        eventually(lambda: state(live, b"upload")[1] is not None, within=30)
        file.write(b"y")
        eventually(lambda: state(live, b"upload") == (True, False))
    eventually(lambda: state(live, b"upload") == (False, True))
