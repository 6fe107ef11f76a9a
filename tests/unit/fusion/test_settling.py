"""What is settled, and what nobody can know of: each rule by itself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.evidence import Entry, Kind
from fustor_fusion.query import Found
from fustor_fusion.sessions.writing import Writing, WritingTable
from fustor_fusion.settling import Settling, settles_at
from fustor_fusion.stores import RootRecord
from fustor_fusion.trust import LiveRoot, Pending, Reason

S = 1_000_000_000
EPOCH = 1_800_000_000 * S
QUIET = 10 * S
CHANGED = 100 * S
RECORD = RootRecord("clock", 0, 0, 1, "nas-1", 1, 0, 0, 0)


def times(mtime: float, ctime: float) -> Entry:
    """A file with times on the same clock as stamps, in seconds."""
    at = [divmod(int(EPOCH + second * S), S) for second in (mtime, ctime)]
    return Entry(0o100644, 1, 512, 0, 0, 1, 7, *at[0], *at[1])


FILE = Found(b"d/f", Kind.FILE, times(100, 100), CHANGED, "live", CHANGED, fresh=True)
DIRECTORY = Found(b"d", Kind.DIRECTORY, replace(FILE, entry=times(50, 50)).entry, 50 * S, "live", CHANGED, fresh=True)


def told(**files: bool | None) -> Writing:
    table = WritingTable()
    table.tell((path.replace("_", "/").encode(), writing) for path, writing in files.items())
    return table.now()


def settling(until: float = 110, **live: object) -> Settling:
    root = LiveRoot("nas-1", alive=True, clean_to=int(until * S))
    return Settling(QUIET, EPOCH, replace(root, **live), RECORD)  # type: ignore[arg-type]  # fields of LiveRoot


@pytest.mark.parametrize("found", [FILE, DIRECTORY])
def test_it_is_settled_once_it_is_known_to_have_rested(found: Found) -> None:
    assert settling(109.999).of(found).settled is False
    assert settling(110).of(found).settled is True


@pytest.mark.parametrize("found", [FILE, DIRECTORY])
def test_what_is_being_written_is_not(found: Found) -> None:
    one, other = told(d_f=True), told(d_f=False)
    assert settling(10**6, writing=[one]).of(found).settled is False
    assert settling(10**6, writing=[one]).of(found).writing is True
    assert settling(10**6, writing=[other, one]).of(found).settled is False
    assert settling(10**6, writing=[other]).of(found).settled is True
    assert settling(10**6, writing=[told(other=True)]).of(found).settled is True


def test_whether_a_file_is_being_written_may_be_known_or_not() -> None:
    assert settling(writing=[told(d_f=False), Writing()]).of(FILE).writing is False
    assert settling(writing=[told(d_f=None)]).of(FILE).writing is None
    assert settling(writing=[told(d_f=True)]).of(replace(FILE, kind=Kind.SYMLINK)).writing is None


@pytest.mark.parametrize(
    "unknown",
    [
        settling(10**6, alive=False),
        settling(0),
        settling(10**6, follows=False),
        settling(10**6, remote_writers=True, pending=[Pending(b"", Reason.UNREAD, 0)]),
        settling(10**6, pending=[Pending(b"d/f/g", Reason.UNREAD, 0)]),
    ],
)
def test_what_nobody_vouches_for_is_not_settled_by_lapse_of_time(unknown: Settling) -> None:
    assert unknown.of(FILE).settled is None


def test_what_was_not_listed_since_anybody_followed_it_is_not_known() -> None:
    assert settling(10**6).of(replace(FILE, fresh=False)).settled is None
    assert settling(10**6).of(replace(DIRECTORY, entry=None)).settled is None
    assert settling(10**6, writing=[told(d_f=True)]).of(replace(FILE, fresh=False)).settled is False


def test_where_others_write_a_listing_is_what_is_known() -> None:
    remote = settling(0, remote_writers=True)
    assert remote.of(replace(FILE, listed_at=109 * S)).settled is False
    assert remote.of(replace(FILE, listed_at=110 * S)).settled is True
    assert remote.of(DIRECTORY, oldest=109 * S).settled is False
    assert remote.of(DIRECTORY, oldest=110 * S).settled is True
    assert settling(109).of(replace(FILE, listed_at=111 * S), oldest=111 * S).settled is False


def test_what_waits_to_be_read_again_holds_back_what_it_may_concern() -> None:
    for path, settled in ((b"d/f", False), (b"d", False), (b"e", True)):
        for many in (0, 200):
            pending = [Pending(path, Reason.REFUSED, 105 * S)] + [Pending(b"x%d" % n, Reason.REFUSED, 10**6 * S) for n in range(many)]
            assert settling(10**6, pending=pending).of(FILE).settled is (settled and not many)


@pytest.mark.parametrize(
    ("mtime", "ctime", "at"),
    [(0, 0, 110), (100, 100, 110), (104, 100, 114), (100, 109.5, 119.5), (10**9, 100, 110), (10**9, 10**8, 110), (110.5, 100, 110)],
)
def test_the_times_of_the_file_count_where_they_can_be_right(mtime: float, ctime: float, at: float) -> None:
    assert settles_at(replace(FILE, entry=times(mtime, ctime)), QUIET, EPOCH.__add__) == int(at * S)


@given(st.integers(-200, 10**6), st.integers(-200, 10**6), st.lists(st.integers(0, 10**6), min_size=2, max_size=2))
def test_nothing_that_is_settled_becomes_unsettled_without_evidence(mtime: int, ctime: int, moments: list[int]) -> None:
    found = replace(FILE, entry=times(mtime, ctime))
    earlier, later = sorted(moments)
    if settling(earlier).of(found).settled:
        assert settling(later).of(found).settled
    assert settling(120).of(found).settled, "at the latest after twice the time"


PATHS = st.lists(st.sampled_from([b"a", b"b"]), min_size=1, max_size=3).map(b"/".join)


@given(st.lists(st.tuples(PATHS, st.sampled_from([True, False, None])), max_size=60))
def test_directories_count_the_files_that_are_written_below(news: list[tuple[bytes, bool | None]]) -> None:
    table, truth = WritingTable(), dict[bytes, bool | None]()
    for one in news:
        table.tell([one])
        truth |= dict([one])
    writing = table.now()
    assert writing.files == {path: known for path, known in truth.items() if known is not None}
    written = [path for path, known in truth.items() if known]
    for directory in (b"", b"a", b"a/b", b"b"):
        expected = sum(not directory or path.startswith(directory + b"/") for path in written)
        assert writing.below.get(directory, 0) == expected


def test_a_session_that_tells_of_too_many_is_not_believed() -> None:
    table = WritingTable(most=3)
    table.tell((b"d/%d" % number, True) for number in range(4))
    assert table.now() == Writing()
    table.tell([(b"f", True)])
    assert table.now() == Writing({b"f": True}, {b"": 1})
