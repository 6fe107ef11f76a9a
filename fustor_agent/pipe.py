"""One pipe: one source, one fusion, one state machine, one outbox. It outlives its sessions, and disturbs no other pipe."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from fustor_agent import phases
from fustor_agent.conditions import Conditions
from fustor_agent.outbox import Outbox, Priority
from fustor_agent.readers import Readers
from fustor_agent.retry import Retry
from fustor_agent.senders import Sender, Session
from fustor_agent.session import SessionRun, Walk
from fustor_agent.sources import Source
from fustor_agent.watching import Watching
from fustor_core.clock import Offset
from fustor_core.errors import ConfigurationError, FustorError, Refused, RootGone, SessionLost, Unreachable
from fustor_core.state import Event, EventType, StateMachine
from fustor_core.wire import Hello, Identity, PipeReport, Role

log = logging.getLogger(__name__)

T = TypeVar("T")

ROOT_RETRY: Final = 2.0
"""Seconds between looks for a root that is gone."""
DISCONNECTED: Final = "disconnected"
ROOT_GONE: Final = "root-gone"
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True)
class PipeOptions:
    """What a pipe is told beside its source and its fusion. `drain_timeout` is in seconds."""

    agent: str
    boot: str
    run: str
    name: str
    root: str
    parallel: int
    drain_timeout: float


class AgentPipe:
    """Follows one source until it is stopped; `run` raises what the pipe cannot come back from by itself."""

    def __init__(self, options: PipeOptions, source: Source, sender: Sender, retry: Retry, machine: StateMachine) -> None:
        self._options = options
        self._source = source
        self._sender = sender
        self._retry = retry
        self.machine = machine
        self.conditions = Conditions()
        self._outbox = Outbox()
        self._watching = Watching(source, self._outbox, self.conditions, self._woken)
        self._readers = Readers(f"read-{options.name}")
        self._offset = Offset()
        self._clock = ""
        self._identity: Identity | None = None
        self._run: SessionRun | None = None
        self._session_id = ""
        self._acknowledged = 0
        self._walk: Walk | None = None
        self._walked = False
        self._stopping = False
        self._patience: asyncio.Timeout | None = None

    @property
    def id(self) -> str:
        return self.machine.id

    @property
    def name(self) -> str:
        return self._options.name

    def stop(self) -> None:
        """Deliver what is known, and end."""
        self._stopping = True
        self._interrupt()

    def report(self) -> PipeReport:
        """What a heartbeat says of this pipe."""
        run, waiting = self._run, self._outbox.waiting
        counters = {
            "marked": waiting(Priority.LIVE),
            "asked": waiting(Priority.ASKED),
            "walk_entries": run.scheduler.entries if run else 0,
            "walk_directories": run.scheduler.directories if run else 0,
            "walk_directories_left": waiting(Priority.SNAPSHOT),
            "folded": self._outbox.folded,
        }
        phase = "snapshot" if self._walk else "message" if self._walked and run else ""
        return PipeReport(self._options.root, phase, "running", self.conditions.all(), counters)

    async def run(self) -> None:
        self._step([(EventType.START, None)])
        try:
            while not self._stopping:
                try:
                    await self._hold_root_open()
                except RootGone as error:
                    self._root_gone(error)
                    await self._unless_interrupted(lambda: asyncio.sleep(ROOT_RETRY))
        except (Refused, ConfigurationError, Unreachable) as error:
            self.conditions.add(REFUSED, str(error), "correct what it names, then start the pipe again")
            self._all_steps(phases.failed(self.machine.snapshot.state, str(error)))
            raise
        finally:
            self._readers.close()
        self._stopped()

    # The root

    async def _hold_root_open(self) -> None:
        with ExitStack() as held:
            identity = await self._open(held)
            self.conditions.clear(ROOT_GONE)
            self._watching.begin(held)
            while not self._stopping:
                try:
                    await self._serve(identity)
                except SessionLost as error:
                    self._lost(error)

    async def _open(self, held: ExitStack) -> Identity:
        try:
            identity = await self._readers.run(lambda: held.enter_context(self._source.open()))
        except ConfigurationError as error:
            if self._identity is None:
                raise
            raise RootGone(str(error)) from error
        if self._identity not in (None, identity):
            raise RootGone(f"another file system or directory stands where the root of pipe {self.id} was; bring the right one back")
        self._identity = identity
        return identity

    def _root_gone(self, error: RootGone) -> None:
        # Its watches went with it, so everything has to be listed again.
        self._walk, self._walked = None, False
        self.conditions.add(ROOT_GONE, str(error), "bring the root back; what is known of it stays as it is until then")
        log.warning("root gone: %s", error, extra={"pipe": self.id})
        self._step(phases.fault(self.machine.snapshot.state, str(error)))

    # Sessions

    async def _serve(self, identity: Identity) -> None:
        async with AsyncExitStack() as stack:
            hello = self._hello(identity)

            async def open_session() -> Session:
                return await stack.enter_async_context(self._sender.session(hello))

            session = await self._unless_interrupted(lambda: self._retry.until_done(open_session, self._lost))
            if session is not None:
                await self._use(session)

    def _hello(self, identity: Identity) -> Hello:
        options, source = self._options, self._source
        return Hello(
            agent=options.agent,
            boot=options.boot,
            path=source.place,
            run=options.run,
            pipe=options.name,
            root=options.root,
            identity=identity,
            excludes=source.excludes,
            session=self._session_id,
            sequence=self._acknowledged,
            staleness=source.staleness,
            remote_writers=False,
        )

    async def _use(self, session: Session) -> None:
        welcome = session.welcome
        if welcome.clock != self._clock:
            self._clock, self._offset = welcome.clock, Offset()
        run = SessionRun(session, self._source, self._outbox, self._readers, self._watching, self._offset, self._options.parallel)
        await run.measure()
        self._session_id, self._acknowledged = welcome.session, 0
        resumed = self._walk is not None and self._walk.clock == welcome.clock and not welcome.snapshot
        if not resumed:
            wanted = welcome.snapshot or not self._walked
            self._walk = run.new_walk() if wanted else None
        self._run, run.on_role = run, self._role_changed
        self.conditions.clear(DISCONNECTED)
        log.info(
            "session with fusion as %s%s",
            welcome.role.value,
            f"; snapshot wanted: {welcome.why}" if welcome.snapshot else "",
            extra={"pipe": self.id},
        )
        try:
            async with asyncio.TaskGroup() as group:
                serving = group.create_task(run.serve(), name="serve")
                await self._follow(run, resumed=resumed)
                serving.cancel()
        except BaseExceptionGroup as caught:
            raise _first(caught) from caught
        finally:
            self._acknowledged, self._run = run.acknowledged, None

    async def _follow(self, run: SessionRun, *, resumed: bool) -> None:
        """Walk if that is due, then follow changes until the pipe stops; then deliver what is left."""
        leads = run.role is Role.LEADER
        phase = (phases.SNAPSHOT if leads else None) if self._walk else phases.MESSAGE
        self._all_steps(phases.connected(self.machine.snapshot.state, phase))
        while not self._stopping:
            if walk := self._walk:
                await self._unless_interrupted(partial(run.walk_everything, walk, mark=leads, resumed=resumed))
                if not run.walk_done:
                    continue
                self._walk, self._walked = None, True
                self._all_steps(phases.walked(self.machine.snapshot.state))
            await self._unless_interrupted(asyncio.Event().wait)
            if not leads and run.role is Role.LEADER:
                leads, resumed, self._walk = True, False, run.new_walk()
        await self._drain(run)

    def _role_changed(self, role: Role) -> None:
        log.info("the part of this pipe is now: %s", role.value, extra={"pipe": self.id})
        self._interrupt()

    async def _drain(self, run: SessionRun) -> None:
        self._step(phases.stopping(self.machine.snapshot.state, "stop requested"))
        self._step([(EventType.DRAIN, None)])
        drained = await run.drain(self._options.drain_timeout)
        if not drained:
            log.warning("not everything could be delivered in time; it will be read again at the next start", extra={"pipe": self.id})
        await run.say_goodbye("stopped", drained=drained)
        self._all_steps(phases.ended(self.machine.snapshot.state))

    def _lost(self, error: Unreachable) -> None:
        self.conditions.add(
            DISCONNECTED, str(error), "start fusion, or see whether the network lets the agent reach it; the agent keeps trying"
        )
        if self._step(phases.lost(self.machine.snapshot.state, str(error))):
            log.warning("session lost: %s", error, extra={"pipe": self.id})

    # The state machine

    def _stopped(self) -> None:
        """End where no session stands to drain into, or where it broke while draining."""
        self._step(phases.stopping(self.machine.snapshot.state, "stop requested"))
        self._all_steps(phases.ended(self.machine.snapshot.state))

    def _all_steps(self, steps: Iterable[list[Event]]) -> None:
        for step in steps:
            self._step(step)

    def _step(self, events: list[Event]) -> bool:
        """Take one atomic step, together with what the conditions mean for health; whether there was one to take."""
        if not events:
            return False
        health = self.conditions.event_for(self.machine.snapshot.state.health)
        self.machine.handle_events([*events, *([(health, None)] if health else [])])
        return True

    # Being interrupted

    def _woken(self) -> None:
        if self._run:
            self._run.wake()

    def _interrupt(self) -> None:
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _unless_interrupted(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What `call` returns; None if the pipe was stopped or its role changed first."""
        if self._stopping:
            return None
        patience = asyncio.timeout(None)
        try:
            async with patience:
                self._patience = patience
                return await call()
        except TimeoutError:
            if not patience.expired():
                raise
            return None
        finally:
            self._patience = None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that a group of tasks ended with: what is wrong with the root or with us before a mere loss of the session."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(error.exceptions)
        else:
            leaves.append(error)
    for kind in (RootGone, Refused, ConfigurationError, SessionLost, FustorError):
        for error in leaves:
            if isinstance(error, kind):
                return error
    return leaves[0]
