"""What events tell of writing: each rule by itself, then any order of events against a model that knows the truth."""

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from fustor_agent.sources.fs.inotify import Mask
from fustor_agent.sources.fs.writes import SILENT, Changes, Writes

PLACES = {1: [b""], 2: [b"d"], 3: [b"e/f"]}
CREATE, MODIFY, CLOSE, DELETE = Mask.CREATE, Mask.MODIFY, Mask.CLOSE_WRITE, Mask.DELETE
FROM, TO, DIR = Mask.MOVED_FROM, Mask.MOVED_TO, Mask.ISDIR


def hear(writes: Writes, *events: tuple[int, int, bytes], now: int = 1) -> Changes:
    """What is told after events: watch, mask, name. The halves of a rename belong to each other."""
    for watch, mask, name in events:
        writes.heard(watch, mask, 7 if mask & (FROM | TO) else 0, name, now)
    return writes.changes(PLACES.__getitem__, moved=False, now=now)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([(1, CREATE, b"f")], {b"f": True}),
        ([(2, MODIFY, b"f")], {b"d/f": True}),
        ([(1, CREATE, b"f"), (1, MODIFY, b"f"), (1, CLOSE, b"f")], {b"f": False}),
        ([(1, MODIFY, b"f"), (1, CLOSE, b"f"), (1, MODIFY, b"f")], {b"f": True}),
        ([(1, CREATE | DIR, b"f")], {}),
        ([(1, CREATE, b"f"), (1, DELETE, b"f")], {}),
        ([(1, MODIFY, b"t"), (1, CLOSE, b"t"), (1, FROM, b"t"), (2, TO, b"f")], {b"d/f": False}),
        ([(1, MODIFY, b"t"), (1, FROM, b"t"), (2, TO, b"f")], {b"d/f": True}),
        ([(1, MODIFY, b"t"), (1, FROM, b"t")], {}),
        ([(1, TO, b"f")], {}),
    ],
)
def test_what_events_tell(events: Sequence[tuple[int, int, bytes]], told: Changes) -> None:
    assert hear(Writes(), *events) == told


def test_only_what_has_changed_is_told() -> None:
    writes = Writes()
    assert hear(writes, (1, MODIFY, b"f")) == {b"f": True}
    assert hear(writes, *[(1, MODIFY, b"f")] * 1000) == {}
    assert hear(writes, (1, CLOSE, b"f")) == {b"f": False}
    assert hear(writes, (1, DELETE, b"f")) == {b"f": None}


def test_a_file_that_is_replaced_has_what_is_known_of_the_one_that_came() -> None:
    writes = Writes()
    hear(writes, (1, MODIFY, b"f"), (1, CREATE, b"t"), (1, CLOSE, b"t"))
    assert hear(writes, (1, FROM, b"t"), (1, TO, b"f")) == {b"t": None, b"f": False}
    assert hear(writes, (2, FROM, b"unknown"), (1, TO, b"f")) == {b"f": None}


def test_the_halves_of_a_rename_may_come_one_after_the_other() -> None:
    writes = Writes()
    hear(writes, (1, MODIFY, b"t"))
    assert hear(writes, (1, FROM, b"t")) == {b"t": None}
    assert hear(writes, (2, TO, b"f")) == {b"d/f": True}
    assert hear(writes, (2, FROM, b"f")) == {b"d/f": None}
    assert hear(writes) == {}
    assert hear(writes, (2, TO, b"g")) == {}, "a file that came from elsewhere later"


def test_dropped_events_and_ended_watches_leave_nothing_known() -> None:
    writes = Writes()
    hear(writes, (1, MODIFY, b"f"), (2, MODIFY, b"g"), (2, CLOSE, b"g"))
    writes.ended(2)
    assert hear(writes) == {b"d/g": None}
    writes.forget_all()
    assert hear(writes) == {b"f": None}
    assert hear(writes, (1, CLOSE, b"f")) == {b"f": False}


def test_a_link_that_has_appeared_is_no_file_that_was_opened() -> None:
    writes = Writes()
    hear(writes, (1, CREATE, b"link"), (1, CREATE, b"file"), (1, MODIFY, b"file"))
    writes.no_new_file(b"link")
    writes.no_new_file(b"file")
    writes.no_new_file(b"never heard of")
    assert hear(writes) == {b"link": None}


def test_silence_ends_what_is_known_of_an_open_file() -> None:
    writes = Writes()
    hear(writes, (1, MODIFY, b"f"), (1, MODIFY, b"log"), (1, CLOSE, b"closed"))
    assert hear(writes, (1, MODIFY, b"log"), now=SILENT) == {}
    assert hear(writes, now=2 * SILENT - 1) == {b"f": None}


def test_beyond_the_bound_nothing_is_made_up() -> None:
    writes = Writes(most=10)
    told = hear(writes, *[(1, MODIFY, b"open-%d" % n) for n in range(3)])
    for number in range(1000):
        told |= hear(writes, (2, CREATE, b"%d" % number), (2, CLOSE, b"%d" % number))
    assert {path for path, writing in told.items() if writing} == {b"open-0", b"open-1", b"open-2"}
    assert sum(writing is False for writing in told.values()) <= 10
    for number in range(100):
        told |= hear(writes, (3, MODIFY, b"%d" % number))
    assert sum(writing is not None for writing in told.values()) <= 10


class Truth(RuleBasedStateMachine):
    """Two directories that are renamed, and files in them with one writer at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = Writes()
        self.paths = {1: b"a", 2: b"b"}
        self.files: dict[tuple[int, bytes], bool] = {}
        self.told: dict[bytes, bool] = {}
        self.moved = False
        self.cookie = 0

    def event(self, watch: int, mask: int, name: bytes, cookie: int = 0) -> None:
        self.writes.heard(watch, mask, cookie, name, 1)

    @rule(watch=st.integers(1, 2), name=st.sampled_from([b"f", b"g"]), writing=st.booleans())
    def write(self, watch: int, name: bytes, writing: bool) -> None:
        if (watch, name) not in self.files:
            self.event(watch, CREATE, name)
        self.event(watch, MODIFY, name)
        if not writing:
            self.event(watch, CLOSE, name)
        self.files[watch, name] = writing

    @rule(
        source=st.tuples(st.integers(1, 2), st.sampled_from([b"f", b"g"])), onto=st.tuples(st.integers(1, 2), st.sampled_from([b"f", b"h"]))
    )
    def rename(self, source: tuple[int, bytes], onto: tuple[int, bytes]) -> None:
        if source in self.files and source != onto:
            self.cookie += 1
            self.event(source[0], FROM, source[1], self.cookie)
            self.event(onto[0], TO, onto[1], self.cookie)
            self.files[onto] = self.files.pop(source)

    @rule(watch=st.integers(1, 2), name=st.sampled_from([b"f", b"g", b"h"]))
    def remove(self, watch: int, name: bytes) -> None:
        if self.files.pop((watch, name), None) is not None:
            self.event(watch, DELETE, name)

    @rule()
    def exchange_directories(self) -> None:
        self.paths = {1: self.paths[2], 2: self.paths[1]}
        self.moved = True

    @rule(watch=st.integers(1, 2), path=st.sampled_from([b"c", b"a/d"]))
    def rename_directory(self, watch: int, path: bytes) -> None:
        if path not in self.paths.values():
            self.paths[watch] = path
            self.moved = True

    @rule()
    def overflow(self) -> None:
        self.writes.forget_all()
        self.files = {}

    @rule()
    def what_is_told_is_what_is_so(self) -> None:
        for path, writing in self.writes.changes(lambda watch: [self.paths[watch]], moved=self.moved, now=1).items():
            self.told.pop(path, None)
            if writing is not None:
                self.told[path] = writing
        self.moved = False
        assert self.told == {self.paths[watch] + b"/" + name: writing for (watch, name), writing in self.files.items()}


Truth.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTruth = Truth.TestCase
