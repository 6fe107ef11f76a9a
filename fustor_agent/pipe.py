"""One pipe: what is wanted of it, its lives one after the other, and who sees to it when one of them ends by mistake."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from fustor_agent import phases
from fustor_agent.audit.plan import Order
from fustor_agent.intent import Desired, Intents, NothingThere, NotPossible, Wish, decide
from fustor_agent.life import Life
from fustor_agent.retry import Retry
from fustor_core.conditions import Conditions
from fustor_core.errors import ConfigurationError, Refused, StoreUnavailable, Unreachable
from fustor_core.paths import show
from fustor_core.pipe import PipeState
from fustor_core.state import EventType, HealthState, LifecycleState, StateMachine
from fustor_core.steering import Steering
from fustor_core.supervision import TICK, Died
from fustor_core.wire import PipeReport, Verb

log = logging.getLogger(__name__)

REFUSED: Final = "refused"
CRASHED: Final = "crashed"
HALTED: Final = "halted"
SOUND_AFTER: Final = 60.0
"""Seconds after which a life counts as one that works: the next crash is the first again."""
_FINAL: Final = (Refused, ConfigurationError, Unreachable)

MakeLife = Callable[[Steering, int, bool], Life]
"""A new life for a machine, with its number, and whether it is held."""


class AgentPipe:
    """Does what is wanted of it (`act`), over any number of lives, until the process ends. It disturbs no other pipe."""

    def __init__(self, name: str, root: str, machine: StateMachine, intents: Intents, make_life: MakeLife, retry: Retry) -> None:
        self.name = name
        self._root = root
        self.machine = machine
        self.conditions = Conditions()
        self.failure: Exception | None = None
        """What it cannot come back from by itself; `start` tries again."""
        self._failed_at = 0.0
        self.on_failure: Callable[[], None] = _nobody
        self._intents = intents
        self._make_life = make_life
        self._retry = retry
        self._steering = Steering(machine, self.conditions)
        self._life: Life | None = None
        self._living: asyncio.Task[None] | None = None
        self._lives = 0
        self._crashes = 0
        self._why_ending = ""
        self._halted = False
        self._called = asyncio.Event()
        self._acting = asyncio.Lock()
        self._acts: set[asyncio.Task[None]] = set()

    @property
    def id(self) -> str:
        return self.machine.id

    @property
    def desired(self) -> Desired:
        return self._intents.of(self.name).desired

    def end(self, reason: str) -> None:
        """The process ends: deliver what is known, and return from `run`. What is wanted stays as it is."""
        self._why_ending = reason
        self._stop_life(reason)

    @property
    def ending(self) -> bool:
        return bool(self._why_ending)

    def report(self) -> PipeReport:
        """What a heartbeat says of this pipe."""
        state = self.machine.snapshot.pipe_state
        phase = next((word for bit, word in _PHASES if state & bit), "")
        counters = self._life.counters() if self._life else {}
        return PipeReport(self._root, phase, self.desired.value, self.conditions.all(), dict(counters))

    # What operators want

    async def act(self, verb: Verb, *, reason: str = "", after_halt: bool = False, path: bytes = b"", shallow: bool = False) -> None:
        """Take what an operator wants: recorded when this returns, and done as soon as it can be.

        Raises NotPossible for what can never be, NothingThere for an audit of a path at which there is nothing, and StoreUnavailable where
        it cannot be recorded; then nothing has changed. A halt is never refused, and takes effect before it is recorded.
        """
        if verb is Verb.HALT:
            self._halt(reason or "halted by an operator")
        # A caller that goes away must not leave a wish that is recorded and not followed.
        task = asyncio.create_task(self._act(verb, reason, after_halt, Order(path, shallow)))
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)
        await asyncio.shield(task)

    async def _act(self, verb: Verb, reason: str, after_halt: bool, audit: Order) -> None:
        async with self._acting:
            before = self.desired
            wanted = decide(before, verb, after_halt=after_halt)
            if verb in (Verb.SNAPSHOT, Verb.AUDIT) and self._life is None:
                raise NotPossible("the pipe is not at work, so it lists everything when it starts: start it", (Verb.START.value,))
            if verb is Verb.AUDIT and audit.path and self._life is not None and not await self._life.may_hold(audit.path):
                raise NothingThere(f"the root {self._root} holds nothing at {show(audit.path)}: nothing is audited")
            if wanted is not before or verb is Verb.HALT:
                try:
                    await asyncio.to_thread(self._intents.record, self.name, Wish(wanted, reason))
                except ConfigurationError as error:
                    raise StoreUnavailable(str(error)) from error
            log.info("an operator says: %s", verb.value, extra={"pipe": self.id, "desired": wanted.value, "reason": reason})
            self._follow(verb, wanted, reason, audit)

    def _follow(self, verb: Verb, wanted: Desired, reason: str, audit: Order) -> None:
        match verb:
            case Verb.PAUSE | Verb.RESUME:
                if self._life:
                    self._life.hold(wanted is Desired.PAUSED)
            case Verb.SNAPSHOT:
                if self._life:
                    self._life.list_again()
            case Verb.AUDIT:
                if self._life:
                    self._life.audit(audit.path, shallow=audit.shallow)
            case Verb.STOP | Verb.RESTART:
                self._stop_life(reason or f"{verb.value} requested")
        if verb in (Verb.START, Verb.RESTART):
            self.failure, self._crashes, self._halted = None, 0, False
        self._called.set()

    def _stop_life(self, reason: str) -> None:
        self._called.set()
        if self._life:
            self._life.stop(reason)

    def _halt(self, reason: str) -> None:
        # In memory first: the record may take a while, and nothing may start meanwhile.
        self._halted = True
        self.machine.handle_event(EventType.EMERGENCY_STOP, {"reason": reason})
        self._say_halted(reason)
        log.warning("halted: %s", reason, extra={"pipe": self.id})
        if self._living:
            self._living.cancel()
        self._called.set()

    def _say_halted(self, reason: str) -> None:
        self.conditions.keep_only(())
        self.conditions.add(HALTED, reason or "halted by an operator", "when it is safe again, start it with --after-halt")

    # Lives

    async def run(self) -> None:
        """Live whenever that is wanted, until `end`."""
        # Conditions did not outlast the process that raised them.
        self._steering.settle()
        wish = self._intents.of(self.name)
        if wish.desired is Desired.HALTED and self._steering.state.health is not HealthState.CRITICAL:
            self.machine.handle_event(EventType.EMERGENCY_STOP, {"reason": wish.reason or "halted before"})
        if wish.desired is Desired.HALTED:
            self._say_halted(wish.reason)
        while not self.ending:
            self._called.clear()
            if self.desired.up and self.failure is None and not self._halted:
                await self._live()
            else:
                self._go_down("stop requested")
                await self._called.wait()
        self._go_down(self._why_ending)

    async def _live(self) -> None:
        began = asyncio.get_running_loop().time()
        self.conditions.clear(CRASHED, REFUSED, HALTED)
        self._life = self._make_life(self._steering, self._lives, self.desired is Desired.PAUSED)
        self._lives += 1
        task = self._living = asyncio.create_task(self._life.run(), name=f"{self.id} life")
        late = ""
        try:
            late = await self._in_time(task)
        finally:
            self._life = self._living = None
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        error = Died("the task of the pipe was cancelled") if task.cancelled() else task.exception()
        if late and self._steering.state.failed:
            self._give_up(Unreachable(late))
        elif self._steering.state.lifecycle is LifecycleState.SHUTTING_DOWN:
            # Halted, or stopped while something failed: either way it goes down, and no further.
            if error is not None and not self._halted:
                log.error("the pipe has failed while it stopped", exc_info=error, extra={"pipe": self.id})
            self._go_down("halted")
        elif isinstance(error, _FINAL):
            self._give_up(error)
        elif error is not None:
            lasted = asyncio.get_running_loop().time() - began
            self._crashes = 1 if lasted > SOUND_AFTER else self._crashes + 1
            await self._come_back(error)

    async def _in_time(self, task: "asyncio.Task[None]") -> str:
        """Wait for the end of a life, or until its lifecycle is so overdue that the pipe goes down; then, why."""
        while not task.done():
            await asyncio.wait([task], timeout=TICK)
            overdue = self.machine.expire()
            if overdue is not None and overdue.after.lifecycle is LifecycleState.SHUTTING_DOWN:
                return overdue.reason or ""
        return ""

    def fusion_is_back(self, apart_at: float) -> None:
        """Fusion has taken a connection of this agent, which it did not at `apart_at` (seconds of the event loop). Its settings change only
        when it is started anew: what it refused before that may be right now, and is tried once."""
        if isinstance(self.failure, Refused) and self._failed_at < apart_at:
            log.info("fusion has been started again: trying once more what it refused", extra={"pipe": self.id})
            self.failure = None
            self._called.set()

    def died(self, error: BaseException) -> None:
        """`run` has ended by mistake; whoever started it starts it again."""
        self._crashes += 1
        self._note_crash(error)

    def loop_stalled(self) -> None:
        """Called from another thread while the event loop stands still: no phase is shown until the life sees that it goes on."""
        if events := phases.lost(self.machine.snapshot.state, "the event loop stands still"):
            self.machine.try_events(events)

    async def _come_back(self, error: BaseException) -> None:
        """After a crash: wait a little, longer each time, unless an operator wants something else."""
        self._note_crash(error)
        if self._retry.attempts is not None and self._crashes >= self._retry.attempts:
            self._give_up(error)
            return
        most = min(self._retry.most, self._retry.first * 2 ** min(self._crashes, 20))
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(most / 2, most)):
                await self._called.wait()

    def _note_crash(self, error: BaseException) -> None:
        log.error("the pipe has crashed", exc_info=error, extra={"pipe": self.id, "crashes": self._crashes})
        self.conditions.keep_only(())
        self.conditions.add(CRASHED, _words(error), "it starts again by itself; the log has the cause: please report it")
        if self._steering.state.lifecycle not in (LifecycleState.OFFLINE, LifecycleState.SHUTTING_DOWN):
            self._steering.step(phases.fault(self._steering.state, _words(error)))

    def _give_up(self, error: BaseException) -> None:
        self.failure = error if isinstance(error, Exception) else Died(str(error))
        self._failed_at = asyncio.get_running_loop().time()
        log.error("the pipe has failed: %s", _words(error), extra={"pipe": self.id})
        self.conditions.keep_only(())
        self.conditions.add(REFUSED, _words(error), "correct what it names, then start the pipe again")
        self._steering.all_steps(phases.failed(self._steering.state, _words(error)))
        self.on_failure()

    def _go_down(self, reason: str) -> None:
        self._steering.step(phases.stopping(self._steering.state, reason))
        self._steering.all_steps(phases.ended(self._steering.state))


def _nobody() -> None:
    pass


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, _FINAL) else f"{type(error).__name__}: {error}"


_PHASES: Final = ((PipeState.AUDIT_PHASE, "audit"), (PipeState.SNAPSHOT_SYNC, "snapshot"), (PipeState.MESSAGE_SYNC, "message"))
