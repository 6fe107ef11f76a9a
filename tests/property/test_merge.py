"""Any evidence, in any order, repeated, however it is split: each store holds what the evidence means, and its totals are exact."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fustor_core.digest import listing_digest
from fustor_core.evidence import Evidence, Gone, Listing, Same, Seen, Unreadable
from fustor_core.paths import is_below, join, split
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.guard import DEFAULT_RULES, GuardRules
from fustor_fusion.merge.sweep import LARGE
from fustor_fusion.query import Trust
from fustor_fusion.stores import Contribution, Reading, RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from tests.oracle import NAMES, PATHS, View, as_listing, entry_of, held, meaning, random_evidence, random_path, shuffled, totals

IDENTITY = Identity("ext4", "1234", 2)
AGENTS = ("nas1", "nas2", "nas3")


class Bench:
    """A store that takes evidence from several agents, and that may be closed and opened in between."""

    def __init__(self, open_store: Callable[[], RootStore]) -> None:
        self._open_store = open_store
        self.store = open_store()
        self.applied: list[Evidence] = []
        """What has been said and was not held back."""
        self.held_back = 0
        self.swept = 0
        self._sequences = dict.fromkeys(AGENTS, 0)
        for agent in AGENTS:
            self.store.open_session(agent, "run", "session", IDENTITY, 0)

    def commit(self, evidence: Sequence[Evidence], rng: random.Random, drop_to: int = 0) -> list[bytes]:
        """Commit it in one transaction, said by several agents; the directories that were unlike."""
        contributions: list[Contribution] = []
        rest = list(evidence)
        while rest or not contributions:
            agent = rng.choice(AGENTS)
            self._sequences[agent] += 1
            taken = rng.randint(0, len(rest)) if rest else 0
            said, rest = rest[:taken], rest[taken:]
            via = rng.choice(list(Via))
            watching = rng.choice((None, 1, 5))
            begins = rng.choice((None, None, None, Via.SNAPSHOT))
            contributions.append(
                Contribution(agent, "run", "session", self._sequences[agent], via, said, watching_since=watching, begins=begins)
            )
        outcomes = self.store.commit(contributions, 1, drop_to)
        assert [outcome.problem for outcome in outcomes] == [None] * len(outcomes)
        held = [one for outcome in outcomes for one in outcome.held]
        self.held_back += len(held)
        for one in evidence:
            if one in held:
                held.remove(one)
            else:
                self.applied.append(one)
        return [path for outcome in outcomes for path in outcome.unlike]

    def sweep(self, rng: random.Random, slices: int | None = None) -> None:
        """Apply so many slices of large listings, or all."""
        while self.store.sweeping and slices != 0:
            self.swept += self.store.sweep(rng.randint(1, 3), 1).ended
            slices = None if slices is None else slices - 1

    def reopen(self) -> None:
        self.store.close()
        self.store = self._open_store()

    def check(self, evidence: Sequence[Evidence]) -> None:
        with self.store.reading() as reading:
            view = held(reading)
            assert view == meaning(evidence, PATHS)
            for path in view:
                assert reading.usage(path) == totals(view, path)
                assert reading.trust(path) == trusted(reading, view, path)


def trusted(reading: Reading, view: View, path: bytes) -> Trust:
    """What a store vouches for below a path, put together from what it vouches for in each directory alone: the absence of a name there."""
    if not view[path][0]:
        return reading.trust(join(split(path)[0], b"nothing"))
    below = {each: reading.trust(join(each, b"nothing")) for each, (directory, _) in view.items() if directory and is_below(each, path)}
    above = reading.trust(join(split(path)[0], b"nothing")).unreached if path else 0
    unreadable = above + sum(trust.unreached > unreached_above(below, each, above) for each, trust in below.items())
    to_list = [each for each in below if (entry := view[each][1]) is None or entry.mount != -1]
    fresh = reading.record().watching_since > 0 and not unreadable and all(below[each].fresh for each in to_list)
    return Trust(fresh, unreadable, below[path].listed_at, None, below[path].unreached)


def unreached_above(below: Mapping[bytes, Trust], directory: bytes, otherwise: int) -> int:
    """How many directories above this one could not be read; `otherwise` of the topmost that is asked for."""
    parent = below.get(split(directory)[0]) if directory else None
    return otherwise if parent is None else parent.unreached


@contextmanager
def bench(kind: str, path: Path, rules: GuardRules = DEFAULT_RULES, large: int = LARGE) -> Iterator[Bench]:
    if kind == "memory":
        yield Bench(lambda: MemoryStore(rules, large=large))
        return
    for old in path.parent.glob(path.name + "*"):
        old.unlink()
    # Room for so few directories that they are forgotten and loaded again all the time.
    made = Bench(lambda: SqliteStore(path, rules, cached_directories=4, large=large))
    try:
        yield made
    finally:
        made.store.close()


def run(made: Bench, evidence: Sequence[Evidence], rng: random.Random) -> None:
    """Say all of it in any order, then see whether the store holds what it means."""
    order = shuffled(rng, evidence)
    spare = [at * 2 for at in range(1, len(evidence) + 3)]  # stamps that nothing else has
    same: list[Evidence] = []
    while order:
        taken = rng.randint(1, 4)
        batch, order = order[:taken], order[taken:]
        made.commit(batch, rng)
        if spare and rng.random() < 0.3:
            at = spare.pop(rng.randrange(len(spare)))
            same += say_same(made, rng, at)
        if rng.random() < 0.1:
            made.store.purge(rng.randint(1, 5))
        made.sweep(rng, rng.choice((0, 0, 1, 5)))
        if rng.random() < 0.1 and isinstance(made.store, SqliteStore) and not made.store.sweeping:
            made.reopen()
    made.sweep(rng)
    made.check(made.applied + same)


def say_same(made: Bench, rng: random.Random, at: int) -> list[Evidence]:
    """Say that a directory is as the store has it; the listing that this amounts to, if the store agrees that it is."""
    path = random_path(rng, 0, 2)
    with made.store.reading() as reading:
        entries = as_listing(reading, path)
        exists = (found := reading.find(path)) is not None and found.kind == "dir"
    digest = listing_digest(entries or {})
    unlike = made.commit([Same(path, at, digest)], rng)
    # Where it is not the same, fusion asks for the listing; where newer evidence says that there was no directory, nothing happens.
    if unlike:
        assert unlike == [path]
        assert entries is None or not exists
        return []
    return [Listing(path, at, entries)] if exists and entries is not None else []


@pytest.mark.parametrize("count", [2, 3, 5, 10, 25])
@pytest.mark.parametrize(("kind", "cases"), [("memory", 800), ("sqlite", 25)])
def test_random_evidence_means_the_same_to_a_store(kind: str, cases: int, count: int, tmp_path: Path) -> None:
    for case in range(cases):
        rng = random.Random(f"{count} {case}")
        evidence = [random_evidence(rng, at * 2 + 1) for at in range(1, count + 1)]
        with bench(kind, tmp_path / "root.db") as made:
            try:
                run(made, evidence, rng)
            except AssertionError as error:
                raise AssertionError(f"case {count} {case}: {evidence}") from error


@pytest.mark.parametrize("large", [0, 2])
@pytest.mark.parametrize(("kind", "cases"), [("memory", 1_000), ("sqlite", 25)])
def test_what_is_applied_in_slices_means_the_same(kind: str, cases: int, large: int, tmp_path: Path) -> None:
    swept = 0
    for case in range(cases):
        rng = random.Random(f"slices {case}")
        evidence = [random_evidence(rng, at * 2 + 1) for at in range(1, rng.randint(2, 25))]
        with bench(kind, tmp_path / "root.db", large=large) as made:
            try:
                run(made, evidence, rng)
            except AssertionError as error:
                raise AssertionError(f"case {case}: {evidence}") from error
            swept += made.swept
    assert swept > cases / 2


@pytest.mark.parametrize(("kind", "cases"), [("memory", 800), ("sqlite", 25)])
def test_what_is_held_back_is_as_if_it_had_not_been_seen(kind: str, cases: int, tmp_path: Path) -> None:
    held_back = 0
    for case in range(cases):
        rng = random.Random(f"guarded {case}")
        evidence = [random_evidence(rng, at * 2 + 1) for at in range(1, 20)]
        with bench(kind, tmp_path / "root.db", GuardRules(rng.choice((0.1, 0.5)), rng.choice((0, 6)))) as made:
            try:
                run(made, evidence, rng)
            except AssertionError as error:
                raise AssertionError(f"case {case}: {evidence}") from error
            held_back += made.held_back
    assert held_back > cases


entries = st.builds(entry_of, st.sampled_from("dflp"), st.integers(0, 9))
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)
directories = st.lists(st.sampled_from(NAMES), max_size=2).map(b"/".join)
listings = st.dictionaries(st.sampled_from(NAMES), entries)
evidences = st.one_of(
    st.builds(Seen, paths, st.just(0), entries),
    st.builds(lambda mark: Seen(b"", 0, entry_of("d", mark)), st.integers(0, 9)),
    st.builds(Gone, paths, st.just(0)),
    st.builds(Listing, directories, st.just(0), listings),
    st.builds(Unreadable, directories, st.just(0), st.just("permission denied")),
)


def stamped(evidence: Sequence[Evidence]) -> list[Evidence]:
    """The same, each at a time of its own, on odd stamps."""
    return [msgspec.structs.replace(one, at=2 * index + 3) for index, one in enumerate(evidence)]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@given(st.lists(evidences, min_size=1, max_size=12).map(stamped), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_evidence_means_the_same_to_a_store(kind: str, tmp_path: Path, evidence: list[Evidence], order: int) -> None:
    with bench(kind, tmp_path / "root.db") as made:
        run(made, evidence, random.Random(order))
