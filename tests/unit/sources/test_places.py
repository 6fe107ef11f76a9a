"""The watch tree against a model that remembers everything that was ever said and looks it all up again."""

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fustor_agent.sources.fs.places import NO_WATCH, Places

NAMES = st.sampled_from([b"a", b"b", b"c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
WATCHES = st.integers(1, 6)


def at_or_below(paths: Iterable[bytes], top: bytes) -> list[bytes]:
    return [path for path in paths if path == top or path.startswith(top + b"/")]


def above(path: bytes) -> list[bytes]:
    names = path.split(b"/")
    return [b"/".join(names[:depth]) for depth in range(1, len(names))]


class WatchTree(RuleBasedStateMachine):
    """Words come in any order of their turns, as from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self.places = Places()
        self.watch = {b"": NO_WATCH}
        self.key = {b"": -1}
        self.turn = {b"": 0}
        self.alive = {b"": 0}
        self.refused: set[bytes] = set()
        self.given_out: set[int] = set()

    def standing(self) -> set[int]:
        return {watch for watch in self.watch.values() if watch != NO_WATCH}

    def returned(self, idle: list[int]) -> None:
        assert len(idle) == len(set(idle))
        assert not set(idle) & self.standing(), "a watch that stands somewhere would be removed"
        self.given_out -= set(idle)

    @rule(path=st.one_of(st.just(b""), PATHS), watch=st.one_of(st.just(NO_WATCH), WATCHES), key=st.integers(1, 3), turn=st.integers(1, 20))
    def settle(self, path: bytes, watch: int, key: int, turn: int) -> None:
        for one in [b"", *above(path), path]:
            self.alive[one] = max(self.alive.get(one, 0), turn)
            self.watch.setdefault(one, NO_WATCH)
            self.key.setdefault(one, -1)
            self.turn.setdefault(one, 0)
        if watch != NO_WATCH:
            self.given_out.add(watch)
        changed = turn >= self.turn[path] and self.watch[path] != watch
        overtaken = turn < self.turn[path] and self.key[path] != key
        if turn >= self.turn[path]:
            self.turn[path], self.key[path], self.watch[path] = turn, key, watch
            (self.refused.add if watch == NO_WATCH else self.refused.discard)(path)
        settled = self.places.settle(path, watch, key, turn)
        assert (settled.changed, settled.overtaken) == (changed, overtaken)
        self.returned(settled.idle)

    @rule(path=PATHS, turn=st.integers(1, 20))
    def drop(self, path: bytes, turn: int) -> None:
        self.forget(path, turn)
        self.places.drop(path, turn)

    @rule(directory=st.one_of(st.just(b""), PATHS), names=st.sets(NAMES), turn=st.integers(1, 20))
    def drop_names(self, directory: bytes, names: set[bytes], turn: int) -> None:
        for name in names:
            self.forget(directory + b"/" + name if directory else name, turn)
        self.places.drop_names(directory, names, turn)

    def forget(self, path: bytes, turn: int) -> None:
        if path in self.watch and self.alive[path] <= turn:
            for one in at_or_below(self.watch, path):
                for known in (self.watch, self.key, self.turn, self.alive):
                    del known[one]
                self.refused.discard(one)

    @rule(most=st.integers(1, 5))
    def purge(self, most: int) -> None:
        self.returned(self.places.purge(most))

    @rule(watch=WATCHES)
    def end(self, watch: int) -> None:
        expected = {path for path, one in self.watch.items() if one == watch}
        assert set(self.places.ended(watch)) == expected
        self.watch.update(dict.fromkeys(expected, NO_WATCH))
        self.given_out.discard(watch)

    @rule(path=PATHS)
    def distrust(self, path: bytes) -> None:
        self.places.distrust(path)
        if path in self.key:
            self.key[path] = -1

    @precondition(lambda self: not self.places.to_purge)
    @invariant()
    def every_watch_that_was_given_stands_or_was_returned(self) -> None:
        assert self.given_out == self.standing()
        assert self.places.watched == len(self.standing())
        assert all(self.places.stands(watch) for watch in self.standing())

    @invariant()
    def places_are_as_in_the_model(self) -> None:
        assert dict(self.places.all_paths()) == self.watch
        for watch in range(1, 7):
            assert sorted(self.places.paths(watch)) == sorted(path for path, one in self.watch.items() if one == watch)

    @invariant()
    def strangers_are_as_in_the_model(self) -> None:
        for path in [*self.watch, b"unheard"]:
            for key in (1, 2):
                known = self.key.get(path) == key and (self.watch[path] != NO_WATCH or path in self.refused)
                assert self.places.is_stranger(path, key) is not known
                directory, _, name = path.rpartition(b"/")
                if path:
                    assert self.places.strangers(directory, {name: key}) == ([] if known else [name])

    @invariant()
    def names_and_refusals_are_as_in_the_model(self) -> None:
        assert sorted(self.places.refused_paths()) == sorted(self.refused)
        for path in self.watch:
            children = {one[len(path) + 1 if path else 0 :] for one in self.watch if one}
            expected = {name for name in children if b"/" not in name and (path + b"/" + name if path else name) in self.watch}
            assert set(self.places.compare(path, {})[1]) == expected
            assert set(self.places.compare(path, dict.fromkeys(expected, 0))[0]) == expected


WatchTree.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestWatchTree = WatchTree.TestCase
