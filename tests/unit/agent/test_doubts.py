"""Directories that could not be read: when each is tried again."""

from fustor_agent.reading.doubts import DOES_NOT_ANSWER, FIRST, MOST, Doubts

DENIED = "permission denied"
SECOND = 1_000_000_000


def fail(doubts: Doubts, directory: bytes, now: int, reason: str = DENIED) -> bool:
    return doubts.failed(directory, reason, now, recursive=False)


def test_it_is_tried_soon_then_after_twice_the_pause_each_time_up_to_a_cap() -> None:
    doubts = Doubts()
    now, pauses = 0, []
    assert fail(doubts, b"d", now)
    for _ in range(14):
        began = now
        while not doubts.due(now):
            now += SECOND
        pauses.append((now - began) // SECOND)
        assert not fail(doubts, b"d", now)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300]


def test_success_begins_anew() -> None:
    doubts = Doubts()
    fail(doubts, b"d", 0)
    assert doubts.due(FIRST) == [(b"d", False)]
    fail(doubts, b"d", FIRST)
    doubts.settled(b"d")
    assert doubts.words() == ("", "")
    assert fail(doubts, b"d", 5 * MOST)
    assert doubts.due(5 * MOST + FIRST) == [(b"d", False)]


def test_word_that_was_not_asked_for_changes_no_pause() -> None:
    doubts = Doubts()
    for now in range(0, SECOND, SECOND // 100):
        fail(doubts, b"d", now)
    assert doubts.due(SECOND) == [(b"d", False)]
    assert doubts.due(SECOND) == []


def test_whoever_asks_has_it_tried_at_once() -> None:
    doubts = Doubts()
    fail(doubts, b"d", 0, DOES_NOT_ANSWER)
    assert doubts.hangs(b"d")
    doubts.hurry(b"d", 5)
    assert doubts.due(5) == [(b"d", False)]
    doubts.hurry(b"d", 6)
    assert doubts.due(6) == []
    fail(doubts, b"d", 7)
    assert not doubts.hangs(b"d")


def test_one_in_which_readings_hang_is_not_tried_before_one_of_them_comes_back() -> None:
    doubts = Doubts()
    fail(doubts, b"d", 0, DOES_NOT_ANSWER)
    doubts.stuck(b"d")
    now = MOST
    assert doubts.due(now) == [(b"d", False)]
    fail(doubts, b"d", now, DOES_NOT_ANSWER)
    doubts.stuck(b"d")
    for _ in range(100):
        now += MOST
        assert doubts.due(now) == []
    doubts.came_back(b"d", now)
    assert doubts.due(now) == [(b"d", False)]


def test_one_that_was_tried_and_of_which_nothing_was_said_is_forgotten() -> None:
    doubts = Doubts()
    fail(doubts, b"gone", 0)
    fail(doubts, b"waits", 0)
    doubts.hurry(b"gone", 0)
    assert doubts.due(0) == [(b"gone", False)]
    doubts.tried([b"gone", b"waits", b"never heard of"])
    assert doubts.words()[0] == "1 directory could not be read, for example /waits: permission denied"


def test_what_hangs_is_named_first() -> None:
    doubts = Doubts()
    fail(doubts, b"a", 0)
    fail(doubts, b"b", 0, DOES_NOT_ANSWER)
    message, remedy = doubts.words()
    assert message == "2 directories could not be read, for example /b: it does not answer"
    assert remedy.startswith("see whether the file system there hangs")
    doubts.settled(b"b")
    assert doubts.words()[1].startswith("let the user that the agent runs as read them")
    doubts.settled(b"a")
    fail(doubts, b"c", 0, "the disk or its connection fails (input/output error)")
    assert doubts.words()[1].startswith("see to what is said of it")


def test_too_many_are_folded_into_those_above_and_none_is_lost() -> None:
    doubts = Doubts(bound=100)
    for number in range(1000):
        fail(doubts, b"%d/%d/%d" % (number % 3, number % 30, number), number)
    due = doubts.due(2 * MOST)
    assert len(due) <= 101
    for number in range(1000):
        path = b"%d/%d/%d" % (number % 3, number % 30, number)
        assert any(path == each or (recursive and path.startswith(each + b"/")) for each, recursive in due), path
    assert doubts.words()[0].startswith("1,000 directories could not be read")


def test_a_path_of_any_length_leaves_the_message_readable() -> None:
    doubts = Doubts()
    fail(doubts, b"top/" + b"d" * 60_000 + b"/bottom", 0)
    message = doubts.words()[0]
    assert len(message) < 300
    assert "for example /top/ddd" in message
    assert message.endswith("ddd/bottom: permission denied")
