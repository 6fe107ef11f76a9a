"""Who reads what and when: takes work from the outbox by priority, reads it on threads, and hands what was found to the session."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Final

from fustor_agent.audit.share import AuditShare
from fustor_agent.noticing.watching import Watching
from fustor_agent.noticing.young import Picked
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Checks, Lists, Priority, Work
from fustor_agent.parallelism import Parallelism
from fustor_agent.reading.doubts import DOES_NOT_ANSWER
from fustor_agent.reading.pace import Pace
from fustor_agent.reading.readers import DoesNotAnswer, Readers
from fustor_agent.reading.reading import Reading, ReadingStamps, directory_of, read_checks, read_glances, read_lists
from fustor_agent.session.outgoing import Outgoing
from fustor_agent.sources import Remembering, Source, Watchable
from fustor_core.clock import Stamper, boottime, minute_of_day, wall
from fustor_core.evidence import Evidence, Gone, Listing, Same, Seen, Unreadable
from fustor_core.paths import show
from fustor_core.supervision import all_running
from fustor_core.wire import Via

log = logging.getLogger(__name__)

CHECKS_AT_ONCE = 64
DIRECTORIES_AT_ONCE = 64
WINDOW_LOOK: Final = 1.0
"""Seconds between looks whether a window has opened."""
FLOOD_LOOK: Final = 0.1
"""Seconds between looks whether a directory that is full of changes has come to rest."""
_CHANGES: Final = 0
_ASKED: Final = -1
_DOUBTFUL: Final = -2


class Scheduler:
    """The readers of one session. One lane is for changes alone, and one for what was asked for, so that neither waits for a walk, nor a
    change for a large list; one is for what could not be read before, so that nothing else waits where that hangs again. The others
    walk."""

    def __init__(
        self, source: Source, outbox: Outbox, outgoing: Outgoing, stamper: Stamper, readers: Readers, watching: Watching, pace: Pace
    ) -> None:
        self._source = source
        self._outbox = outbox
        self._outgoing = outgoing
        self._stamper = stamper
        self._readers = readers
        self._watching = watching
        self._doubts = watching.doubts
        self.audits = AuditShare(outbox)
        self._pace = pace
        self._parallelism = Parallelism(pace.limits.parallel)
        self._changed = asyncio.Event()
        self._walking = True
        self._held = False
        self._apart = False
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
        await all_running(*(self._lane(number, ready) for number in range(_DOUBTFUL, self._pace.limits.parallel + 1)))

    async def _lane(self, number: int, ready: Callable[[], None]) -> None:
        while True:
            work = self._take(number)
            if work is None:
                await self._wait()
                continue
            reading = Reading(ReadingStamps(self._stamper), most=self._pace.most_at_once)
            reserved = self._pace.begin(time.monotonic()) if isinstance(work, Lists) else 0
            try:
                young = await self._readers.run(
                    partial(self._read, work, reading),
                    overdue=reading.overdue,
                    late=partial(self._came_back, reading),
                    in_doubt=number == _DOUBTFUL,
                )
                if work.priority.audits:
                    # Its labels ask what events have told so far.
                    await self._watching.catch_up()
            except DoesNotAnswer:
                self._give_up(work, reading)
            except BaseException:
                self._outbox.put_back(work, was_done=False)
                raise
            else:
                if number > _CHANGES:
                    self._parallelism.note(reading.wall, reading.cpu)
                if reading.stamps.given_up:
                    self._outbox.put_back(work, was_done=False)
                else:
                    self._hand_over(work, reading, young)
            finally:
                self._note_load(work, reading, reserved)
            ready()
            self._changed.set()

    async def _wait(self) -> None:
        """Until something has changed, or a walk may go on."""
        self._changed.clear()
        # The time of day may be set, so it is looked at again and again.
        pause = min(self._pace.pause(time.monotonic()) or inf, WINDOW_LOOK if self._pace.limits.opens_in(minute_of_day()) else inf)
        if self._outbox.flooded:
            pause = min(pause, FLOOD_LOOK)
        try:
            async with asyncio.timeout(pause if pause < inf else None):
                await self._changed.wait()
        except TimeoutError:
            return

    def _note_load(self, work: Work, reading: Reading, reserved: int) -> None:
        if isinstance(work, Lists):
            self._pace.end(reserved, reading.ops, reading.wall, time.monotonic())
        else:
            self._pace.spend(len(work.paths), time.monotonic())

    def _take(self, number: int) -> Work | None:
        if self._held:
            return None
        if number == _CHANGES:
            return self._take_first() or self._take_changes()
        if number == _ASKED:
            return self._take_first() or self._take_asked()
        if number > self._parallelism.wanted or not self._walking or not self._outgoing.has_room:
            return None
        if number == _DOUBTFUL:
            return self._outbox.take_doubtful()
        return (
            self._take_first() or self._take_asked() or self._outbox.take_walk(DIRECTORIES_AT_ONCE, self._walks()) or self._take_changes()
        )

    def _take_first(self) -> Work | None:
        return self._outbox.take_first(CHECKS_AT_ONCE, self._outgoing.flying_of) if self._outgoing.has_room_for_first else None

    def _take_changes(self) -> Work | None:
        return self._outbox.take_changes(CHECKS_AT_ONCE) if self._outgoing.has_room_for_changes else None

    def _take_asked(self) -> Work | None:
        return self._outbox.take_asked(DIRECTORIES_AT_ONCE, boottime(), self._walks()) if self._outgoing.has_room_for_asked else None

    def _walks(self) -> list[Priority]:
        """The walks that may go on at this moment."""
        if self._pace.pause(time.monotonic()):
            return []
        # What is asked for has been waited for already, and is not much.
        scheduled = [] if self._pace.limits.opens_in(minute_of_day()) else [Priority.SNAPSHOT, *self.audits.walks()]
        return [Priority.ASKED, Priority.UNWATCHED, *scheduled]

    def _read(self, work: Work, reading: Reading) -> Picked:
        """Do the work, on a reader thread. What was told of files that may be young."""
        match work:
            case Checks():
                read_checks(self._source, work, reading, apart=self._apart)
            case Lists():
                # Only its own lane touches what hung before.
                hangs = self._doubts.hangs if work.priority is not Priority.DOUBTFUL else lambda _: False
                if work.glance and isinstance(self._source, Remembering):
                    read_glances(self._source, work, reading, hangs)
                else:
                    read_lists(self._source, work, reading, hangs)
        return self._watching.young.pick(reading.look.evidence, wall())

    def _hand_over(self, work: Work, reading: Reading, young: Picked) -> None:
        redo: Work = work
        since = min(work.paths.values(), default=0) if isinstance(work, Checks) else work.since
        if isinstance(work, Lists):
            redo = replace(work, directories=tuple(reading.listed), recursive=False, look=0)
            self.audits.listed(work, len(reading.listed))
            self._note_sizes(reading.look.evidence)
            if work.priority is Priority.SNAPSHOT:
                self.directories += len(reading.listed)
                self.entries += sum(len(one.entries) for one in reading.look.evidence if isinstance(one, Listing))
            # What is below one that can be read again is no longer in doubt.
            rest = replace(work, priority=Priority.ASKED) if work.priority is Priority.DOUBTFUL else work
            self._outbox.push_rest(rest, reading.left)
            self._outbox.walk(Priority.AUDIT, reading.moved, recursive=False)
        if reading.look.strangers and work.priority.audits:
            # No event told of them, so they are the audit's, like all that it finds.
            self._outbox.walk(Priority.AUDIT, reading.look.strangers)
        elif reading.look.strangers:
            self._outbox.ask(reading.look.strangers, since or boottime())
        self._note_doubts(work, reading)
        self._watching.young.note(young, boottime())
        self._outgoing.add(reading.look.evidence, work, redo, self._labels(work, reading))

    def _note_sizes(self, listed: Sequence[Evidence]) -> None:
        names = Counter[bytes]()
        for one in listed:
            if isinstance(one, Listing):
                names[one.path] += len(one.entries)
        for directory, count in names.items():
            self._outbox.note_size(directory, count)

    def _labels(self, work: Work, reading: Reading) -> list[Via]:
        if not work.priority.audits:
            return [work.priority.via] * len(reading.look.evidence)
        return self.audits.labels(reading.look.evidence)

    # What cannot be read

    def retry(self, now: int) -> None:
        """Try again what is to be tried again at `now`."""
        for directory, recursive in self._doubts.due(now):
            self._outbox.walk(Priority.DOUBTFUL, [directory], recursive=recursive)
            self._changed.set()

    def _note_doubts(self, work: Work, reading: Reading) -> None:
        now, evidence = boottime(), reading.look.evidence
        unreadable = {one.path: one.reason for one in evidence if isinstance(one, Unreadable)}
        for path, reason in unreadable.items():
            if reason == DOES_NOT_ANSWER:
                self._doubts.hurry(path, now)
            else:
                # A source that watches names what it finds below as strangers, when the directory can be read again.
                below = isinstance(work, Lists) and work.recursive and not isinstance(self._source, Watchable)
                self._doubt(path, reason, now, recursive=below)
        for one in evidence:
            match one:
                case Listing(path=path) | Same(path=path) | Gone(path=path) if path not in unreadable:
                    self._doubts.settled(path)
                case Seen(path=path, entry=entry) if not entry.is_directory:
                    self._doubts.settled(path)
                case _:
                    pass
        if work.priority is Priority.DOUBTFUL:
            self._doubts.tried(reading.listed)

    def _doubt(self, directory: bytes, reason: str, now: int, *, recursive: bool) -> None:
        if self._doubts.failed(directory, reason, now, recursive=recursive):
            log.warning("a directory could not be read, and is tried again: %s", reason, extra={"path": "/" + show(directory)})

    def _give_up(self, work: Work, reading: Reading) -> None:
        """The reading hangs. State which directory that is, and do the rest of the work anew; what it finds is thrown away if it ever comes
        back."""
        reading.stamps.give_up()
        place = reading.place
        if place is None:
            self._apart = True
            self._outbox.put_back(work, was_done=False)
            return
        rest: Work
        if isinstance(work, Checks):
            rest = replace(work, paths={path: since for path, since in work.paths.items() if directory_of(path) != place})
            more = bool(rest.paths)
        else:
            rest = replace(work, directories=tuple(directory for directory in work.directories if directory != place))
            more = bool(rest.directories)
        if more:
            self._outbox.return_rest(rest)
        self._doubt(place, DOES_NOT_ANSWER, boottime(), recursive=True)
        self._doubts.stuck(place)
        reading.blamed = place
        stated = Unreadable(place, self._stamper.take(), DOES_NOT_ANSWER)
        self._outgoing.add([stated], work, Lists((place,), True, Priority.DOUBTFUL))

    def _came_back(self, reading: Reading) -> None:
        if reading.blamed is not None:
            self._doubts.came_back(reading.blamed, boottime())
