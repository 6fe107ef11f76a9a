"""Any sequence of tricks on a real tree, also between two system calls of a reading: at rest the view equals the disk in every field.

Everything runs on one thread: what is done while something is read is done by the readings' own ports, so each failure can be made again.
`FUSTOR_MACHINE=1000` tries so many sequences.
"""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.inotify import InotifyQueue
from fustor_core.clock import Stamper, boottime
from fustor_core.evidence import Entry
from fustor_core.paths import is_below
from fustor_fusion.stores.memory import MemoryStore
from tests.integration.sources.mirror import mirrored, walk
from tests.integration.sources.powers import ordinary_rights
from tests.integration.sources.stored import StoredView
from tests.integration.sources.tricks import MODES, NAMES, TIMES, Tricks

SEQUENCES = int(os.environ.get("FUSTOR_MACHINE", "60"))
NAME = st.sampled_from(NAMES)
ANY = st.integers(0, 30)
KINDS = st.sampled_from(["fifo", "socket", ".", "..", "outside", "nowhere"])


class AtOnce(Executor):
    """Runs what is submitted before it returns."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":  # Any: those of the base class
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **named))
        return future


class Stamps(Stamper):
    """Comes to a `point` before each stamp, so before a path is opened, and again before what was opened is read."""

    def __init__(self, point: Callable[[], None]) -> None:
        super().__init__(boottime, 1, 0)
        self._point = point

    def take(self) -> int:
        self._point()
        return super().take()


class Queue(InotifyQueue):
    """Comes to a `point` before and after a directory is watched, and before the queue is read."""

    def __init__(self, point: Callable[[], None]) -> None:
        super().__init__()
        self._point = point

    def add(self, directory: int) -> int:
        self._point()
        watch = super().add(directory)
        self._point()
        return watch

    def read(self) -> list[bytes]:
        self._point()
        return super().read()


class Tree(RuleBasedStateMachine):
    """Tricks are done at once, or held until something is read."""

    openat2 = True

    def __init__(self) -> None:
        super().__init__()
        self.holding = False
        self.reading = False
        self.waiting: list[Callable[[], None]] = []
        self.pass_over = 0
        with ExitStack() as stack:
            base = Path(stack.enter_context(TemporaryDirectory()))
            self.root, outside = base / "root", base / "outside"
            self.root.mkdir()
            outside.mkdir()
            self.tricks = Tricks(self.root, outside)
            self.tricks.grow()
            stack.callback(self.tricks.close_open)
            stack.enter_context(ordinary_rights())
            stamps = Stamps(self.point)
            self.view = StoredView(MemoryStore(), stamps.low)
            source = FsSource(self.root, openat2=self.openat2, queue=partial(Queue, self.point))
            self.mirror = stack.enter_context(mirrored(source, self.view, stamps, AtOnce))
            self.stack = stack.pop_all()

    def teardown(self) -> None:
        with self.stack:
            self.rest()
            self.tricks.open_all()
            self.rest()

    # What is done, and when

    def do(self, trick: Callable[[], None]) -> None:
        if self.holding:
            self.waiting.append(trick)
        else:
            attempt(trick)

    def point(self) -> None:
        """Between two system calls of a reading."""
        if self.pass_over:
            self.pass_over -= 1
        elif self.waiting and self.reading:
            attempt(self.waiting.pop(0))

    @rule(holding=st.booleans())
    def hold(self, holding: bool) -> None:
        """Whether what follows is done while something is read."""
        self.holding = holding

    @rule(pass_over=st.integers(0, 6))
    def follow(self, pass_over: int) -> None:
        """Notice what has been done so far, and read some of it. At each point of that, after so many, something that was held is done."""
        self.pass_over = pass_over
        self.read()

    @precondition(lambda self: self.holding)
    @rule()
    def read_meanwhile(self) -> None:
        """Others read in the middle of a reading, and what they find is told first."""
        self.waiting.append(self.read)

    def read(self) -> None:
        outer, self.reading = self.reading, True
        self.mirror.step()
        self.reading = outer

    @rule()
    def rest(self) -> None:
        """Nothing is left to be done or read: the view is as the disk."""
        self.pass_over, self.reading = 0, True
        self.settle()
        self.check_told()
        self.mirror.trees[b""] = None
        self.settle()
        disk = walk(self.root).values()
        if not any(is_closed(entry) for entry in disk):
            self.tricks.untold.clear()
        else:
            # Their other names may be where nobody can look, and go from there unseen.
            self.tricks.untold.update(entry.inode for entry in disk if entry.nlink > 1 and not entry.is_directory)
        self.check_told()
        self.reading = False

    def settle(self) -> None:
        self.follow_all()
        # A directory that was closed just when it was to be watched. An agent tries again every 30 s.
        self.mirror.trees.update(dict.fromkeys(self.mirror.source.unwatched()))
        self.follow_all()

    def follow_all(self) -> None:
        self.mirror.rest()
        while self.waiting or self.view.relook(self.look):
            if self.waiting:
                attempt(self.waiting.pop(0))
            self.mirror.rest()

    def look(self, paths: list[bytes]) -> None:
        self.mirror.paths.update(dict.fromkeys(paths))
        self.mirror.rest()

    def check_told(self) -> None:
        """Disk and view agree, but for what lies in closed directories and for what nobody could tell: inodes that the kernel may not have
        told of, and those with another name in a closed directory, which may be gone."""
        disk = walk(self.root)
        closed = [path for path, entry in disk.items() if is_closed(entry)]
        hidden = {path: entry for path, entry in self.view.entries().items() if is_below_one(path, closed)}
        untold = self.tricks.untold | {entry.inode for entry in hidden.values() if entry is not None}
        wrong = {
            path: (on_disk, in_view)
            for path, (on_disk, in_view) in self.mirror.differences(self.root).items()
            if path not in hidden and (on_disk is None or in_view is None or on_disk.inode not in untold)
        }
        assert not wrong, f"{len(wrong)} differ (disk, view): {wrong}"
        if not closed:
            self.mirror.assert_watched(self.root, [path for path, entry in disk.items() if entry.is_directory])
            self.view.assert_sound()

    # What can be done

    @rule(where=ANY, name=NAME, size=st.sampled_from([0, 1, 9_000]))
    def make_file(self, where: int, name: bytes, size: int) -> None:
        self.do(lambda: self.tricks.make_file(where, name, size))

    @rule(where=ANY, names=st.lists(NAME, min_size=1, max_size=4))
    def make_directories(self, where: int, names: list[bytes]) -> None:
        self.do(lambda: self.tricks.make_directories(where, names))

    @rule(where=ANY, name=NAME, kind=KINDS)
    def make_other(self, where: int, name: bytes, kind: str) -> None:
        self.do(lambda: self.tricks.make_other(where, name, kind))

    @rule(what=ANY)
    def remove(self, what: int) -> None:
        self.do(lambda: self.tricks.remove(what))

    @rule(what=ANY, kind=st.sampled_from(["file", "directory"]))
    def make_again(self, what: int, kind: str) -> None:
        self.do(lambda: self.tricks.make_again(what, kind))

    @rule(what=ANY, where=ANY, name=NAME)
    def move(self, what: int, where: int, name: bytes) -> None:
        self.do(lambda: self.tricks.move(what, where, name))

    @rule(what=ANY, name=NAME, other=ANY)
    def rotate(self, what: int, name: bytes, other: int) -> None:
        self.do(lambda: self.tricks.rotate(what, name, other))

    @rule(what=ANY, where=ANY, name=NAME)
    def there_and_back(self, what: int, where: int, name: bytes) -> None:
        self.do(lambda: self.tricks.there_and_back(what, where, name))

    @rule(one=ANY, other=ANY)
    def exchange(self, one: int, other: int) -> None:
        self.do(lambda: self.tricks.exchange(one, other))

    @rule(what=ANY, where=ANY, name=NAME)
    def link_for_directory(self, what: int, where: int, name: bytes) -> None:
        self.do(lambda: self.tricks.link_for_directory(what, where, name))

    @rule(what=ANY)
    def move_out(self, what: int) -> None:
        self.do(lambda: self.tricks.move_out(what))

    @rule(number=ANY, where=ANY, name=NAME)
    def move_in(self, number: int, where: int, name: bytes) -> None:
        self.do(lambda: self.tricks.move_in(number, where, name))

    @rule(number=ANY)
    def change_outside(self, number: int) -> None:
        self.do(lambda: self.tricks.change_outside(number))

    @rule(what=ANY, how=st.sampled_from(["append", "shorten", "sparsely"]))
    def write(self, what: int, how: str) -> None:
        self.do(lambda: self.tricks.write(what, how))

    @rule(what=ANY, mode=st.sampled_from(MODES))
    def mode(self, what: int, mode: int) -> None:
        self.do(lambda: self.tricks.mode(what, mode))

    @rule(what=ANY, group=st.sampled_from([os.getgid(), 12_345]))
    def group(self, what: int, group: int) -> None:
        self.do(lambda: self.tricks.group(what, group))

    @rule(what=ANY, nanoseconds=st.sampled_from(TIMES))
    def times(self, what: int, nanoseconds: int) -> None:
        self.do(lambda: self.tricks.times(what, nanoseconds))

    @rule()
    def open_all(self) -> None:
        self.do(self.tricks.open_all)

    @rule(what=ANY, where=ANY, name=NAME)
    def link(self, what: int, where: int, name: bytes) -> None:
        self.do(lambda: self.tricks.link(what, where, name))

    @rule(what=ANY)
    def unlink_open(self, what: int) -> None:
        self.do(lambda: self.tricks.unlink_open(what))

    @rule(number=ANY)
    def write_open(self, number: int) -> None:
        self.do(lambda: self.tricks.write_open(number))

    @rule(where=ANY, name=NAME)
    def name_at_last(self, where: int, name: bytes) -> None:
        self.do(lambda: self.tricks.name_at_last(where, name))


class TreeWithoutOpenat2(Tree):
    """The walk component by component goes through the same."""

    openat2 = False


def is_closed(entry: Entry) -> bool:
    """Whether it is a directory that its owner may not read whole."""
    return entry.is_directory and entry.mode & 0o500 != 0o500


def is_below_one(path: bytes, directories: list[bytes]) -> bool:
    return any(path != above and is_below(path, above) for above in directories)


def attempt(trick: Callable[[], None]) -> None:
    with suppress(OSError, shutil.Error):
        trick()


SETTINGS = settings(max_examples=SEQUENCES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestTree = Tree.TestCase
TestTree.settings = SETTINGS
TestTreeWithoutOpenat2 = TreeWithoutOpenat2.TestCase
TestTreeWithoutOpenat2.settings = SETTINGS
