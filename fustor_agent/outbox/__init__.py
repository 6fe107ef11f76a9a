"""What must be read and sent: a set of marked paths and of directories to list, not a queue of messages (DESIGN §2, "What is sent is always
fresh").

Pure: it decides what is next, and nothing else. The order of an act is: take the work (unmark), stamp, read, send. A mark that is made
meanwhile stands for itself, so it survives the acknowledgement; what was sent but not acknowledged when a session broke is put back.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from itertools import islice

from fustor_agent.outbox.floods import Floods
from fustor_agent.outbox.folding import Folded, fold
from fustor_agent.outbox.mark_times import MarkTimes
from fustor_agent.outbox.marks import Marks
from fustor_agent.outbox.underway import Underway
from fustor_agent.outbox.work import ALL_WALKS, WALKS, Checks, Lists, Priority, Work
from fustor_core.paths import split

FEW_CHANGES = 32
"""Changes of one directory that go before those of others which have more: they hold up nobody."""


class Outbox:
    """The work of one pipe.

    Work that was taken ends as `done` when its evidence has been handed to the session, and may be `put_back` at any time, also later.
    `bound` is how many paths and directories are kept one by one; beyond it they are folded into lists of the directories that hold them:
    less precise, never lossy.
    """

    def __init__(self, bound: int = 100_000) -> None:
        self._bound = bound
        self._marks = Marks()
        self._trees: dict[bytes, int] = {}
        self._floods = Floods()
        self._looks: list[Work] = []
        self._walks: dict[Priority, list[Lists]] = {priority: [] for priority in Priority if priority is not Priority.LIVE}
        self._checking = Underway()
        self._listing = Underway()
        self._times = MarkTimes()
        self._running: Counter[Priority] = Counter()
        self._answers: Counter[int] = Counter()
        self._answered: list[int] = []
        self._folded = Folded()
        self.folded = 0

    # What comes in

    def mark(self, paths: Iterable[bytes], since: int) -> None:
        """These paths may have changed since then."""
        directories: set[bytes] = set()
        for path in paths:
            directory, _ = split(path)
            if not self._floods.absorb(directory, since):
                self._remember(self._marks, (path,), since)
                directories.add(directory)
        for directory in directories:
            if len(self._marks.of(directory)) > self._floods.bears(directory):
                self._fold([(directory, self._marks.take_directory(directory))])
        if len(self._marks) > self._bound:
            self._fold(self._marks.take_directories(self._bound // 2))

    def _fold(self, directories: Iterable[tuple[bytes, Mapping[bytes, int]]]) -> None:
        """These are listed, instead of what is marked in them."""
        latest: dict[bytes, int] = {}
        for directory, marks in directories:
            self.folded += len(marks)
            times = Counter(marks.values())
            latest[directory] = max(times)
            self._remember(self._floods, (directory,), min(times))
            self._times.remove_all(times)
        self._folded.add(latest)
        self._fold_lists()

    def ask(self, directories: Iterable[bytes], since: int) -> None:
        """These are to be listed with all below: something that happened since then is known only that far."""
        self._remember(self._trees, directories, since)
        self._fold_lists()

    def note_size(self, directory: bytes, names: int) -> None:
        """So many names were in the directory when it was listed."""
        self._floods.note_size(directory, names)

    def answer(
        self,
        look: int,
        paths: Iterable[bytes],
        directories: Iterable[bytes],
        *,
        recursive: bool,
        since: int,
        priority: Priority = Priority.ASKED,
    ) -> None:
        """Read these again, and tell by `answered` when all of it is done."""
        marks, wanted = dict.fromkeys(paths, since), tuple(directories)
        self._answers[look] += 1
        if marks:
            self._hold(Checks(marks, look, Priority.ASKED))
            self._looks.append(Checks(marks, look, Priority.ASKED))
        if wanted:
            # A walk may be given up, or wait for its time of day.
            floods = self._floods.take_at(wanted, below=recursive) if priority is Priority.ASKED else []
            self._push(Lists(wanted, recursive, priority, min([since, *floods]), look))
            for each in floods:
                self._times.remove(each)
        self._settle_look(look)

    def walk(self, priority: Priority, directories: Iterable[bytes], *, recursive: bool = True, glance: bool = False) -> None:
        """List these, or `glance` at them, as part of a snapshot or an audit."""
        if wanted := tuple(directories):
            self._push(Lists(wanted, recursive, priority, glance=glance))

    def push_rest(self, work: Lists, directories: Iterable[bytes]) -> None:
        """Doing `work` was not finished, or found more below: these are still to be listed, for the same reason and in the same way."""
        rest = tuple(directories)
        if rest:
            self._push(replace(work, directories=rest))

    def return_rest(self, rest: Work) -> None:
        """So much of a work that was taken is still to be done, whatever became of the other part."""
        match rest:
            case Checks(look=0):
                self._put_marks_back(rest)
            case Checks():
                self._hold(rest)
                self._looks.append(rest)
            case Lists():
                self.push_rest(rest, rest.directories)

    def forget_walks(self, priority: Priority) -> None:
        """Nothing of this walk that still waits is wanted."""
        for work in self._walks[priority]:
            self._release(work)
        self._walks[priority] = []

    # What goes out

    # A limit is how many paths or directories there are in a work; `walks` are those that may go on at the moment.

    def take_first(self, limit: int, flying: Callable[[bytes], int]) -> Work | None:
        """The next changes of directories that have few, those included that were taken, or are `flying`: handed over and not committed."""
        taken = self._marks.take_few(limit, FEW_CHANGES, lambda directory: len(self._checking.of(directory)) + flying(directory))
        return self._begun(Checks(taken, first=True) if taken else None)

    def take_changes(self, limit: int) -> Work | None:
        """The next changes: nothing that takes long."""
        taken = self._marks.take(limit)
        return self._begun(Checks(taken) if taken else None)

    def take_asked(self, limit: int, now: int, walks: Container[Priority] = ALL_WALKS) -> Work | None:
        """The next of what was asked for, and at `now` (ns) is to be done."""
        return self._begun(self._next_asked(limit, now, trees=Priority.ASKED in walks))

    def take_walk(self, limit: int, walks: Container[Priority] = ALL_WALKS) -> Work | None:
        """The next directories of a walk."""
        return self._begun(self._next_walk(limit, walks))

    def take_doubtful(self) -> Work | None:
        """The next directory that is to be tried again, one at a time: it may hang."""
        return self._begun(self._pop(Priority.DOUBTFUL, 1) if self._walks[Priority.DOUBTFUL] else None)

    def _next_asked(self, limit: int, now: int, *, trees: bool) -> Work | None:
        if self._looks:
            return self._looks.pop()
        if (waiting := self._walks[Priority.ASKED]) and (trees or not waiting[-1].recursive):
            return self._pop(Priority.ASKED, limit)
        if taken := self._floods.take(limit, now, self._listing):
            return self._listed(taken, recursive=False)
        if trees and (wanted := list(islice((path for path in self._trees if path not in self._listing), limit))):
            return self._listed({path: self._trees.pop(path) for path in wanted}, recursive=True)
        return None

    def _listed(self, taken: Mapping[bytes, int], *, recursive: bool) -> Lists:
        """The list of these, which holds back what their marks did."""
        work = Lists(tuple(taken), recursive, Priority.ASKED, min(taken.values()))
        self._hold(work)
        for since in taken.values():
            self._times.remove(since)
        return work

    def _next_walk(self, limit: int, walks: Container[Priority]) -> Lists | None:
        for priority in WALKS:
            waiting = self._walks[priority]
            # What fusion waits for goes on in any case.
            if waiting and (priority in walks or waiting[-1].look):
                return self._pop(priority, limit)
        return None

    def _pop(self, priority: Priority, limit: int) -> Lists:
        """The last directories of the last list: a walk goes down before it goes on, so that what waits is bounded by the depth of the
        tree."""
        work = self._walks[priority].pop()
        if len(work.directories) > limit:
            self._push(replace(work, directories=work.directories[:-limit]))
            work = replace(work, directories=work.directories[-limit:])
        return work

    # What becomes of it

    def done(self, work: Work) -> None:
        """The evidence of this work has been handed to the session."""
        self._end(work)
        self._release(work)

    def put_back(self, work: Work, *, was_done: bool) -> None:
        """The evidence of this work is lost with its session, and so is the look that asked for it. A list that was `done` does not go down
        again, since what it found below was pushed then."""
        match work:
            case Checks():
                self._put_marks_back(work)
            case Lists():
                self._push(replace(work, look=0, recursive=work.recursive and not was_done))
        if not was_done:
            self._end(work)
            self._release(replace(work, look=0))

    def _begun(self, work: Work | None) -> Work | None:
        if work is not None:
            self._running[work.priority] += 1
            taken, by = self._taken(work)
            by.add(taken)
        return work

    def _end(self, work: Work) -> None:
        self._running[work.priority] -= 1
        taken, by = self._taken(work)
        by.remove(taken)

    def _taken(self, work: Work) -> tuple[Iterable[bytes], Underway]:
        """The paths of a work that has been taken, and where they are kept meanwhile."""
        if isinstance(work, Checks):
            return work.paths.keys(), self._checking
        return (work.directories if work.priority is Priority.ASKED else ()), self._listing

    def forget_looks(self) -> None:
        """The session that asked for looks has ended: what they asked for is still read, but nobody is told."""
        looks, self._looks = self._looks, []
        for work in looks:
            self.put_back(work, was_done=True)
            self._release(replace(work, look=0))
        for walk in self._walks.values():
            walk[:] = [replace(work, look=0) for work in walk]
        self._answers.clear()
        self._answered.clear()

    # What is to be told

    def oldest(self) -> int | None:
        """The time of the oldest mark of which the evidence has not been handed over; None if there is none."""
        return self._times.least()

    def folded_below(self) -> list[bytes]:
        """Below which directories changes were folded that have not been read yet."""
        return self._folded.below(self.oldest())

    def answered(self) -> list[int]:
        """The looks that have become done since the last call."""
        answered, self._answered = self._answered, []
        return answered

    def tells_of(self, path: bytes) -> bool:
        """Whether an event has told of this path, or may have, and its evidence has not been handed over yet."""
        return path in self._marks or path in self._checking or not self.idle(Priority.ASKED)

    def tells_of_any(self, directory: bytes, names: Container[bytes]) -> bool:
        """The same of any of these names in a directory, however many they are."""
        if not self.idle(Priority.ASKED):
            return True
        return any(split(path)[1] in names for path in (*self._marks.of(directory), *self._checking.of(directory)))

    def waiting(self, priority: Priority) -> int:
        """How many paths or directories wait for their turn."""
        if priority is Priority.LIVE:
            return len(self._marks)
        asked = len(self._floods) + len(self._trees) + len(self._looks) if priority is Priority.ASKED else 0
        return asked + sum(len(work.directories) for work in self._walks[priority])

    @property
    def flooded(self) -> bool:
        """Whether a directory is to be listed when it has come to rest."""
        return len(self._floods) > 0

    @property
    def checking(self) -> int:
        """How many paths have been taken to be looked at, of which the evidence has not been handed to the session."""
        return len(self._checking)

    def running(self, priority: Priority) -> bool:
        """Whether something of this priority is being read, or waits to be sent."""
        return self._running[priority] > 0

    def idle(self, *priorities: Priority) -> bool:
        """Whether nothing of these priorities waits or is being read."""
        return not any(self.waiting(priority) or self.running(priority) for priority in priorities)

    def _remember(self, where: dict[bytes, int] | Marks | Floods, paths: Iterable[bytes], since: int) -> None:
        for path in paths:
            known = where.get(path)
            if known is None or since < known:
                where[path] = since
                self._times.add(since)
                if known is not None:
                    self._times.remove(known)

    def _put_marks_back(self, work: Checks) -> None:
        for path, since in work.paths.items():
            self._remember(self._marks, (path,), since)

    def _fold_lists(self) -> None:
        if len(self._trees) + len(self._floods) <= self._bound:
            return
        before = [*self._trees.items(), *self._floods.take_all().items()]
        merged: dict[bytes, int] = {}
        for path, since in before:
            merged[path] = min(since, merged.get(path, since))
        self._trees = fold(merged, self._bound // 2)
        self.folded += len(before)
        self._folded.add(dict.fromkeys(self._trees, max(since for _, since in before)))
        for since in self._trees.values():
            self._times.add(since)
        for _, since in before:
            self._times.remove(since)

    def _push(self, work: Lists) -> None:
        self._hold(work)
        self._walks[work.priority].append(work)

    def _hold(self, work: Work) -> None:
        if work.look:
            self._answers[work.look] += 1
        for since in work.paths.values() if isinstance(work, Checks) else (work.since,) if work.since else ():
            self._times.add(since)

    def _release(self, work: Work) -> None:
        for since in work.paths.values() if isinstance(work, Checks) else (work.since,) if work.since else ():
            self._times.remove(since)
        if work.look:
            self._settle_look(work.look)

    def _settle_look(self, look: int) -> None:
        if look not in self._answers:
            return
        self._answers[look] -= 1
        if not self._answers[look]:
            del self._answers[look]
            self._answered.append(look)
