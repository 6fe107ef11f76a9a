"""Takes what a source notices into the outbox, whether a session stands or not."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from fustor_agent.noticing.unwatched import MOST_NAMED, Sent, Unwatched
from fustor_agent.noticing.writing import WritingNews
from fustor_agent.noticing.young import Young
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.folding import Folded
from fustor_agent.reading.doubts import Doubts
from fustor_agent.sources import CannotWatch, Source, Watchable
from fustor_core.clock import boottime
from fustor_core.conditions import Conditions

log = logging.getLogger(__name__)

OVERFLOWED = "events-overflowed"
UNREADABLE = "unreadable"
NOT_WATCHED = "not-watched"
MANY: Final = 16
"""Paths from which those that follow are gathered for a while: where changes are many, to notice each by itself would cost more than all
else."""
GATHERS: Final = 0.005
"""Seconds for which they are."""
_DROPPED = "the kernel dropped change events because its queue was full; the whole root is being listed again"
_LARGER_QUEUE = "if this comes often: sysctl fs.inotify.max_queued_events=131072"


class Watching:
    """The events of one source, from when it is watched on. `woken` is called when there is something new in the outbox."""

    def __init__(self, source: Source, outbox: Outbox, conditions: Conditions, woken: Callable[[], None]) -> None:
        self._source = source
        self._outbox = outbox
        self._conditions = conditions
        self._woken = woken
        self._dropped = Folded()
        self._watched = False
        self._descriptor = -1
        self._begun = 0
        self._next: asyncio.Handle | None = None
        self._gathering = False
        self._moved = asyncio.Event()
        self._kinds: set[str] = set()
        self.doubts = Doubts()
        self.noticed_to = 0
        self.writing = WritingNews()
        self.unwatched = Unwatched(outbox)
        self.young = Young()
        self.failure: Exception | None = None
        """What noticing failed with. Nothing is noticed after it: whoever runs the pipe looks here."""

    def begin(self, stack: ExitStack) -> None:
        """Watch until `stack` is closed; a source that cannot watch is left alone."""
        if isinstance(self._source, Watchable):
            self._begun = boottime()
            try:
                descriptor = stack.enter_context(self._source.watch())
            except CannotWatch as error:
                self._conditions.add(NOT_WATCHED, str(error), error.remedy)
                return
            self._conditions.clear(NOT_WATCHED)
            loop = asyncio.get_running_loop()
            loop.add_reader(descriptor, self._readable)
            stack.callback(loop.remove_reader, descriptor)
            self._watched, self._descriptor = True, descriptor
            stack.callback(self._end)

    def _readable(self) -> None:
        if self._next is None:
            self._go_on()
        elif isinstance(self._next, asyncio.TimerHandle):
            # Or the loop would not rest until then.
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._gathering = True

    def _go_on(self) -> None:
        self._next = None
        if self._gathering:
            asyncio.get_running_loop().add_reader(self._descriptor, self._readable)
            self._gathering = False
        try:
            self.notice()
        except Exception as error:  # noqa: BLE001 - kept for the supervision of the pipe: there is no caller to raise it to
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self.failure = error
            self._moved.set()

    def _end(self) -> None:
        self._watched = False
        self._moved.set()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._gathering = False
        self.writing.forget(self.noticed_to)
        self.noticed_to = 0

    @property
    def watches(self) -> bool:
        """Whether changes are noticed at all."""
        return self._watched

    def notice(self) -> None:
        """Notice the next events; where there are more, the loop goes on with them. Everything that happened before `noticed_to` (local ns;
        0: nothing is watched) is in the outbox then."""
        if not self._watched or not isinstance(self._source, Watchable):
            return
        # What is noticed here happened at any time after that to which all was noticed: that, and not the present, is how far back it holds
        # `clean_to`.
        since = self.noticed_to or self._begun
        noticed = self._source.notice()
        self._outbox.mark(noticed.paths, since)
        self.writing.note(noticed.writing, since)
        if noticed.overflowed:
            self._dropped.add({b"": since})
            self._conditions.add(OVERFLOWED, _DROPPED, _LARGER_QUEUE)
            log.warning("%s; %s", _DROPPED, _LARGER_QUEUE, extra={"path": self._source.place})
        if noticed.trees:
            self._outbox.ask(noticed.trees, since)
        self._note_conditions(self._source)
        self.noticed_to = noticed.to
        self._moved.set()
        if noticed.more:
            self._go_on_after(0)
        elif len(noticed.paths) >= MANY:
            self._go_on_after(GATHERS)
        if noticed.paths or noticed.trees:
            self._woken()

    def _go_on_after(self, seconds: float) -> None:
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.call_later(seconds, self._go_on) if seconds else loop.call_soon(self._go_on)

    async def catch_up(self) -> None:
        """Have everything noticed that has happened so far."""
        now = boottime()
        self.notice()
        while self._watched and self.failure is None and self.noticed_to < now:
            self._moved.clear()
            await self._moved.wait()

    def unwatched_below(self) -> list[bytes]:
        """Below which paths no event tells of some directories; what changed there before `unwatched.listed_to` is committed."""
        return self.unwatched.below(self._source.unwatched(MOST_NAMED)) if self._watched and isinstance(self._source, Watchable) else []

    def list_unwatched(self, now: int, session: Sent) -> None:
        """List the directories that cannot be watched, now and then: nothing else tells what happens in them."""
        if not self._watched or not isinstance(self._source, Watchable):
            return
        self.unwatched_below()
        if self.unwatched.look(now, self.noticed_to, session):
            self.unwatched.list_all(self._source.unwatched())
            self._woken()
        self._note_conditions(self._source)

    def note_doubts(self) -> None:
        """Say what could not be read, or that all can be."""
        self._conditions.note(UNREADABLE, *self.doubts.words())

    def look_again(self, now: int) -> None:
        """Mark the young files that are due."""
        if due := self.young.due(now):
            self._outbox.mark(due, now)
            self._woken()

    def _note_conditions(self, source: Watchable) -> None:
        standing = source.conditions()
        if standing or self._kinds:
            self._conditions.replace(self._kinds, standing)
            self._kinds = {one.type for one in standing}

    def pending(self) -> list[bytes]:
        """Below which paths something is known to be missing."""
        pending = self._dropped.below(self._outbox.oldest())
        if not pending:
            self._conditions.clear(OVERFLOWED)
        return pending
