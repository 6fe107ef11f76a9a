"""A loss of most of a root is believed when a second look says the same, and a move is no loss."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.system import System
from tests.e2e.test_root_away import confirm, mounts
from tests.polling import eventually

__all__ = ["mounts"]

FILES = 1500
GUARD = {"delay": "2s"}
FOR_EVER = {"delay": "1h"}


def fill(system: System, directories: int = 3, files: int = FILES) -> None:
    for number in range(directories):
        (system.root / f"d{number}").mkdir()
    for number in range(files):
        (system.root / f"d{number % directories}" / f"f{number}").touch()


def held_back(system: System) -> list[dict[str, Any]]:
    return [each for each in system.meta()["conditions"] if "held back" in each["message"]]


def test_a_true_mass_deletion_is_applied_after_the_second_look(system: System) -> None:
    system.fusion_extra = {"guard": GUARD}
    fill(system)
    system.start()
    system.wait_complete()
    before = eventually(lambda: system.meta()["as_of"])
    for directory in ("d0", "d1", "d2"):
        shutil.rmtree(system.root / directory)
    eventually(lambda: held_back(system))
    meta = system.meta()
    assert meta["complete"] is False
    assert meta["as_of"] is not None
    assert len(system.in_view()) > FILES / 3
    system.wait_equal(within=40)
    eventually(lambda: system.meta()["as_of"] > before and system.meta()["conditions"] == [], within=30)
    (system.root / "small").touch()
    system.wait_equal()
    (system.root / "small").unlink()
    system.wait_equal(within=5)


def test_what_was_deleted_while_nobody_watched_is_held_back_over_restarts_until_an_operator_confirms(system: System) -> None:
    system.fusion_extra = {"guard": FOR_EVER}
    fill(system)
    system.start()
    system.wait_complete()
    before = system.in_view()
    assert system.agent is not None
    system.agent.stop()
    for directory in ("d0", "d1"):
        shutil.rmtree(system.root / directory)
    system.start_agent()
    eventually(lambda: held_back(system), within=30)
    assert system.fusion is not None
    system.fusion.stop()
    system.start_fusion()
    assert system.in_view().keys() == before.keys()
    eventually(lambda: held_back(system))
    eventually(lambda: system.get("/v1/sessions")["data"], within=20)
    eventually(lambda: confirm(system), within=20)
    system.wait_equal(within=30)
    assert not held_back(system)


def test_less_than_half_and_a_small_root_are_at_once(make_system: Callable[..., System]) -> None:
    for files, gone in ((FILES, ("d0",)), (300, ("d0", "d1", "d2"))):
        system = make_system()
        system.fusion_extra = {"guard": FOR_EVER}
        fill(system, files=files)
        system.start()
        system.wait_complete()
        for directory in gone:
            shutil.rmtree(system.root / directory)
        system.wait_equal()


def test_what_is_moved_is_not_lost(system: System) -> None:
    """Whole, one by one, within the directory, while the agent is away, and there and back."""
    system.fusion_extra = {"guard": FOR_EVER}
    fill(system, directories=1)
    system.start()
    system.wait_complete()
    moved = (system.root / "d0").rename(system.root / "moved")
    system.wait_equal(within=30)
    (system.root / "into").mkdir()
    for name in os.listdir(moved):
        os.rename(moved / name, system.root / "into" / name)
    system.wait_equal(within=30)
    for name in os.listdir(system.root / "into"):
        os.rename(system.root / "into" / name, system.root / "into" / f"new {name}")
    system.wait_equal(within=30)
    assert system.agent is not None
    system.agent.stop()
    (system.root / "into").rename(moved / "below")
    system.start_agent()
    system.wait_complete()
    system.wait_equal(within=30)
    for _ in range(3):
        (moved / "below").rename(system.root / "there")
        (system.root / "there").rename(moved / "below")
    system.wait_equal(within=30)


def test_files_that_come_and_go_are_no_loss(system: System) -> None:
    system.fusion_extra = {"guard": {**FOR_EVER, "min_entries": 50}}
    fill(system, files=100)
    system.start()
    system.wait_complete()
    for turn in range(8):
        for number in range(20):
            (system.root / f"{turn}-{number}").touch()
        system.wait_equal()
        for number in range(20):
            (system.root / f"{turn}-{number}").unlink()
        system.wait_equal()


def below(system: System) -> set[bytes]:
    """What the view has in the nested mount."""
    return {path for path in system.in_view() if path.startswith(b"nested/")}


@pytest.mark.parametrize("lazily", [True, False], ids=["lazily", "with notice"])
def test_a_nested_mount_that_is_away_is_held_back_whatever_its_size(
    make_system: Callable[..., System], mounts: Callable[..., None], lazily: bool
) -> None:
    system = make_system(cross_mounts=True)
    system.fusion_extra = {"guard": FOR_EVER}
    fill(system, files=30)
    nested = system.root / "nested"
    nested.mkdir()
    mounts(nested, "-t", "tmpfs", "none")
    (nested / "in it").touch()
    (nested / "sub").mkdir()
    system.start()
    system.wait_complete()
    (nested / "in it").rename(nested / "renamed")
    eventually(lambda: {b"nested/renamed", b"nested/sub"} == below(system))
    keep = os.open(nested, os.O_RDONLY) if lazily else None
    subprocess.run(["umount", *(["-l"] if lazily else []), nested], check=True)
    system.post("refresh", system.mount(), recursive="true")
    eventually(lambda: held_back(system))
    assert {b"nested/renamed", b"nested/sub"} == below(system)
    if keep is not None:
        os.close(keep)
    mounts(nested, "-t", "tmpfs", "none")
    (nested / "in it").touch()
    eventually(lambda: confirm(system))
    eventually(lambda: {b"nested/in it"} == below(system) and system.meta()["complete"], within=30)
