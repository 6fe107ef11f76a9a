"""What only a follower has found is listed by the leader too, soon and by itself: before, no answer is complete."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fustor_core.wire import Verb
from tests.e2e.system import ask
from tests.integration.fault_rig import ROOT_NAME, Rig
from tests.polling import eventually


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.end()


def complete(rig: Rig) -> bool:
    answer: bool = ask("GET", rig.port, f"/v1/views/default/stat?path=/{ROOT_NAME}", {})["meta"]["complete"]
    return answer


def leader(rig: Rig) -> int:
    """The number of the agent that leads."""
    roots = ask("GET", rig.port, "/v1/views/default/roots", {})["data"]
    return int(roots[0]["leader"].removeprefix("agent-"))


def holds(rig: Rig, path: bytes) -> bool:
    with rig.store.reading() as reading:
        return reading.find(path) is not None


def test_directories_of_which_no_event_reached_the_leader(rig: Rig) -> None:
    eventually(lambda: complete(rig), within=30)
    follower = rig.agents[1 - leader(rig)]
    eventually(lambda: len(ask("GET", rig.port, "/v1/sessions", {})["data"]) == 2, within=30)
    rig.tree.make(b"a", silent=True)
    rig.tree.make(b"a/b", silent=True)
    rig.tree.write(b"a/b/c", 7, silent=True)
    assert follower.pipe is not None
    rig.run(follower.pipe.act(Verb.SNAPSHOT))
    eventually(lambda: holds(rig, b"a/b/c"), within=30)
    eventually(lambda: complete(rig), within=30)
