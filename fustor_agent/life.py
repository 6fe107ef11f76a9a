"""One life of a pipe, from its start to its stop: holds the root open, and serves it over as many sessions as that takes."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Final

from msgspec.structs import replace

from fustor_agent import phases
from fustor_agent.audit.auditing import Auditing
from fustor_agent.counters import counters_of
from fustor_agent.loss import Loss
from fustor_agent.noticing.watching import Watching
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Priority
from fustor_agent.patience import Patience
from fustor_agent.reading.readers import Readers
from fustor_agent.reading.reading import ReadingStamps
from fustor_agent.retry import Retry
from fustor_agent.root.known_roots import KnownRoots
from fustor_agent.root.pipe_root import PipeRoot, remedy_of
from fustor_agent.senders import Sender, Session
from fustor_agent.session.greeting import PipeOptions, hello_of
from fustor_agent.session.run import SessionRun
from fustor_agent.session.standstill import SILENT, Standstill
from fustor_agent.session.walks import Begin, Walk, begin
from fustor_agent.sources import Source
from fustor_core.clock import Offset, boottime, minute_of_day
from fustor_core.errors import AnotherRoot, RootGone, SessionLost, SourceError
from fustor_core.evidence import Seen, Unreadable
from fustor_core.state import EventType, HealthState, LifecycleState
from fustor_core.steering import Steering
from fustor_core.supervision import TICK, weightiest, while_running
from fustor_core.wire import ROOT_GONE, Identity, Role

log = logging.getLogger(__name__)

ROOT_RETRY: Final = 2.0
"""Seconds between looks for a root that is gone."""
LOOK_WITHIN: Final = 2.0
"""Seconds that an operator waits for a look at what is named."""
NO_WINDOW: Final = "outside-windows"


class Life:
    """Follows one source until it is stopped; `run` raises what it cannot come back from by itself.

    `number` counts the lives of one pipe in one process: fusion is told another run for each, because between them nobody watched.
    """

    def __init__(
        self,
        options: PipeOptions,
        number: int,
        source: Source,
        known_roots: KnownRoots,
        sender: Sender,
        retry: Retry,
        steering: Steering,
        *,
        held: bool,
    ) -> None:
        self._options = options
        self._number = number
        self._source = source
        self._sender = sender
        self._retry = retry
        self._steering = steering
        self._conditions = steering.conditions
        self._held = held
        self._outbox = Outbox()
        self._watching = Watching(source, self._outbox, steering.conditions, self._woken)
        self._auditing = Auditing(options.audit, options.pace, source, self._outbox, steering)
        self._readers = Readers(f"read-{options.name}")
        self._root = PipeRoot(options.name, options.root, source, self._readers, known_roots)
        self._standstill = Standstill(self._readers, steering.conditions)
        self._offset = Offset()
        self._run: SessionRun | None = None
        self._serving = False
        self._session_id = ""
        self._acknowledged = 0
        self._walk: Walk | None = None
        self._walked = False
        self._again = False
        self._leads = False
        self._why_stopped = ""
        self._loss = Loss(steering, options.critical_after)
        self._patience = Patience()

    # What the pipe is told

    def stop(self, reason: str) -> None:
        """Deliver what is known, and end."""
        self._why_stopped = reason
        self._patience.end()

    def hold(self, held: bool) -> None:
        """Read nothing more until it is let go, or go on. The session stays, and what changes meanwhile is marked."""
        self._held = held
        if self._run:
            self._run.scheduler.hold(held)
        self._steering.step(phases.held(self._steering.state, self._phase, hold=held))
        self._reconsider()

    def list_again(self) -> None:
        """List everything once more, after what is being listed at the moment."""
        self._again = True
        self._reconsider()

    def audit(self, path: bytes, *, shallow: bool) -> None:
        """Audit `path` and all below it, or what has moved, after what is being listed at the moment."""
        self._auditing.order(path, shallow=shallow)
        self._reconsider()

    async def may_hold(self, path: bytes) -> bool:
        """Whether something is at `path` in the root at this moment, or that cannot be known soon. If not, fusion is told."""
        if (run := self._run) is None:
            return True
        stamps = ReadingStamps(run.stamper)
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                look = await self._readers.run(lambda: self._source.check([path], stamps), in_doubt=True)
        except (TimeoutError, SourceError):
            return True
        finally:
            # What is found here is not sent.
            stamps.give_up()
        if any(isinstance(each, Unreadable) or (each.path == path and isinstance(each, Seen)) for each in look.evidence):
            return True
        self._outbox.mark([path], boottime())
        self._woken()
        return False

    def _reconsider(self) -> None:
        """What is due may be something else than what is waited for; a walk over everything goes on."""
        if self._walk is None:
            self._patience.interrupt()

    def counters(self) -> Mapping[str, int]:
        """How much waits, and how far the walk is."""
        counted = counters_of(self._outbox, self._run.scheduler if self._run else None, self._walk)
        return {**counted, "sent_bytes": self._run.sent if self._run else 0, "young_dropped": self._watching.young.dropped}

    async def run(self) -> None:
        """Live until the stop."""
        if self._steering.state.lifecycle is LifecycleState.OFFLINE:
            self._steering.step([(EventType.START, None)])
        try:
            await while_running(self._hold_on_to_root(), self._supervise())
        finally:
            self._readers.close()
        if not self._outbox.idle(Priority.LIVE, Priority.ASKED):
            log.warning(
                "not everything could be delivered in time; it will be read again at the next start",
                extra={"pipe": self._steering.machine.id},
            )
        # Where no session stood to drain into, or where it broke while draining.
        self._steering.step(phases.stopping(self._steering.state, self._why_stopped))
        if self._steering.state.health is not HealthState.CRITICAL:
            self._conditions.keep_only(())
        self._steering.all_steps(phases.ended(self._steering.state))

    @property
    def _stopping(self) -> bool:
        return bool(self._why_stopped)

    @property
    def _phase(self) -> str | None:
        """The phase in which the pipe works while a session stands; a follower has none while it sets its watches, nor has a pipe that
        cannot watch when everything is listed."""
        if self._walk is None:
            return phases.MESSAGE if self._watching.watches else None
        return phases.SNAPSHOT if self._walk.leads else None

    # Supervision

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._look()

    def _look(self) -> None:
        """See whether what the pipe lives on still moves. A pipe that waits for what hangs shows no phase; it goes on by itself."""
        if self._watching.failure is not None:
            raise self._watching.failure
        self._steering.look_at_saving()
        waits = self._walk is not None and self._options.pace.limits.opens_in(minute_of_day())
        self._conditions.note(
            NO_WINDOW, "a walk over everything waits for its time of day" if waits else "", "wait, or change load.windows"
        )
        stands_still, state = self._standstill.look(self._run), self._steering.state
        if self._serving and stands_still:
            self._steering.step(phases.lost(state, stands_still))
        elif self._serving and state.lifecycle is LifecycleState.RECOVERING:
            self._steering.all_steps(phases.connected(state, self._phase, held=self._held))
            self._reconsider()
        else:
            self._loss.look()

    # The root

    async def _hold_on_to_root(self) -> None:
        while not self._stopping:
            try:
                await self._hold_root_open()
            except RootGone as error:
                self._root_gone(error)
                await self._patience.unless_interrupted(lambda: asyncio.sleep(ROOT_RETRY))

    async def _hold_root_open(self) -> None:
        with ExitStack() as held:
            identity = await self._root.open(held, self._patience, lambda: self._stopping)
            if identity is None:
                return
            try:
                self._root.recognise(identity)
            except AnotherRoot as error:
                # Fusion is asked all the same: an operator may have confirmed there that it is meant.
                self._root_gone(error)
            else:
                self._conditions.clear(ROOT_GONE)
            self._watching.begin(held)
            try:
                await while_running(self._serve_on(identity), self._root.keep_looking())
            except BaseExceptionGroup as caught:
                raise weightiest(caught) from caught

    async def _serve_on(self, identity: Identity) -> None:
        fruitless = 0
        while not self._stopping:
            rest = 0.0
            try:
                await self._serve(identity)
            except SessionLost as error:
                self._loss.note(error)
                rest = error.retry_after
            # A fusion that takes sessions and breaks them at once is not asked a hundred times a second.
            fruitless = 0 if self._acknowledged else fruitless + 1
            rest += self._retry.pause(fruitless)
            await self._patience.unless_interrupted(partial(asyncio.sleep, rest))

    def _root_gone(self, error: RootGone) -> None:
        # Its watches went with it, so everything has to be listed again.
        self._walk, self._walked = None, False
        self._conditions.add(ROOT_GONE, str(error), remedy_of(error, self._steering.machine.id))
        if self._steering.step(phases.fault(self._steering.state, str(error))):
            log.warning("root gone: %s", error, extra={"pipe": self._steering.machine.id})

    # Sessions

    async def _serve(self, identity: Identity) -> None:
        async with AsyncExitStack() as stack:
            hello = hello_of(self._options, self._number, self._source, identity, self._root.known, self._session_id, self._acknowledged)
            if not self._watching.watches:
                # What nobody watches is as of its listings, whoever writes there.
                hello = replace(hello, remote_writers=True)

            async def open_session() -> Session:
                return await stack.enter_async_context(self._sender.session(hello))

            session = await self._patience.unless_interrupted(lambda: self._retry.until_done(open_session, self._loss.note))
            if session is not None:
                await self._root.taken(identity)
                await self._use(session)

    async def _use(self, session: Session) -> None:
        welcome = session.welcome
        if not welcome.snapshot:
            # The next hello names it also where it breaks before it begins; but not where a snapshot is owed, which would be forgotten.
            self._session_id, self._acknowledged = welcome.session, 0
        # Measured anew in each session: a fusion that was started again has the same clock, but not to the millisecond.
        self._offset = Offset()
        run = SessionRun(session, self._source, self._outbox, self._readers, self._watching, self._offset, self._options.pace)
        run.scheduler.hold(self._held)
        await run.measure()
        self._session_id, self._acknowledged = welcome.session, 0
        begins = begin(welcome, self._walk, walked=self._walked)
        if begins is not Begin.GO_ON:
            self._walk = run.new_walk() if begins is Begin.WALK else None
        self._run, run.on_role = run, self._role_changed
        self._standstill.begin()
        why = f"; snapshot wanted: {welcome.why}" if welcome.snapshot else ""
        log.info("session with fusion as %s%s", welcome.role.value, why, extra={"pipe": self._steering.machine.id})
        try:
            await while_running(self._follow(run, resumed=begins is Begin.GO_ON), run.serve())
        except BaseExceptionGroup as caught:
            raise weightiest(caught) from caught
        finally:
            self._acknowledged, self._run, self._serving = run.acknowledged, None, False
            if self._walk:
                self._walk.session_over(run.scheduler.entries)

    async def _follow(self, run: SessionRun, *, resumed: bool) -> None:
        """Walk if that is due, then follow changes until the pipe stops; then deliver what is left."""
        self._leads, self._serving = run.role is Role.LEADER, True
        self._loss.over()
        self._conditions.clear(SILENT, ROOT_GONE)
        self._steering.all_steps(phases.connected(self._steering.state, self._phase, held=self._held))
        while not self._stopping:
            if not self._leads and run.role is Role.LEADER:
                self._leads = True
                self._auditing.take_over()
            if walk := self._walk:
                await self._patience.unless_interrupted(partial(run.walk_everything, walk, mark=walk.leads, resumed=resumed))
                if not run.walk_done:
                    resumed = True
                    continue
                self._walk, self._walked = None, True
                self._auditing.everything_listed(run.scheduler.directories)
                self._steering.all_steps(phases.walked(self._steering.state, self._phase))
            if self._again:
                self._again, resumed, self._walk = False, False, run.new_walk()
                self._steering.all_steps(phases.listing_again(self._steering.state))
                continue
            await self._auditing.carry_out(run, self._patience, scheduled=self._leads)
            await self._patience.unless_interrupted(partial(self._auditing.wait, scheduled=self._leads))
        await self._drain(run)

    def _role_changed(self, role: Role) -> None:
        log.info("the part of this pipe is now: %s", role.value, extra={"pipe": self._steering.machine.id})
        self._patience.interrupt()

    async def _drain(self, run: SessionRun) -> None:
        self._steering.step(phases.stopping(self._steering.state, self._why_stopped))
        self._steering.step([(EventType.DRAIN, None)])
        # A pipe that an operator holds reads nothing, also not at the end.
        drained = await run.drain(0 if self._held else self._options.drain_timeout)
        await run.say_goodbye("stopped", drained=drained)

    def _woken(self) -> None:
        if self._run:
            self._run.wake()
