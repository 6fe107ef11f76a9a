"""When a session is told that a file is being written, and that it is no longer."""

from hypothesis import given
from hypothesis import strategies as st

from fustor_agent.noticing.writing import AT_ONCE, WritingNews


def test_that_it_is_being_written_is_told_at_once_and_that_it_is_not_after_what_was_written() -> None:
    news = WritingNews()
    news.note({b"f": True}, 10)
    assert news.take(oldest=10) == [(b"f", True)]
    news.note({b"f": False}, 20)
    assert news.take(oldest=10) == []
    assert news.take(oldest=20) == []
    assert news.take(oldest=21) == [(b"f", False)]
    assert news.take(oldest=None) == []


def test_what_a_session_was_never_told_needs_no_taking_back() -> None:
    news = WritingNews()
    news.note({b"f": True}, 10)
    news.note({b"f": False, b"g": None}, 11)
    assert news.take(oldest=1) == [(b"f", False)]
    news.note({b"f": None}, 12)
    assert news.take(oldest=1) == [(b"f", None)]


def test_a_file_that_is_opened_again_meanwhile_was_never_closed_for_anyone() -> None:
    news = WritingNews()
    news.note({b"f": True}, 10)
    news.take(oldest=10)
    news.note({b"f": False}, 20)
    news.note({b"f": True}, 21)
    assert news.take(oldest=None) == []


def test_a_new_session_is_told_everything() -> None:
    news = WritingNews()
    news.note({b"open": True, b"closed": False, b"gone": True}, 10)
    news.take(oldest=None)
    news.note({b"gone": None}, 11)
    news.begin(30)
    assert news.take(oldest=20) == [(b"open", True)]
    assert news.take(oldest=None) == [(b"closed", False)]


def test_when_nothing_is_watched_any_more_nothing_is_known() -> None:
    news = WritingNews()
    news.note({b"open": True, b"closed": False}, 10)
    news.take(oldest=None)
    news.forget(20)
    assert news.take(oldest=20) == [(b"closed", None)]
    assert news.take(oldest=None) == [(b"open", None)]


def test_a_batch_is_not_filled_by_it() -> None:
    news = WritingNews()
    news.note({b"%04d" % number + b"x" * 1000: True for number in range(1000)}, 1)
    taken = []
    while batch := news.take(oldest=None):
        assert sum(len(path) for path, _ in batch) <= AT_ONCE + 1100
        taken += batch
    assert len(taken) == len(dict(taken)) == 1000


STEPS = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.sampled_from([True, False, None]), max_size=3),
        st.sampled_from(["take", "new session"]),
    ),
    max_size=40,
)


@given(STEPS)
def test_in_the_end_a_session_knows_what_is_known(steps: list[dict[bytes, bool | None] | str]) -> None:
    news, truth, told = WritingNews(), dict[bytes, bool | None](), dict[bytes, bool | None]()
    for now, step in enumerate([*steps, "take"], start=1):
        if step == "take":
            told |= news.take(oldest=None)
        elif isinstance(step, dict):
            news.note(step, now)
            truth |= step
        else:
            news.begin(now)
            told = {}
    known = {path: writing for path, writing in truth.items() if writing is not None}
    assert {path: writing for path, writing in told.items() if writing is not None} == known
