"""What a reader thread does with one piece of work, and how far it is: so that a reading which hangs can be given up."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fustor_agent.audit.same import digested
from fustor_agent.outbox.work import Checks, Lists
from fustor_agent.reading.doubts import DOES_NOT_ANSWER
from fustor_agent.reading.pace import MOST_AT_ONCE
from fustor_agent.sources import Look, Remembering, Source, Stamps
from fustor_core.evidence import Listing, Unreadable
from fustor_core.paths import split

SECONDS_AT_ONCE = 0.05
"""A reading ends after so long, so that what it found travels while the next one reads."""


def waited_for_processor() -> float:
    """Seconds for which this thread was ready and others ran, so far: no fault of the storage. 0 where the kernel does not tell."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as told:
            return int(told.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class ReadingStamps:
    """The stamps of one reading. Once that is given up, none of them holds `low` back, whenever it was taken."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._taken: list[int] = []
        self.given_up = False

    def take(self) -> int:
        at = self._stamps.take()
        # In this order: whoever gives up meanwhile either finds the stamp here, or has left word for us.
        self._taken.append(at)
        if self.given_up:
            self._stamps.drop(at)
        return at

    def drop(self, at: int) -> None:
        self._stamps.drop(at)

    def give_up(self) -> None:
        """Nothing that the reading finds will be sent."""
        self.given_up = True
        for at in self._taken.copy():
            self._stamps.drop(at)


@dataclass(slots=True)
class Reading:
    """What doing one piece of work brought. `listed` are the directories that were read, `left` those that still are to be,
    `moved` those that are to be listed because they have moved since they were last. `ops` counts the entries and directories that were
    read; it is to end when these are `most`. `wall` are the seconds that it took, less those in which it waited for a processor, `cpu`
    those in which it had one.

    `place` is the directory that is being read at the moment, None where it is one of several, or the root as a whole (`verifying`).
    """

    stamps: ReadingStamps
    look: Look = field(default_factory=lambda: Look([]))
    listed: list[bytes] = field(default_factory=list)
    left: list[bytes] = field(default_factory=list)
    moved: list[bytes] = field(default_factory=list)
    most: int = MOST_AT_ONCE
    ops: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    place: bytes | None = None
    verifying: bool = False
    blamed: bytes | None = None
    """The directory that was left behind because this reading hangs in it."""

    def overdue(self) -> bool:
        """It hangs; whether to go on without it. Where the root itself hangs there is nothing else to read, and no part of it to blame: it
        is waited for, but what it found by then is read anew, for its stamps must not hold `low` back."""
        if self.verifying:
            self.stamps.give_up()
        return not self.verifying

    def verify(self, source: Source) -> None:
        """Only what was read before the root was seen to be the same root is evidence about it."""
        self.verifying = True
        source.verify()


def read_checks(source: Source, work: Checks, reading: Reading, *, apart: bool) -> Reading:
    """Look at marked paths; with `apart` those of each directory by themselves, so that it shows which of them hangs. Runs on a reader
    thread."""
    wall, waited, cpu = time.monotonic(), waited_for_processor(), time.thread_time()
    look = reading.look
    by_directory = _by_directory(work.paths)
    for directory, paths in by_directory.items() if apart or len(by_directory) == 1 else [(None, list(work.paths))]:
        reading.place = directory
        found = source.check(paths, reading.stamps)
        look.evidence.extend(found.evidence)
        look.directories.extend(found.directories)
        look.strangers.extend(found.strangers)
    reading.verify(source)
    reading.wall, reading.cpu = time.monotonic() - wall - (waited_for_processor() - waited), time.thread_time() - cpu
    return reading


def _by_directory(paths: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for path in paths:
        found[directory_of(path)].append(path)
    return found


def directory_of(path: bytes) -> bytes:
    """The directory in which a path is looked at; the root is looked at by itself."""
    return split(path)[0] if path else path


def read_glances(source: Remembering, work: Lists, reading: Reading, hangs: Callable[[bytes], bool]) -> Reading:
    """Look at directories alone, going down, until a reading's measure is full. One that `hangs` is not touched. Runs on a reader
    thread."""
    wall, waited, cpu = time.monotonic(), waited_for_processor(), time.thread_time()
    reading.left.extend(work.directories)
    while reading.left and reading.ops < reading.most and time.monotonic() - wall < SECONDS_AT_ONCE:
        directory = reading.place = reading.left.pop()
        reading.listed.append(directory)
        if hangs(directory):
            continue
        glance = source.glance(directory)
        reading.ops += glance.looks + 1
        reading.moved.extend(glance.moved)
        reading.left.extend(glance.below)
    reading.verify(source)
    reading.wall, reading.cpu = time.monotonic() - wall - (waited_for_processor() - waited), time.thread_time() - cpu
    return reading


def read_lists(source: Source, work: Lists, reading: Reading, hangs: Callable[[bytes], bool]) -> Reading:
    """List directories, going down where the work is recursive, until a reading's measure is full. One that `hangs` is not touched, but
    stated. Runs on a reader thread."""
    wall, waited, cpu = time.monotonic(), waited_for_processor(), time.thread_time()
    found = reading.look
    # What fusion asked for because its own digest was another is told in full.
    says_same = work.priority.audits and not work.look
    reading.left.extend(work.directories)
    while reading.left and reading.ops < reading.most and time.monotonic() - wall < SECONDS_AT_ONCE:
        directory = reading.place = reading.left.pop()
        if hangs(directory):
            look = Look([Unreadable(directory, reading.stamps.take(), DOES_NOT_ANSWER)])
        else:
            look = source.list(directory, reading.stamps)
        reading.listed.append(directory)
        found.evidence.extend(digested(look.evidence) if says_same else look.evidence)
        reading.ops += sum(len(one.entries) for one in look.evidence if isinstance(one, Listing)) + 1
        if work.recursive:
            # The first on top, so that they come in order: fusion stores them so, and puts nothing between what it has.
            reading.left.extend(reversed(look.directories))
        else:
            found.strangers.extend(look.strangers)
    reading.verify(source)
    reading.wall, reading.cpu = time.monotonic() - wall - (waited_for_processor() - waited), time.thread_time() - cpu
    return reading
