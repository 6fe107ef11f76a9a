"""Who reads what and when: takes work from the outbox by priority, reads it on threads, and hands what was found to the session."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from fustor_agent.outbox import Checks, Lists, Outbox, Priority, Work
from fustor_agent.outgoing import Outgoing
from fustor_agent.readers import Readers
from fustor_agent.sources import Look, Source
from fustor_core.clock import Stamper
from fustor_core.evidence import Listing
from fustor_core.supervision import all_running

CHECKS_AT_ONCE = 512
DIRECTORIES_AT_ONCE = 64
ENTRIES_AT_ONCE = 4000
SECONDS_AT_ONCE = 0.05
"""A reading ends after so many entries or so long, so that what it found travels while the next one reads."""


@dataclass(slots=True)
class Reading:
    """What doing one piece of work brought. `listed` are the directories that were read, `left` those that still are to be."""

    look: Look
    listed: list[bytes] = field(default_factory=list)
    left: list[bytes] = field(default_factory=list)
    wall: float = 0.0
    cpu: float = 0.0


def read_checks(source: Source, work: Checks, stamps: Stamper) -> Reading:
    """Look at marked paths. Runs on a reader thread."""
    wall, cpu = time.monotonic(), time.thread_time()
    look = source.check(list(work.paths), stamps)
    source.verify()
    return Reading(look, wall=time.monotonic() - wall, cpu=time.thread_time() - cpu)


def read_lists(source: Source, work: Lists, stamps: Stamper) -> Reading:
    """List directories, going down where the work is recursive, until a reading's measure is full. Runs on a reader thread."""
    wall, cpu = time.monotonic(), time.thread_time()
    found, entries = Look([]), 0
    reading = Reading(found, left=list(work.directories))
    while reading.left and entries < ENTRIES_AT_ONCE and time.monotonic() - wall < SECONDS_AT_ONCE:
        directory = reading.left.pop()
        look = source.list(directory, stamps)
        reading.listed.append(directory)
        found.evidence.extend(look.evidence)
        entries += sum(len(one.entries) for one in look.evidence if isinstance(one, Listing)) + 1
        if work.recursive:
            reading.left.extend(look.directories)
        else:
            found.strangers.extend(look.strangers)
    # Only what was read before the root was seen to be the same root is evidence about it.
    source.verify()
    reading.wall, reading.cpu = time.monotonic() - wall, time.thread_time() - cpu
    return reading


class Parallelism:
    """How many readings should run at once: as many as keep one processor busy, for a thread that waits for a disk leaves room for
    another."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 1.0

    def note(self, wall: float, cpu: float) -> None:
        """A reading took so many seconds, of which the processor worked for `cpu`."""
        if wall > 0.001:
            self._waiting += 0.2 * (min(wall / max(cpu, 1e-5), 1000.0) - self._waiting)

    @property
    def wanted(self) -> int:
        # Below a factor of two the waiting is the interpreter's own (threads take turns), and more threads would make it worse.
        return max(1, min(self._most, int(self._waiting - 1.0) + 1 if self._waiting >= 2.0 else 1))


class Scheduler:
    """The readers of one session. One lane is for live work alone, so that a change never waits for a walk; the others walk."""

    def __init__(self, source: Source, outbox: Outbox, outgoing: Outgoing, stamper: Stamper, readers: Readers, parallel: int) -> None:
        self._source = source
        self._outbox = outbox
        self._outgoing = outgoing
        self._stamper = stamper
        self._readers = readers
        self._parallel = parallel
        self._parallelism = Parallelism(parallel)
        self._changed = asyncio.Event()
        self._walking = True
        self._held = False
        self.entries = 0
        self.directories = 0

    def wake(self) -> None:
        """Something has changed: work came in, or room was made."""
        self._changed.set()

    def hold(self, held: bool) -> None:
        """Read nothing more, or go on. What is being read is still handed over."""
        self._held = held
        self._changed.set()

    def stop_walking(self) -> None:
        """Leave snapshot and audit where they are; only changes are still read."""
        self._walking = False

    async def run(self, ready: Callable[[], None]) -> None:
        """Read until cancelled. `ready` is called when evidence has been handed over."""
        await all_running(*(self._lane(number, ready) for number in range(self._parallel + 1)))

    async def _lane(self, number: int, ready: Callable[[], None]) -> None:
        live = number == 0
        while True:
            work = self._take(number)
            if work is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                reading = await self._readers.run(partial(self._read, work))
            except BaseException:
                self._outbox.put_back(work, was_done=False)
                raise
            if not live:
                self._parallelism.note(reading.wall, reading.cpu)
            self._hand_over(work, reading)
            ready()
            self._changed.set()

    def _take(self, number: int) -> Work | None:
        if self._held:
            return None
        live = number == 0
        if not live and (number > self._parallelism.wanted or not self._walking or not self._outgoing.has_room):
            return None
        return self._outbox.take(checks=CHECKS_AT_ONCE, directories=DIRECTORIES_AT_ONCE, live=live)

    def _read(self, work: Work) -> Reading:
        match work:
            case Checks():
                return read_checks(self._source, work, self._stamper)
            case Lists():
                return read_lists(self._source, work, self._stamper)

    def _hand_over(self, work: Work, reading: Reading) -> None:
        redo: Work = work
        since = min(work.paths.values(), default=0) if isinstance(work, Checks) else work.since
        if isinstance(work, Lists):
            redo = replace(work, directories=tuple(reading.listed), recursive=False, look=0)
            self.directories += len(reading.listed)
            if work.priority > Priority.ASKED:
                self.entries += sum(len(one.entries) for one in reading.look.evidence if isinstance(one, Listing))
            self._outbox.push_rest(work, reading.left)
        if reading.look.strangers:
            self._outbox.ask(reading.look.strangers, recursive=True, since=since or time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        self._outgoing.add(reading.look.evidence, work, redo)
