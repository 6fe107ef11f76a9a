"""When the leader of a root is asked for directories that it has not listed."""

import asyncio
from collections.abc import Sequence

import pytest

from fustor_core.evidence import Listing
from fustor_core.wire import Identity, Via
from fustor_fusion.roots.unlisted import FIRST_REST, Unlisted
from fustor_fusion.stores import Contribution
from fustor_fusion.stores.memory import MemoryStore
from tests.oracle import entry_of

DIRECTORY = entry_of("d", 1)


class Leader:
    """An agent that leads a root, what it is asked to list, and the time."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.time = 100.0
        self.unlisted = Unlisted("root", self.store, lambda: self.time)
        self.asked: list[list[bytes]] = []
        self._frames = dict.fromkeys(("leader", "follower"), 0)
        for agent in self._frames:
            self.store.open_session(agent, "run", "session", Identity("ext4", "0123", 2), 1)
        self.says("leader", Listing(b"", 10, {}), begins=Via.SNAPSHOT)

    def says(self, agent: str, *evidence: Listing, begins: Via | None = None) -> None:
        self._frames[agent] += 1
        since = 1 if agent == "leader" else None
        one = Contribution(agent, "run", "session", self._frames[agent], Via.LIVE, evidence, watching_since=since, begins=begins)
        self.store.commit([one], 1000, 0)

    async def _ask(self, paths: Sequence[bytes], directories: Sequence[bytes], recursive: bool) -> None:
        assert (list(paths), recursive) == ([], False)
        self.asked.append(sorted(directories))

    def look(self, now: int, told_to: int) -> list[list[bytes]]:
        """What is asked for at this moment."""
        self.asked = []
        asyncio.run(self.unlisted.run_once(now, told_to, self._ask))
        return self.asked


@pytest.fixture
def leader() -> Leader:
    return Leader()


def test_what_a_follower_has_found_is_asked_for_once_the_leader_has_told_all_that_it_noticed(leader: Leader) -> None:
    assert leader.look(20, 19) == []
    leader.says("follower", Listing(b"new", 30, {b"below": DIRECTORY}))
    assert leader.look(40, 39) == []
    assert leader.look(50, 40) == []
    assert leader.look(60, 41) == [[b"new", b"new/below"]]


def test_what_the_leader_lists_by_itself_is_not_asked_for(leader: Leader) -> None:
    leader.says("leader", Listing(b"", 30, {b"new": DIRECTORY}))
    assert leader.look(40, 39) == []
    leader.says("leader", Listing(b"new", 41, {}))
    assert leader.look(60, 50) == []
    # What is lacking from here on may still be on its way, too.
    leader.says("leader", Listing(b"", 61, {b"new": DIRECTORY, b"newer": DIRECTORY}))
    assert leader.look(70, 69) == []


def test_what_an_answer_has_not_made_listed_is_asked_for_less_and_less_often(leader: Leader) -> None:
    leader.says("follower", Listing(b"new", 30, {}))
    leader.look(40, 39)
    rests: list[float] = []
    now, last = 50, leader.time
    while len(rests) < 6:
        leader.time += FIRST_REST / 4
        now += 10
        if leader.look(now, now - 1):
            rests.append(leader.time - last)
            last = leader.time
    assert rests == sorted(rests)
    assert rests[-1] > 8 * FIRST_REST
    leader.says("leader", Listing(b"new", 1_000, {}))
    leader.time += rests[-1] * 4
    assert leader.look(2_000, 1_999) == []
