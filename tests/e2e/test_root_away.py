"""A root that is away, or that is another: nothing is lost by it, and it comes back by itself or when an operator says so."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import KEY, Problem, System, ask
from tests.polling import eventually

FILES = 60
MESSAGE = "RUNNING | MESSAGE_SYNC"


def fill(root: Path) -> None:
    for number in range(FILES):
        directory = root / f"d{number % 7}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}").write_bytes(b"x" * number)


def at_the_agent(system: System) -> Any:  # JSON
    return system.get(f"/v1/pipes/{system.pipe}", port=system.agent_port, key=None)["data"]


def gone(system: System, words: str = "") -> Any:  # JSON
    """The pipe as the agent shows it, once its root is known to be gone, for a reason with these words."""

    def look() -> Any:
        pipe = at_the_agent(system)
        return any(each["type"] == "root-gone" and words in each["message"] for each in pipe["conditions"]) and pipe

    return eventually(look, within=30, what="root-gone")


def is_shown_stale(system: System, before: object) -> None:
    """The view still holds what it held, and does not say that it is complete."""
    assert system.in_view() == before
    eventually(lambda: system.meta()["complete"] is False)


def wait_back(system: System) -> None:
    eventually(lambda: system.state() == MESSAGE and at_the_agent(system)["health"] == "Healthy", within=30, what="it is back")
    (system.root / "written after it was back").write_bytes(b"x")
    system.wait_equal(within=30)


@pytest.fixture
def live(system: System) -> System:
    fill(system.root)
    system.start()
    system.wait_equal()
    return system


@pytest.fixture
def mounts() -> Iterator[Callable[..., None]]:
    """Mounts something, where that is permitted; unmounted with the test, however often."""
    done: list[Path] = []

    def mount(place: Path, *arguments: str) -> None:
        if shutil.which("mount") is None or subprocess.run(["mount", *arguments, place], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not permitted here")
        done.append(place)

    yield mount
    for place in done:
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def test_a_root_that_is_renamed_away_and_back(live: System) -> None:
    before = live.in_view()
    away = live.root.rename(live.root.with_name("away"))
    assert gone(live, "does not exist")["pipe_state"] == "RUNNING | RECONNECTING"
    is_shown_stale(live, before)
    away.rename(live.root)
    wait_back(live)


def test_an_agent_that_starts_while_its_root_is_away_waits_for_it(live: System) -> None:
    before = live.in_view()
    assert live.agent is not None
    live.agent.stop()
    away = live.root.rename(live.root.with_name("away"))
    live.start_agent()
    pipe = gone(live, "does not exist")
    assert (pipe["pipe_state"], pipe["health"]) == ("RUNNING | RECONNECTING", "Critical")
    assert live.agent.alive
    live.root.touch()
    gone(live, "is no directory")
    is_shown_stale(live, before)
    live.root.unlink()
    away.rename(live.root)
    wait_back(live)


def test_a_root_that_never_was_is_a_mistake_in_the_settings(system: System) -> None:
    system.start_fusion()
    system.root.rmdir()
    agent = system.start_agent()
    eventually(lambda: not agent.alive)
    assert agent.stop() == 2
    assert "does not exist; create it, or correct the path" in agent.log.read_text()


@pytest.mark.parametrize(("kind", "running"), [("tmpfs", True), ("bind", False)], ids=["tmpfs, running", "bind, restarted"])
def test_a_root_that_is_unmounted_lazily_and_mounted_again(
    make_system: Callable[..., System], mounts: Callable[..., None], tmp_path: Path, kind: str, running: bool
) -> None:
    """An unmounted mount point is an empty directory: it must not be taken for the root."""
    disk, root = tmp_path / "disk", tmp_path / "mount-point"
    disk.mkdir()
    root.mkdir()
    if kind == "tmpfs":
        mounts(disk, "-t", "tmpfs", "none")
    mounts(root, "--bind", str(disk))
    fill(root)
    live = make_system(root=root).start()
    live.wait_equal()
    before = live.in_view()
    assert live.agent is not None
    if not running:
        live.agent.stop()
    subprocess.run(["umount", "-l", root], check=True)
    if not running:
        live.start_agent()
    gone(live, "is not what it was")
    is_shown_stale(live, before)
    types = [each["type"] for each in live.meta()["conditions"]]
    assert "identity-changed" in types
    mounts(root, "--bind", str(disk))
    wait_back(live)
    assert live.meta()["conditions"] == []


def confirm(system: System, key: str = KEY) -> Any:  # JSON
    return ask("POST", system.port, f"/v1/pipes/{system.pipe}/confirm", {"Authorization": f"Bearer {key}"})["data"]


def test_another_root_is_confirmed_as_soon_as_the_pipe_says_that_its_root_is_gone(live: System) -> None:
    live.root.rename(live.directory / "elsewhere")
    live.root.mkdir()
    (live.root / "new").write_bytes(b"x")

    def shown() -> bool:
        pipe = live.get(f"/v1/pipes/{live.pipe}")["data"]
        return any(each["type"] == "root-gone" for each in pipe["conditions"])

    eventually(shown, within=30, what="root-gone at fusion")
    assert confirm(live)["id"] == live.pipe
    eventually(lambda: live.state() == MESSAGE, within=30)
    live.wait_equal(within=30)


def test_another_root_waits_until_an_operator_confirms_it(live: System) -> None:
    with pytest.raises(Problem) as caught:
        confirm(live)
    assert (caught.value.status, caught.value.document["allowed"]) == (409, [])
    before = live.in_view()
    old = live.root.rename(live.root.with_name("old"))
    live.root.mkdir()
    (live.root / "new").write_bytes(b"new")
    [condition] = gone(live, "is not what it was")["conditions"]
    assert condition["remedy"].endswith(f"fustor pipe confirm {live.pipe}")
    is_shown_stale(live, before)
    # Neither side forgets it.
    for process in (live.agent, live.fusion):
        assert process is not None
        process.stop()
    live.start()
    gone(live, "is not what it was")
    is_shown_stale(live, before)
    command = [sys.executable, "-m", "fustor_core.cli", "pipe", "confirm", live.pipe, "--reason", "a new disk"]
    done = subprocess.run(
        command, env={**os.environ, "FUSTOR_URL": live.url, "FUSTOR_KEY": KEY}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wait_back(live)
    assert set(live.in_view()) == {b"", b"new", b"written after it was back"}
    assert live.agent is not None
    live.agent.stop()
    live.start_agent()
    wait_back(live)
    # And the old one is another by now.
    shutil.rmtree(live.root)
    old.rename(live.root)
    gone(live, "is not what it was")


def test_an_agent_remembers_its_root_for_a_fusion_that_does_not(live: System) -> None:
    for process in (live.agent, live.fusion):
        assert process is not None
        process.stop()
    shutil.rmtree(live.directory / "fusion")
    old = live.root.rename(live.root.with_name("old"))
    live.root.mkdir()
    live.start()
    gone(live, "is not what it was")
    assert set(live.in_view()) <= {b""}
    live.root.rmdir()
    old.rename(live.root)
    wait_back(live)
