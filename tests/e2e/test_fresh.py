"""`--fresh`: what had finished on the agent's host before the question is in the answer, also what no event tells of."""

import mmap
import os
from pathlib import Path

import pytest

from tests.e2e.system import NOT_YOUNG, Problem, System
from tests.e2e.test_looking import command
from tests.polling import eventually


@pytest.fixture
def filled(system: System) -> System:
    for directory in ("a/b", "c"):
        (system.root / directory).mkdir(parents=True)
    for path in ("a/f", "a/b/f", "c/f"):
        (system.root / path).write_bytes(b"x" * mmap.PAGESIZE)
        outside = system.directory / "outside" / path
        outside.parent.mkdir(parents=True, exist_ok=True)
        os.link(system.root / path, outside)
    system.fusion_extra = NOT_YOUNG
    system.start()
    system.wait_equal()
    return system


def change_unheard(system: System, path: str, size: int) -> None:
    """Change a file by its name outside of the root: no event tells of it."""
    os.truncate(system.directory / "outside" / path, size)


def test_each_command_sees_what_no_event_tells_of(filled: System) -> None:
    change_unheard(filled, "a/f", 11)
    change_unheard(filled, "a/b/f", 22)
    assert command(filled, "stat", "-c", "%s", "/data/a/f").stdout == f"{mmap.PAGESIZE}\n"
    assert command(filled, "stat", "--fresh", "-c", "%s", "/data/a/f").stdout == "11\n"
    assert command(filled, "du", "-s", "--fresh", "/data/a").stdout == "33\t/data/a\n"
    change_unheard(filled, "c/f", 44)
    assert command(filled, "ls", "-l", "--fresh", "/data/c").stdout.split("root")[-1].split()[0] == "44"
    change_unheard(filled, "a/b/f", 55)
    found = command(filled, "find", "--fresh", "/data", "-size", "-60c", "-type", "f", "-printf", "%p %s\\n").stdout.splitlines()
    assert sorted(found) == ["/data/a/b/f 55", "/data/a/f 11", "/data/c/f 44"]


def test_writing_through_a_mapping_is_seen(filled: System) -> None:
    path = filled.root / "c" / "f"
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        mapping[0:3] = b"new"
        mapping.flush()
        filled.post("refresh", filled.mount(b"c/f"))
        shown = filled.query("stat", filled.mount(b"c/f"))["data"]["mtime"]
        assert int(shown.partition(".")[2].rstrip("Z")) == path.stat().st_mtime_ns % 10**9


def test_what_was_made_just_before_is_there_however_often(filled: System) -> None:
    for number in range(30):
        new = filled.root / "c" / f"new-{number}"
        new.write_bytes(b"x" * number)
        filled.post("refresh", filled.mount(b"c"))
        assert filled.query("stat", filled.mount(os.fsencode(Path("c") / new.name)))["data"]["size"] == number


def test_where_nobody_can_look_it_says_so_at_once(filled: System) -> None:
    assert command(filled, "pipe", "pause", filled.pipe).returncode == 0
    eventually(lambda: filled.state() == "PAUSED")
    for words in (("stat", "--fresh", "/data/c"), ("refresh", "/data/c"), ("verify", "/data/c")):
        ran = command(filled, *words)
        assert (ran.returncode, ran.stdout) == (5, "")
        assert ran.stderr == "fustor: the pipe nas-1:data is paused, so nobody can look: `fustor pipe resume nas-1:data`\n"
    assert command(filled, "stat", "/data/c").returncode == 0
    with pytest.raises(Problem) as caught:
        filled.post("refresh", filled.mount())
    assert (caught.value.status, caught.value.document["type"]) == (503, "urn:fustor:problem:nobody-looks")
    assert filled.agent is not None
    filled.agent.kill()
    eventually(lambda: not filled.get("/v1/sessions")["data"])
    ran = command(filled, "ls", "--fresh", "/data/c")
    assert (ran.returncode, ran.stdout) == (5, "")
    assert "no agent serves root data" in ran.stderr


def test_what_is_not_there_is_told_as_ever(filled: System) -> None:
    assert command(filled, "stat", "--fresh", "/data/none").returncode == 1
    assert command(filled, "ls", "--fresh", "/nowhere").returncode == 1
    (filled.root / "appears").write_bytes(b"x")
    assert command(filled, "stat", "--fresh", "-c", "%s", str(filled.root / "appears")).stdout == "1\n"
