"""Everything that goes on while one session of a pipe stands."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from fustor_agent.noticing.unwatched import Sent
from fustor_agent.noticing.watching import Watching
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Priority
from fustor_agent.reading.pace import Pace
from fustor_agent.reading.readers import Readers
from fustor_agent.scheduler import Scheduler
from fustor_agent.senders import Session
from fustor_agent.session.outgoing import Outgoing, Writing
from fustor_agent.session.walks import Walk
from fustor_agent.sources import Source
from fustor_core.clock import Offset, Stamper, boottime
from fustor_core.errors import SessionLost
from fustor_core.supervision import all_running
from fustor_core.wire import PULSE, SILENT_PULSES, Ack, Batch, Bye, Look, NewRole, Ping, Pong, Role, Stalled, Via

log = logging.getLogger(__name__)

FIRST_PINGS = 4
PROGRESS = 2.0


class SessionRun:
    """Sends what the outbox holds, and obeys what fusion asks, until the session breaks or the pipe stops."""

    def __init__(
        self, session: Session, source: Source, outbox: Outbox, readers: Readers, watching: Watching, offset: Offset, pace: Pace
    ) -> None:
        self._session = session
        self._outbox = outbox
        self._watching = watching
        self._offset = offset
        self._staleness = int(source.staleness * 1e9)
        welcome = session.welcome
        watching.writing.begin(boottime())
        watching.unwatched.session_began()
        watching.young.quiet = int(welcome.quiet * 1e9)
        self.role = welcome.role
        self.stamper = Stamper(self._view_now, welcome.slot, welcome.highest, self._staleness)
        self.outgoing = Outgoing(outbox, self.stamper, welcome.window)
        self.scheduler = Scheduler(source, outbox, self.outgoing, self.stamper, readers, watching, pace)
        self._to_send = asyncio.Event()
        self._moved = asyncio.Event()
        self._unanswered = 0
        self.heard = 0
        self.acknowledged = 0
        self.stalled = ""
        """Why fusion commits nothing at the moment; empty where it does."""
        self.walk_done = False
        self._expected = welcome.entries
        self.on_role: Callable[[Role], None] = lambda role: None

    def _view_now(self) -> int:
        now = boottime()
        return now + self._offset.at(now)

    async def measure(self) -> None:
        """Learn the offset to the view clock. Nothing may be stamped before."""
        for _ in range(FIRST_PINGS):
            try:
                async with asyncio.timeout(PULSE * SILENT_PULSES):
                    await self._round_trip()
            except TimeoutError:
                raise SessionLost("fusion has not answered the first ping") from None
        # Where the first round trips were slow and uneven, slewing away from them would take minutes, and fusion would refuse every stamp.
        self._offset.settle(boottime())
        await self._session.send(Ping(boottime(), self._offset.error(boottime())))

    async def _round_trip(self) -> None:
        await self._session.send(Ping(boottime(), 0))
        while isinstance(answer := await self._session.receive(), Stalled):
            self.stalled = answer.why
        if not isinstance(answer, Pong):
            raise SessionLost(f"fusion answered a ping with {type(answer).__name__}")
        self._offset.sample(answer.sent, answer.now, boottime())

    async def serve(self) -> None:
        """Read, send and listen until the session breaks; the caller cancels it when it is no longer wanted."""
        try:
            await all_running(self._receive(), self._transmit(), self._pulse(), self.scheduler.run(self._handed_over))
        finally:
            self.outgoing.lost()
            self._outbox.forget_looks()

    @property
    def sent(self) -> int:
        """Bytes of the frames that were sent so far."""
        return self._session.sent

    def wake(self) -> None:
        """There is new work in the outbox."""
        self.scheduler.wake()

    def _handed_over(self) -> None:
        self._to_send.set()
        self._moved.set()

    async def _transmit(self) -> None:
        while True:
            frame = self.outgoing.next(self._clean_to, self._watching.pending, self._writing)
            if frame is None:
                self._to_send.clear()
                await self._to_send.wait()
                continue
            await self._session.send(self._limited(frame) if isinstance(frame, Batch) else frame)
            self.scheduler.wake()
            self._moved.set()

    async def _receive(self) -> None:
        while True:
            frame = await self._session.receive()
            self._unanswered = 0
            self.heard += 1
            match frame:
                case Ack(sequence=sequence):
                    self.acknowledged = max(self.acknowledged, sequence)
                    self.outgoing.acknowledge(sequence)
                    self._handed_over()
                case Pong(sent=sent, now=now):
                    self._offset.sample(sent, now, boottime())
                case Look(number=number, paths=paths, directories=directories, recursive=recursive, via=via):
                    priority = Priority.AUDIT if via is Via.AUDIT else Priority.ASKED
                    self._outbox.answer(number, paths, directories, recursive=recursive, since=boottime(), priority=priority)
                    self.scheduler.wake()
                case Stalled(why=why):
                    self.stalled = why
                case NewRole(role=role):
                    self.role = role
                    self.on_role(role)
                case _:
                    raise SessionLost(f"fusion sent {type(frame).__name__} in the middle of a session")

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(PULSE)
            if self._unanswered >= SILENT_PULSES:
                raise SessionLost(f"fusion has not answered {self._unanswered} pings")
            self._unanswered += 1
            self._watching.notice()
            now = boottime()
            self._watching.list_unwatched(now, Sent(self.outgoing.sequence, self.acknowledged, not self.outgoing.walked_all))
            self.scheduler.retry(now)
            self._watching.note_doubts()
            self._watching.look_again(now)
            try:
                async with asyncio.timeout(PULSE * SILENT_PULSES):
                    await self._session.send(Ping(now, self._offset.error(now)))
                    if self.outgoing.quiet:
                        idle = self.outgoing.idle(self._clean_to(), self._watching.pending(), self._writing())
                        await self._session.send(self._limited(idle))
            except TimeoutError:
                raise SessionLost("fusion takes nothing any more") from None

    def _clean_to(self) -> int:
        """Everything that happened before this, on the view clock, has been sent; 0 where nothing is watched."""
        noticed_to = self._watching.noticed_to
        if not noticed_to:
            return 0
        oldest = self._outbox.oldest()
        return self._on_view_clock(noticed_to if oldest is None else min(noticed_to, oldest))

    def _on_view_clock(self, known_to: int) -> int:
        return max(known_to + self._offset.at(boottime()) - self._staleness, 0)

    def _limited(self, batch: Batch) -> Batch:
        """The batch, with where `clean_to` does not hold because no event tells of what happens there."""
        if not (below := self._watching.unwatched_below()):
            return batch
        return msgspec.structs.replace(batch, unwatched=below, unwatched_to=self._on_view_clock(self._watching.unwatched.listed_to))

    def _writing(self) -> Writing:
        """What is to be told of files that are being written; after `_clean_to`, it is no older."""
        return self._watching.writing.take(self._outbox.oldest())

    async def walk_everything(self, walk: Walk, *, mark: bool, resumed: bool) -> None:
        """List the root with all below and wait until fusion has committed it; with `mark` it is told, as a snapshot."""
        self.walk_done = False
        if mark:
            self.outgoing.add_mark(Via.SNAPSHOT, False, walk.at)
        if not resumed:
            self._outbox.forget_walks(Priority.SNAPSHOT)
            self._outbox.walk(Priority.SNAPSHOT, [b""])
        self._handed_over()
        self.scheduler.wake()
        progress = _Progress(self.scheduler, self._outbox)
        await self._until(lambda: self._outbox.idle(Priority.SNAPSHOT) and self.outgoing.walked_all, progress)
        if mark:
            self.outgoing.add_mark(Via.SNAPSHOT, True, walk.at)
            self._to_send.set()
        await self._until(lambda: self.outgoing.walked_all, progress)
        last = self.outgoing.sequence
        await self._until(lambda: self.acknowledged >= last, progress)
        self.walk_done, self._expected = True, walk.listed(self.scheduler.entries)
        progress.finished()

    async def audit(self, round_directories: int = 0) -> None:
        """Let audits go on, and so many directories of the round, until what they found is committed; what fusion knew otherwise too."""
        self.scheduler.audits.go_on(round_directories)
        self.scheduler.wake()
        try:
            while not self._audited:
                await self._until(lambda: self._audited)
                await self.committed()
        finally:
            self.scheduler.audits.rest()

    @property
    def _audited(self) -> bool:
        return self.scheduler.audits.finished and self.outgoing.walked_all

    def mark_audit(self, *, ends: bool) -> None:
        """Tell fusion that an audit of everything begins or ends."""
        at = self.stamper.take()
        self.stamper.drop(at)
        self.outgoing.add_mark(Via.AUDIT, ends, at)
        self._to_send.set()

    async def committed(self) -> None:
        """Wait until all that has been handed over of walks is committed."""
        await self._until(lambda: self.outgoing.walked_all)
        last = self.outgoing.sequence
        await self._until(lambda: self.acknowledged >= last)

    def new_walk(self) -> Walk:
        """A walk that begins at this moment."""
        at = self.stamper.take()
        self.stamper.drop(at)
        return Walk(at, self._session.welcome.clock, self.role is Role.LEADER, self._expected, -self.scheduler.entries)

    async def drain(self, seconds: float) -> bool:
        """Deliver every change that is known, leaving walks; whether all of it was acknowledged in time."""
        self.scheduler.stop_walking()
        try:
            async with asyncio.timeout(seconds):
                await self._watching.catch_up()
                await self._until(lambda: self._outbox.idle(Priority.LIVE, Priority.ASKED) and self.outgoing.quiet)
        except TimeoutError:
            return False
        return True

    async def say_goodbye(self, reason: str, *, drained: bool) -> None:
        await self._session.send(Bye(reason, drained))

    async def _until(self, done: Callable[[], bool], progress: "_Progress | None" = None) -> None:
        while not done():
            self._moved.clear()
            try:
                async with asyncio.timeout(PROGRESS if progress else None):
                    await self._moved.wait()
            except TimeoutError:
                pass
            if progress:
                progress.tell()


class _Progress:
    """Says now and then how far a walk is."""

    def __init__(self, scheduler: Scheduler, outbox: Outbox) -> None:
        self._scheduler = scheduler
        self._outbox = outbox
        self._began = self._told = time.monotonic()
        self._entries = scheduler.entries

    def tell(self) -> None:
        if time.monotonic() - self._told < PROGRESS:
            return
        self._told = time.monotonic()
        left = self._outbox.waiting(Priority.SNAPSHOT)
        log.info("snapshot: %s entries, %s a second, %s directories left", *self._figures(), f"{left:,}")

    def finished(self) -> None:
        log.info("snapshot done: %s entries, %s a second, in %.1f s", *self._figures(), time.monotonic() - self._began)

    def _figures(self) -> tuple[str, str]:
        entries = self._scheduler.entries - self._entries
        return f"{entries:,}", f"{entries / max(time.monotonic() - self._began, 1e-3):,.0f}"
