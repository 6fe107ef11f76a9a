"""What agents tell of their pipes: whatever it is, all pipes can be shown."""

import pytest

from fustor_core.errors import MalformedInput
from fustor_core.wire import Transition
from fustor_fusion.board import Board
from fustor_fusion.feed import Feed


@pytest.fixture
def feed() -> Feed:
    return Feed("run")


@pytest.fixture
def board(feed: Feed) -> Board:
    return Board(1.0, feed)


def step(version: int, value: int) -> Transition:
    return Transition(version, version, ["START"], value, "Active", "Running", "Healthy", "")


def test_a_pipe_is_shown_from_its_first_step_on(board: Board, feed: Feed) -> None:
    board.told("nas", "p", "run", [step(0, 0), step(1, 66)])
    board.told("nas", "p", "run", [step(1, 66), step(2, 4)])
    assert [(pipe.id, pipe.pipe_state, pipe.version) for pipe in board.all()] == [("nas:p", "PAUSED", 2)]
    assert board.known("nas", "run") == {"p": 2}
    assert feed.last == 3


def test_a_pipe_that_has_told_of_no_step_is_not_there(board: Board) -> None:
    board.told("rogue", "p", "run", [])
    board.look()
    assert board.all() == []
    assert board.get("rogue:p") is None
    assert board.history("rogue:p") is None


@pytest.mark.parametrize("value", [2048, 4096 + 66, 2**63 - 1])
def test_a_state_that_no_pipe_can_have_is_refused_with_all_that_came_with_it(board: Board, feed: Feed, value: int) -> None:
    with pytest.raises(MalformedInput, match="no state of a pipe"):
        board.told("rogue", "p", "run", [step(0, 0), step(1, value)])
    assert (board.all(), feed.last) == ([], 0)
