"""Where two agents contradict each other within the error of their clocks, the path is in doubt; where they agree, or time tells, not."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from fustor_core.digest import listing_digest
from fustor_core.evidence import Evidence, Gone, Listing, Same, Seen
from fustor_core.wire import Via
from fustor_fusion.merge.doubts import Doubt
from fustor_fusion.stores import Contribution, RootStore
from tests.contract.root_stores import IDENTITY
from tests.oracle import entry_of

DIRECTORY, OTHER_DIRECTORY = entry_of("d", 1), entry_of("d", 9)
FILE, OTHER = entry_of("f", 2), entry_of("f", 3)
STEP = 1024
"""Stamps are so far apart: their low bits are the slot."""
ERRORS = {1: 2 * STEP, 2: 3 * STEP}


@pytest.fixture
def say(store: RootStore) -> Callable[..., list[Doubt]]:
    """Commits evidence of an agent, by its slot, and tells what is in doubt then."""
    sequences = {1: 0, 2: 0}
    for slot in sequences:
        store.open_session(f"nas-{slot}", "run", "session", IDENTITY, 1)

    def say(slot: int, *evidence: Evidence, errors: Mapping[int, int] = ERRORS) -> list[Doubt]:
        sequences[slot] += 1
        contribution = Contribution(f"nas-{slot}", "run", "session", sequences[slot], Via.LIVE, evidence, watching_since=1, errors=errors)
        [outcome] = store.commit([contribution], 10**9, 0)
        return outcome.doubts

    return say


def at(time: int, slot: int) -> int:
    return time * STEP + slot


CASES: Sequence[tuple[str, Sequence[Evidence], Callable[[int], Evidence], dict[bytes, bool]]] = [
    ("the same file", [Seen(b"d/f", at(100, 1), FILE)], lambda t: Seen(b"d/f", t, FILE), {}),
    ("another file", [Seen(b"d/f", at(100, 1), FILE)], lambda t: Seen(b"d/f", t, OTHER), {b"d/f": False}),
    ("a file that is gone", [Seen(b"d/f", at(100, 1), FILE)], lambda t: Gone(b"d/f", t), {b"d/f": False}),
    ("a file that was gone", [Gone(b"d/f", at(100, 1))], lambda t: Seen(b"d/f", t, FILE), {b"d/f": False}),
    ("gone, and gone", [Gone(b"d/f", at(100, 1))], lambda t: Gone(b"d/f", t), {}),
    ("never known, and gone", [Seen(b"d/x", at(100, 1), FILE)], lambda t: Gone(b"d/f", t), {}),
    ("never known, and there", [Seen(b"d/x", at(100, 1), FILE)], lambda t: Seen(b"d/f", t, FILE), {}),
    ("a directory for a file", [Seen(b"d/f", at(100, 1), FILE)], lambda t: Seen(b"d/f", t, DIRECTORY), {b"d/f": True}),
    ("what is in a directory that is a file", [Seen(b"d/f", at(100, 1), FILE)], lambda t: Seen(b"d/f/x", t, FILE), {b"d/f/x": True}),
    ("what is in a directory that is gone", [Gone(b"d", at(100, 1))], lambda t: Seen(b"d/f", t, FILE), {b"d/f": True}),
    ("gone from a directory that is gone", [Gone(b"d", at(100, 1))], lambda t: Gone(b"d/f", t), {}),
    ("a directory that is gone", [Seen(b"d/f", at(100, 1), FILE)], lambda t: Gone(b"d", t), {b"d": True}),
    ("a directory of other attributes", [Seen(b"d", at(100, 1), DIRECTORY)], lambda t: Seen(b"d", t, OTHER_DIRECTORY), {b"d": False}),
    ("the same directory", [Seen(b"d", at(100, 1), DIRECTORY)], lambda t: Seen(b"d", t, DIRECTORY), {}),
    ("the root itself", [Seen(b"", at(100, 1), DIRECTORY)], lambda t: Seen(b"", t, OTHER_DIRECTORY), {b"": False}),
    ("not in a listing", [Listing(b"d", at(100, 1), {})], lambda t: Seen(b"d/f", t, FILE), {b"d/f": False}),
    ("otherwise in a listing", [Listing(b"d", at(100, 1), {b"f": FILE})], lambda t: Seen(b"d/f", t, OTHER), {b"d/f": False}),
    ("as in a listing", [Listing(b"d", at(100, 1), {b"f": FILE})], lambda t: Seen(b"d/f", t, FILE), {}),
    (
        "two listings that differ in some names",
        [Listing(b"d", at(100, 1), {b"a": FILE, b"b": FILE, b"c": FILE, b"k": DIRECTORY})],
        lambda t: Listing(b"d", t, {b"a": FILE, b"b": OTHER, b"n": FILE, b"k": DIRECTORY}),
        {b"d/b": False, b"d/c": False, b"d/n": False},
    ),
    ("two listings that agree", [Listing(b"d", at(100, 1), {b"f": FILE})], lambda t: Listing(b"d", t, {b"f": FILE}), {}),
    ("an empty listing, and one that is not", [Listing(b"d", at(100, 1), {})], lambda t: Listing(b"d", t, {b"f": FILE}), {b"d/f": False}),
    ("a first listing", [Seen(b"d", at(100, 1), DIRECTORY)], lambda t: Listing(b"d", t, {b"f": FILE}), {}),
    ("a listing of what is a file", [Seen(b"d", at(100, 1), FILE)], lambda t: Listing(b"d", t, {}), {b"d": True}),
    ("an equal digest", [Listing(b"d", at(100, 1), {b"f": FILE})], lambda t: Same(b"d", t, listing_digest({b"f": FILE})), {}),
]


@pytest.mark.parametrize("time", [101, 99], ids=["and wins", "and loses"])
@pytest.mark.parametrize(("known", "said", "doubted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_in_doubt(
    say: Callable[..., list[Doubt]],
    known: Sequence[Evidence],
    said: Callable[[int], Evidence],
    doubted: dict[bytes, bool],
    time: int,
) -> None:
    assert say(1, *known) == []
    found = say(2, said(at(time, 2)))
    assert {doubt.path: doubt.tree for doubt in found} == doubted
    for doubt in found:
        assert doubt.since <= at(95, 1)
        assert doubt.until >= at(105, 1)


@pytest.mark.parametrize("time", [94, 95, 105, 106])
def test_only_what_the_clocks_cannot_tell_is_in_doubt(say: Callable[..., list[Doubt]], time: int) -> None:
    say(1, Seen(b"f", at(100, 1), FILE))
    distance = abs(at(time, 2) - at(100, 1))
    assert bool(say(2, Seen(b"f", at(time, 2), OTHER))) is (distance <= 5 * STEP)


def test_an_agent_does_not_contradict_itself(say: Callable[..., list[Doubt]]) -> None:
    say(1, Seen(b"f", at(100, 1), FILE))
    assert say(1, Seen(b"f", at(101, 1), OTHER)) == []


def test_nobody_is_in_doubt_where_one_alone_serves_the_root(say: Callable[..., list[Doubt]]) -> None:
    say(1, Seen(b"f", at(100, 1), FILE))
    assert say(2, Seen(b"f", at(101, 2), OTHER), errors={}) == []


def test_an_agent_that_is_away_contradicts_nobody(say: Callable[..., list[Doubt]]) -> None:
    """How far its clock was off is not known any more."""
    say(1, Seen(b"f", at(100, 1), FILE))
    assert say(2, Seen(b"f", at(101, 2), OTHER), errors={2: 5 * STEP, 3: STEP}) == []
