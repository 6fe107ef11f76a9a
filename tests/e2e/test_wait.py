"""`fustor wait` returns when an upload is complete, and not before, however it is written."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fustor_core.clock import wall
from tests.e2e.system import KEY, System
from tests.polling import eventually

QUIET = 1.0


@pytest.fixture
def live(system: System) -> System:
    system.fusion_extra = {"settled": {"quiet": QUIET}}
    (system.root / "old").write_bytes(b"x")
    system.start()
    system.wait_complete()
    return system


@contextmanager
def waiting(system: System, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    call = [sys.executable, "-m", "fustor_core.cli", "wait", *arguments, "--url", system.url, "--key", KEY]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def watched(system: System, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The command with a terminal for its standard error, and the other end of that."""
    here, there = os.openpty()
    call = [sys.executable, "-m", "fustor_core.cli", "wait", *arguments, "--url", system.url, "--key", KEY]
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=there)
    try:
        yield process, here
    finally:
        process.kill()
        process.wait()
        os.close(here)
        os.close(there)


def shown(terminal: int, text: str) -> None:
    """Until the text has been shown there."""
    seen = bytearray()

    def is_seen() -> bool:
        if select.select([terminal], [], [], 0)[0]:
            seen.extend(os.read(terminal, 10_000))
        return text.encode() in seen

    eventually(is_seen, within=30, what=text)


def wait(system: System, *arguments: str) -> tuple[int, str, str]:
    """What the command ends with, and what it prints."""
    with waiting(system, *arguments) as process:
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors


def rests(system: System, path: bytes, **parameters: object) -> bool:
    return bool(system.query("rest", system.mount(path), **parameters)["data"]["confirmed"])


def upload(directory: Path, names: Sequence[str], system: System) -> int:
    """Write files as rsync does: each under another name at first, with pauses; when the last byte was written (wall-clock ns)."""
    directory.mkdir()
    for name in names:
        with (directory / f".{name}.part").open("wb", buffering=0) as file:
            for _ in range(3):
                file.write(b"x" * 1000)
                eventually(lambda: (directory / f".{name}.part").stat().st_size)  # noqa: B023 - called at once
                assert not rests(system, b"in")
        os.rename(directory / f".{name}.part", directory / name)
    return wall()


def test_it_waits_for_a_whole_upload_that_has_not_even_begun(live: System) -> None:
    with waiting(live, str(live.root / "in"), "--settled", "--json") as process:
        eventually(lambda: not live.query("rest", live.mount(b"in"))["data"]["exists"])
        done = upload(live.root / "in", ["a", "b", "c"], live)
        assert process.poll() is None
        output, errors = process.communicate(timeout=60)
        assert wall() >= done + 0.9e9 * QUIET
    assert (process.returncode, errors) == (0, "")
    rest = json.loads(output)["data"]
    assert (rest["path"], rest["confirmed"], rest["files"], rest["bytes"], rest["files_written"]) == ("/data/in", True, 3, 9000, 0)


def test_an_open_file_is_waited_for_and_the_time_can_be_over_before(live: System) -> None:
    with (live.root / "f").open("wb", buffering=0) as file:
        file.write(b"x")
        eventually(lambda: live.query("stat", live.mount(b"f"))["data"]["writing"])
        code, output, errors = wait(live, "/data", "--settled", "--for", "100ms", "--timeout", "2s")
        assert (code, output) == (5, "")
        assert "/data: not settled after 2s: 2 files, 2 bytes; being written: 1; wait longer" in errors
        with waiting(live, "/data/f", "--settled", "--for", "100ms") as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            file.close()
            assert process.wait(30) == 0
    assert wait(live, "/data/f")[0] == 0


def test_what_does_not_come_is_no_such_path(live: System) -> None:
    code, output, errors = wait(live, "/data/never", "--settled", "--timeout", "500ms")
    assert (code, output) == (1, "")
    assert errors == "fustor: /data/never did not appear within 0.5s\n"
    code, _, errors = wait(live, "/elsewhere/never", "--settled")
    assert code == 1
    assert "the view default has nothing at /elsewhere/never" in errors
    for wrong in (["--timeout", "soon"], ["--settled", "--for", "-1s"], ["--for", "1s"], ["--settled", "--max-age", "1m"]):
        assert wait(live, "/data", *wrong)[0] == 2


def test_it_waits_while_nobody_can_tell_and_goes_on_when_fusion_comes_back(live: System) -> None:
    assert live.agent is not None
    assert live.fusion is not None
    live.agent.kill()
    eventually(lambda: not live.meta()["complete"])
    with watched(live, "/data", "--settled") as (process, terminal):
        shown(terminal, "not known whether it rests: agent nas-1 has been away")
        live.fusion.stop()
        shown(terminal, "no answer: cannot reach fusion")
        live.start_fusion()
        live.start_agent()
        assert process.wait(60) == 0


def test_it_ends_cleanly_when_it_is_interrupted(live: System) -> None:
    with watched(live, "/data/never") as (process, terminal):
        shown(terminal, "it is not there yet")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert os.read(terminal, 1000).endswith(b"\r\x1b[K")


def test_a_request_that_waits_is_answered_when_it_is_so(live: System) -> None:
    assert rests(live, b"", wait="30s")
    assert rests(live, b"old", wait="30s", quiet="100ms")
    answer = live.query("rest", b"/", wait="30s")["data"]
    assert (answer["path"], answer["confirmed"], answer["files"]) == ("/", True, 1)
    assert not rests(live, b"old", quiet="1h", wait="100ms")
    assert not rests(live, b"missing", wait="100ms")
