"""What has to be true when the writers rest."""

import os
import random
import time

from tests.disk import Thing, on_disk
from tests.e2e.system import System, difference
from tests.e2e.test_steering import act
from tests.polling import eventually

UNTOLD = 3.0
"""Seconds after which what an event should have told of would have been told."""


def check_equal(system: System, linked: set[int], within: float = 15.0) -> None:
    """View and disk agree in every field. `linked` are the inodes that were given further names.

    One thing no event tells of: a link that is made and gone again, or moved out of the tree, before anybody could look at it. The file
    that it was made of, and that alone, may have other attributes than the view has of it, until an audit comes by.
    """
    since = time.monotonic()
    untold: list[bytes] = []

    def rests() -> bool:
        nonlocal since
        try:
            untold[:] = differing(system, linked)
        except AssertionError:
            since = time.monotonic()
            raise
        return not untold or time.monotonic() - since > UNTOLD

    eventually(rests, within=within, what="view and disk agree")
    assert len(untold) <= max(5, len(linked) // 10)
    if untold:
        act(system, "audit", leading_pipe(system))
    system.wait_equal(within=60)


def leading_pipe(system: System) -> str:
    """The pipe of the agent that lists the root."""
    [leading] = [each["agent"] for each in system.get("/v1/sessions")["data"] if each["role"] == "leader"]
    return f"{leading}:{system.name}"


def differing(system: System, linked: set[int]) -> list[bytes]:
    """The paths of linked files of which the view has other attributes; AssertionError where anything else differs."""
    disk, view = on_disk(os.fsencode(system.root)), system.in_view()
    found = [path for path, thing in disk.items() if path in view and view[path] != thing and thing.inode in linked]
    for path in found:
        disk.pop(path)
        view.pop(path)
    assert disk == view, difference(disk, view)
    return found


def check_at_rest(system: System, linked: set[int], within: float = 30.0) -> None:
    """View and disk agree, totals included: those of the root, and of some directories."""
    system.wait_complete()
    check_equal(system, linked, within)
    disk = on_disk(os.fsencode(system.root))
    directories = sorted(path for path, thing in disk.items() if thing.type == "dir")
    for path in [b"", *random.Random(len(disk)).sample(directories, min(5, len(directories)))]:
        check_totals(system, path, disk)


def check_totals(system: System, path: bytes, disk: dict[bytes, Thing]) -> None:
    """What fusion says of a directory and all below it is the sum of what is on disk."""
    below = [thing for each, thing in disk.items() if not path or each == path or each.startswith(path + b"/")]
    files = [thing for thing in below if thing.type == "file"]
    usage = system.query("usage", system.mount(path))["data"]
    assert {name: usage[name] for name in ("files", "directories", "others", "bytes", "allocated")} == {
        "files": len(files),
        "directories": sum(thing.type == "dir" for thing in below),
        "others": sum(thing.type not in ("file", "dir") for thing in below),
        "bytes": sum(thing.size for thing in files),
        "allocated": sum(thing.allocated for thing in below),
    }
