"""What verifying says of what it compared."""

import msgspec
import pytest

from fustor_core.evidence import Entry
from fustor_fusion.verify import Tally, changed_since, kind_of_difference, statement, upper_bound

ENTRY = Entry(0o100644, 10, 4096, 1, 2, 1, 77, 1000, 5, 2000, 6)


def tally(compared: int, wrong: int = 0, left_out: int = 0) -> Tally:
    made = Tally()
    for number in range(compared):
        if number < wrong:
            made.differs(b"p%d" % number, "size")
        else:
            made.right()
    for _ in range(left_out):
        made.leave_out()
    return made


@pytest.mark.parametrize(
    ("wrong", "compared", "bound"),
    # The exact (Clopper-Pearson) one-sided limits at 95 %, from tables of the binomial distribution.
    [(0, 3000, 0.000998), (0, 100, 0.029513), (0, 1, 0.95), (1, 10, 0.394163), (5, 100, 0.102253), (1, 1, 1.0), (0, 0, 1.0)],
)
def test_the_bound_is_the_one_of_the_tables(wrong: int, compared: int, bound: float) -> None:
    assert upper_bound(wrong, compared) == pytest.approx(bound, abs=2e-6)


def test_the_result_in_words() -> None:
    assert statement(tally(3000), exact=False) == "0 of 3,000 wrong: under 0.1 % at 95 %"
    assert statement(tally(100, 5), exact=False) == "5 of 100 wrong: under 11 % at 95 %"
    assert statement(tally(212), exact=True) == "0 of 212 wrong: exact, all entries were compared"
    assert statement(tally(0), exact=True) == "nothing was compared"
    assert statement(tally(9, left_out=3), exact=True).endswith("; 3 left out, which changed meanwhile or could not be read")


def test_an_exact_result_that_leaves_something_out_does_not_say_all() -> None:
    assert "all entries" not in statement(tally(9, left_out=3), exact=True)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"inode": 78}, "another file"),
        ({"size": 11, "mtime": 1}, "size"),
        ({"mode": 0o100600}, "mode"),
        ({"gid": 3}, "owner"),
        ({"nlink": 2}, "links"),
        ({"mtime_ns": 6}, "times"),
        ({"ctime": 2001}, "times"),
        ({"allocated": 0}, "allocated"),
    ],
)
def test_each_field_counts(change: dict[str, int], kind: str) -> None:
    assert kind_of_difference(ENTRY, ENTRY) is None
    assert kind_of_difference(ENTRY, msgspec.structs.replace(ENTRY, **change)) == kind


def test_what_changed_about_then_is_nobodys_mistake() -> None:
    assert changed_since(ENTRY, 2000 * 10**9)
    assert changed_since(ENTRY, 2001 * 10**9)
    assert not changed_since(ENTRY, 2003 * 10**9)
    assert not changed_since(msgspec.structs.replace(ENTRY, mtime=9_999_999), 2003 * 10**9), "a modification time can be set by anybody"


def test_tallies_add_up() -> None:
    sum_of = tally(5, 2)
    sum_of.add(tally(10, 3, 4))
    assert (sum_of.compared, sum_of.wrong, sum_of.left_out, len(sum_of.examples)) == (15, 5, 4, 5)
