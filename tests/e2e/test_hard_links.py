"""A change through one name of a file raises no event at its other names: fusion has them looked at."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fustor_core.times import parse_instant
from tests.e2e.system import System
from tests.polling import eventually


@pytest.fixture
def linked(system: System) -> System:
    """Files with two names each, in two directories."""
    for directory in ("one", "two", "far/deep"):
        (system.root / directory).mkdir(parents=True)
    for number in range(10):
        file = system.root / "one" / f"f{number}"
        file.write_bytes(b"x")
        os.link(file, system.root / "two" / f"g{number}")
    (system.root / "single").write_bytes(b"s")
    (system.root / "far" / "lonely").write_bytes(b"l")
    system.fusion_extra = {"settled": {"quiet": 0}}  # nothing is looked at again for having changed a moment ago
    system.start()
    system.wait_complete()
    system.wait_equal()
    return system


def session(system: System) -> dict[str, Any]:
    """The one session that stands."""
    [found] = system.get("/v1/sessions")["data"]
    return dict(found)


def test_what_is_done_through_one_name_shows_at_the_others(linked: System) -> None:
    one, two = linked.root / "one", linked.root / "two"
    with (two / "g0").open("ab") as file:
        file.write(b"more")
    linked.wait_equal()
    (two / "g1").chmod(0o600)
    os.utime(two / "g2", ns=(0, 1))
    os.truncate(one / "f3", 100)
    linked.wait_equal()


def test_links_that_come_and_go_are_counted_at_every_name(linked: System) -> None:
    root = linked.root
    os.link(root / "single", root / "far" / "deep" / "second")
    linked.wait_equal()
    os.link(root / "far" / "lonely", root / "one" / "lonely")
    os.link(root / "two" / "g4", root / "far" / "third")
    linked.wait_equal()
    (root / "two" / "g5").unlink()
    (root / "one" / "f6").write_bytes(b"through the first")
    os.replace(root / "far" / "third", root / "two" / "g7")
    linked.wait_equal()


def test_a_directory_that_is_removed_takes_its_names_along(linked: System) -> None:
    for file in (linked.root / "two").iterdir():
        file.unlink()
    (linked.root / "two").rmdir()
    linked.wait_equal()
    assert {entry["nlink"] for entry in linked.all_entries() if entry["type"] == "file"} == {1}


def test_a_directory_that_leaves_the_tree_leaves_the_other_names_as_they_are(linked: System, tmp_path: Path) -> None:
    (linked.root / "two").rename(tmp_path / "elsewhere")
    linked.wait_equal()
    with (linked.root / "one" / "f0").open("ab") as file:
        file.write(b"y")
    linked.wait_equal()


def test_nothing_is_asked_for_ever(linked: System) -> None:
    """A name outside of the root is never found; the count of batches shows that nobody goes on looking for it."""
    os.link(linked.root / "single", linked.directory / "outside-of-the-root")
    (linked.root / "single").write_bytes(b"known by now to have two names")
    linked.wait_equal()
    before = session(linked)
    seconds = parse_instant(before["last_heard"])[0]
    eventually(lambda: parse_instant(session(linked)["last_heard"])[0] > seconds + 4, within=15)
    assert session(linked)["acknowledged"] <= before["acknowledged"] + 1


def test_as_of_waits_until_the_other_names_have_been_looked_at(linked: System) -> None:
    """Whatever `as_of` covers is in the answer, also where it was written through another name."""
    target = linked.root / "two" / "g8"
    for size in range(2, 14):
        with target.open("ab") as file:
            file.write(b"y")
        written = os.stat(target).st_ctime_ns
        assert (eventually(partial(size_as_of, linked, written), within=10) or 0) >= size


def size_as_of(system: System, written: int) -> int | None:
    """The size of the other name in an answer that covers a change at `written` (wall-clock ns); None while none does."""
    answer = system.query("stat", system.mount(b"one/f8"))
    as_of = answer["meta"]["as_of"]
    seconds, nanoseconds = parse_instant(as_of) if as_of else (0, 0)
    # The clock of the kernel's times ticks every few milliseconds.
    return int(answer["data"]["size"]) if seconds * 10**9 + nanoseconds > written + 10_000_000 else None
