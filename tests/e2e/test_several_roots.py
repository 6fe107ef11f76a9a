"""Several roots side by side in a view, one root in several views, and a root that two agents serve."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import System
from tests.polling import eventually

VIEWS = {"lab": {"data": "/projects/data", "archive": "/archive"}, "only": {"data": "/"}}


@pytest.fixture
def lab(system: System, tmp_path: Path) -> System:
    """Root `data` of two agents, and root `archive` of the second of them."""
    system.fusion_extra = {"views": VIEWS}
    archive = tmp_path / "old things"
    archive.mkdir()
    for directory, files in ((system.root, 5), (archive, 3)):
        for number in range(files):
            (directory / f"f{number}").write_bytes(b"x" * 10)
    system.start()
    system.wait_complete()
    pipes = {name: {"root": name, "source": {"path": str(path)}} for name, path in (("data", system.root), ("archive", archive))}
    system.join("nas-2", extra={"pipes": pipes})
    eventually(lambda: all(root["complete"] for root in roots(system, "lab").values()) and system.roles().get("nas-2") == "follower")
    return system


def roots(system: System, view: str) -> dict[str, Any]:
    return {root["root"]: root for root in system.get(f"/v1/views/{view}/roots")["data"]}


def ask(system: System, view: str, what: str, path: str) -> Any:
    return system.get(f"/v1/views/{view}/{what}?path={path}")


def test_roots_stand_side_by_side_in_any_number_of_views(lab: System) -> None:
    shown = roots(lab, "lab")
    assert {name: (root["mount"], root["agents"], root["leader"], root["entries"]) for name, root in shown.items()} == {
        "data": ("/projects/data", ["nas-1", "nas-2"], "nas-1", 6),
        "archive": ("/archive", ["nas-2"], "nas-2", 4),
    }
    assert roots(lab, "only").keys() == {"data"}
    assert {name: root["mount"] for name, root in roots(lab, "default").items()} == {"data": "/data", "archive": "/archive"}
    # Side by side in one view; the other costs nothing.
    assert [entry["name"] for entry in ask(lab, "lab", "list", "/")["data"]] == ["archive", "projects"]
    assert ask(lab, "lab", "usage", "/")["data"]["files"] == 8
    assert ask(lab, "only", "usage", "/")["data"]["files"] == 5
    assert ask(lab, "only", "stat", "/f1")["data"]["root"] == "data"
    assert ask(lab, "lab", "stat", "/projects/data/f1")["data"]["inode"] == ask(lab, "only", "stat", "/f1")["data"]["inode"]
    assert sorted(file.name for file in (lab.directory / "fusion" / "roots").glob("*.db")) == ["archive.db", "data.db"]
    (lab.root / "new").write_bytes(b"x")
    eventually(lambda: ask(lab, "only", "stat", "/new")["data"]["size"] == 1)
    assert ask(lab, "lab", "stat", "/projects/data/new")["data"]["size"] == 1


def test_a_root_whose_agents_are_away_makes_only_those_answers_incomplete_that_it_is_in(lab: System) -> None:
    lab.others[0].running().kill()
    eventually(lambda: not roots(lab, "lab")["archive"]["complete"])
    assert ask(lab, "lab", "stat", "/projects/data")["meta"]["complete"] is True
    assert ask(lab, "only", "stat", "/")["meta"]["complete"] is True
    meta = ask(lab, "lab", "usage", "/")["meta"]
    assert meta["complete"] is False
    assert [(each["type"], each["message"].split(":")[0]) for each in meta["conditions"]] == [("agent-away", "archive")]
    assert roots(lab, "lab")["archive"]["leader"] is None
    assert roots(lab, "lab")["archive"]["entries"] == 4
