"""Changes that race with their being read: at rest the view equals the disk all the same."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.system import System


@pytest.fixture
def live(system: System) -> System:
    for directory in ("a/deep/deeper", "b", "c/x/y/z"):
        (system.root / directory).mkdir(parents=True)
        for number in range(30):
            (system.root / directory / f"f{number}").write_bytes(b"x")
    system.start()
    system.wait_complete()
    return system


def at_once(*programs: str) -> None:
    """Run pieces of Python as processes side by side, until all have ended."""
    running = [subprocess.Popen([sys.executable, "-c", "import os, shutil\n" + program]) for program in programs]
    for process in running:
        assert process.wait(60) == 0


QUIETLY = """
def quietly(call, *arguments):
    try:
        call(*arguments)
    except OSError:
        pass
"""


def test_a_symlink_takes_the_place_of_a_directory_while_its_children_change(live: System, tmp_path: Path) -> None:
    """Nothing outside of the root is ever seen through it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"never seen")
    swap = f"""{QUIETLY}
for turn in range(400):
    quietly(os.rename, {str(live.root / "a")!r}, {str(tmp_path / "kept")!r})
    quietly(os.symlink, {str(outside)!r}, {str(live.root / "a")!r})
    quietly(os.unlink, {str(live.root / "a")!r})
    quietly(os.rename, {str(tmp_path / "kept")!r}, {str(live.root / "a")!r})
"""
    write = f"""{QUIETLY}
for turn in range(2000):
    quietly(lambda: open({str(live.root / "a")!r} + f"/f{{turn % 40}}", "w").write("x" * turn))
"""
    at_once(swap, write)
    live.wait_equal()
    assert not [path for path in live.in_view() if path.endswith(b"secret")]


def test_names_change_places_in_one_burst(live: System) -> None:
    root = live.root
    for turn in range(100):
        (root / "a").rename(root / "b2")
        (root / "c").rename(root / "a")
        (root / "b2").rename(root / "c")
        (root / "a" / f"t{turn % 7}").write_bytes(b"x" * turn)
    live.wait_equal()


def test_renames_below_directories_that_are_renamed(live: System) -> None:
    above = f"""{QUIETLY}
for turn in range(500):
    quietly(os.rename, {str(live.root / "c")!r}, {str(live.root / "renamed")!r})
    quietly(os.rename, {str(live.root / "renamed")!r}, {str(live.root / "c")!r})
"""
    below = f"""{QUIETLY}
for turn in range(500):
    for top in ("c", "renamed"):
        base = {str(live.root)!r} + "/" + top + "/x"
        quietly(os.rename, base + "/y", base + "/w")
        quietly(os.mkdir, base + f"/w/new{{turn % 5}}")
        quietly(os.rename, base + "/w", base + "/y")
        quietly(os.rename, base + f"/y/new{{turn % 5}}", {str(live.root)!r} + f"/b/n{{turn % 3}}")
"""
    at_once(above, below)
    live.wait_equal()


def test_a_directory_that_is_renamed_while_it_is_listed(system: System) -> None:
    for number in range(3_000):
        path = system.root / "large" / f"d{number % 100}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    system.start()
    for _ in range(40):
        for old, new in (("large", "larger"), ("larger/d1", "larger/e1"), ("larger/e1", "larger/d1"), ("larger", "large")):
            (system.root / old).rename(system.root / new)
        subprocess.run(["cp", "-r", str(system.root / "large" / "d2"), str(system.root / "copy")], check=True)
        subprocess.run(["rm", "-rf", str(system.root / "copy")], check=True)
    system.wait_complete()
    system.wait_equal()


def test_removal_that_races_with_creation(live: System) -> None:
    where = str(live.root / "busy")
    create = f"""{QUIETLY}
for turn in range(1500):
    quietly(os.makedirs, {where!r} + f"/{{turn % 5}}/{{turn % 3}}")
    quietly(lambda: open({where!r} + f"/{{turn % 5}}/{{turn % 3}}/f{{turn % 11}}", "w").write("x" * turn))
"""
    remove = f"""
for turn in range(150):
    shutil.rmtree({where!r}, ignore_errors=True)
"""
    at_once(create, create, remove)
    live.wait_equal()


@pytest.mark.parametrize("kind", ["file", "directory", "symlink"])
def test_one_name_that_changes_what_it_is(live: System, kind: str) -> None:
    last: dict[str, Callable[[Path], object]] = {
        "file": lambda path: path.write_bytes(b"last"),
        "directory": Path.mkdir,
        "symlink": lambda path: path.symlink_to("."),
    }
    name = live.root / "b" / "name"
    for turn in range(200):
        list(last.values())[turn % 3](name)
        name.rmdir() if name.is_dir() and not name.is_symlink() else name.unlink()
    last[kind](name)
    live.wait_equal()
    assert os.path.lexists(name)
