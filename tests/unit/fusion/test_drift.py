"""Drift is kept within a bound: the directories in which most was found, and those in which the last was."""

from fustor_fusion.merge.drift import MOST_PLACES, NO_DRIFT, Drift


def test_the_sum_counts_what_is_forgotten_too() -> None:
    drifts = NO_DRIFT
    for number in range(3 * MOST_PLACES):
        drifts = drifts.and_found({b"d%d" % number: Drift(missing=1, at=number)})
    assert drifts.total == Drift(missing=3 * MOST_PLACES, at=3 * MOST_PLACES - 1)
    assert len(drifts.places) == MOST_PLACES


def test_the_worst_stay_and_the_latest_is_there() -> None:
    drifts = NO_DRIFT.and_found({b"worst": Drift(extra=9, at=1)})
    for number in range(3 * MOST_PLACES):
        drifts = drifts.and_found({b"d%d" % number: Drift(changed=1, at=2 + number)})
        assert b"d%d" % number in drifts.places
    assert drifts.worst(1) == [(b"worst", Drift(extra=9, at=1))]


def test_a_place_that_comes_again_adds_up() -> None:
    drifts = NO_DRIFT.and_found({b"d": Drift(1, 2, 3, 10)}).and_found({b"d": Drift(1, 0, 0, 20)})
    assert drifts.places == {b"d": Drift(2, 2, 3, 20)}
