"""The machine that programs hold: kept in a store, and waited for on event loops."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal, TypeVar

from fustor_core.state.deadlines import Deadlines
from fustor_core.state.errors import PersistenceError
from fustor_core.state.graph import Node, node_of
from fustor_core.state.guards import Guards
from fustor_core.state.machine import INITIAL, URGENT, Machine
from fustor_core.state.orders import Event, Payload, Unreadable, read_all
from fustor_core.state.planning import plan
from fustor_core.state.records import Snapshot, Transition
from fustor_core.state.saver import Entry, Policy, Saver, Saving, Stored
from fustor_core.state.stored import DESIRES, Desired
from fustor_core.state.stores import StateStore
from fustor_core.state.vocabulary import (
    NEW,
    EventType,
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
)
from fustor_core.state.watching import Changes, wait_for

INTERRUPTED: Final = "interrupted"
_T = TypeVar("_T")


def interrupted(state: MachineState) -> MachineState:
    """What is left of a state when the process that was in it is gone: nothing runs, and what was wrong or held still is."""
    critical, stopped = state.health is HealthState.CRITICAL, state.operational is OperationalState.STOPPED
    return MachineState(
        LifecycleState.OFFLINE,
        OperationalState.STOPPED if critical or stopped else OperationalState.IDLE,
        state.health,
        failed=state.failed,
        warned=state.warned,
        held=state.held,
    )


def _from_initial(steps: Sequence[Transition]) -> Sequence[Transition]:
    """The steps, below the initial state where they reach back to it. That is no step, so no store has it: its time is that of the first
    step, up to which it stood."""
    if not steps or steps[0].version != 1 or not steps[0].events:
        return steps
    first = steps[0]
    return [first._replace(version=0, events=(), after=first.before, changed=False, reason=INITIAL), *steps]


class StateMachine(Machine):
    """A machine (`Machine`) that may be kept in a store, and that coroutines may wait for.

    `clock` gives nanoseconds UTC since 1970. With `latch_emergency_stop` a machine that is Critical needs RECOVER before START. `run`
    is the id of the run, by default of this process. `deadlines` are seconds for Initializing, Recovering and ShuttingDown;
    whoever owns the machine has them kept by calling `expire` now and then.

    With a `store`, policy "required" saves each step before anyone sees it: what cannot be saved is a `PersistenceError`, and the state
    is unchanged. EMERGENCY_STOP and FAULT wait for nobody and are saved behind; a step that they overtake is a
    `ConcurrentUpdateError`, as is one that another owner of the same machine forestalls. Policy "best_effort" saves all steps behind,
    in order, and `saving` tells what is not saved. The store is the caller's to close, after the machine.
    """

    def __init__(
        self,
        machine: str,
        *,
        store: StateStore | None = None,
        policy: Policy = "required",
        initial: MachineState = NEW,
        clock: Callable[[], int] = time.time_ns,
        history_size: int = 1000,
        refusals_size: int = 100,
        latch_emergency_stop: bool = False,
        run: str | None = None,
        deadlines: Mapping[LifecycleState, float] | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        if policy not in ("required", "best_effort"):
            raise ValueError(f"a policy is required or best_effort, not {policy!r}")
        super().__init__(machine, initial, clock, (history_size, refusals_size), Guards(latched=latch_emergency_stop), run)
        self._desired: Desired | None = None
        self._executor: ThreadPoolExecutor | None = None
        if store is not None:
            self._saver = Saver(machine, self.run, store, policy, history_size, lambda: Entry(self._snapshot, None, clock()))
        if deadlines:
            self._deadlines = Deadlines(deadlines, timer)
            self._deadlines.enter(initial.lifecycle)

    def restore_state(self, mode: Literal["exact", "interrupted"] = "exact") -> bool:
        """Stand where the store has this machine, with its history and what is desired; False where nothing is stored.

        "exact" takes no step and tells no listener. "interrupted" is for after a crash: unless the machine had ended (Offline), it
        takes one step, with the reason "interrupted", to Offline; `held` and `failed`, health and Stopped are kept. Steps that are
        taken while the store is asked are taken again on top. Raises `RestoreError` where the record is truncated, illegal or of an
        unknown schema: the machine is as it was, and what it saves next replaces the record. May take as long as the store does.
        """
        if mode not in ("exact", INTERRUPTED):
            raise ValueError(f"a mode is exact or interrupted, not {mode!r}")
        saver = self._kept()
        with saver.writing:
            stood = self._snapshot
            stored = saver.load(self._history.maxlen or 1)
            if stored is None:
                return False
            step = self._interruption(stored) if mode == INTERRUPTED else None
            if step is not None and saver.required:
                saver.follow_with(stored, Entry(step[1], step[0], step[0].at))
            self._take_lock()
            try:
                self._stand(saver, stood, stored, step)
            finally:
                self._lock.release()
        self._tell()
        return True

    @property
    def desired(self) -> Desired | None:
        """What an operator wants, whatever the state is; None where nobody said."""
        return self._desired if self._saver is None else self._saver.desired

    def desire(self, desired: Desired | None) -> None:
        """Record what an operator wants; with a store it is stored when this returns, under either policy, else `PersistenceError`."""
        if desired is not None and desired not in DESIRES:
            raise ValueError(f"desired is one of {', '.join(DESIRES)}, not {desired!r}")
        if self._saver is None:
            self._desired = desired
            return
        with self._saver.writing:
            self._saver.desire(desired)

    @property
    def saving(self) -> Saving | None:
        """How far the store follows; None without one."""
        return None if self._saver is None else self._saver.saving

    def probe(self) -> None:
        """Have the store asked whether it answers, without waiting for that: `saving` tells."""
        if self._saver is not None:
            self._saver.probe()

    def flush(self, timeout: float) -> bool:
        """Wait until every step is in the store; False where that takes longer."""
        return self._saver is None or self._saver.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Save what waits and let go of threads; True if nothing remained unsaved. The machine works on, but nothing is saved behind."""
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        return self._saver is None or self._saver.close(timeout)

    async def handle_event_async(self, event: EventType, payload: Payload | None = None) -> Transition:
        """`handle_event` that lets the loop go on while a store is asked. Cancelled, it may still take the step."""
        return await self.handle_events_async(((event, payload),))

    async def handle_events_async(self, events: Iterable[Event]) -> Transition:
        """`handle_events` that lets the loop go on while a store is asked. Cancelled, it may still take the step."""
        batch = tuple(events)
        if self._may_wait(batch):
            return await self._off_loop(lambda: self.handle_events(batch))
        return self.handle_events(batch)

    async def desire_async(self, desired: Desired | None) -> None:
        """`desire` that lets the loop go on while a store is asked."""
        await self._off_loop(lambda: self.desire(desired))

    async def restore_state_async(self, mode: Literal["exact", "interrupted"] = "exact") -> bool:
        """`restore_state` that lets the loop go on while a store is asked."""
        return await self._off_loop(lambda: self.restore_state(mode))

    def changes(self) -> Changes:
        """`async for change in machine.changes()`: every step from this call on, in version order, for the loop that runs here."""
        return Changes(self._notices)

    async def wait_for(self, predicate: Callable[[Snapshot], object], timeout: float | None = None) -> Snapshot:  # noqa: ASYNC109
        """The first snapshot from now on that fulfils the predicate, also one that has passed again; else `TimeoutError`."""
        return await wait_for(self._notices, lambda: self._snapshot, predicate, timeout)

    def expire(self) -> Transition | None:
        """Take the step that a lifecycle's deadline asks for, if it is overdue."""
        event = None if self._deadlines is None else self._deadlines.overdue()
        if event is None:
            return None
        outcome = self.try_event(*event)
        # Refused where the lifecycle has just ended by itself: that is all that was wanted.
        return outcome if isinstance(outcome, Transition) else None

    def _kept(self) -> Saver:
        if self._saver is None:
            raise PersistenceError(f"{self.id} has no store; give it one when it is made")
        return self._saver

    def _interruption(self, stored: Stored) -> tuple[Transition, Snapshot] | None:
        record = stored.record
        if record.state.lifecycle is LifecycleState.OFFLINE:
            return None
        at, version, after = self._clock(), record.version + 1, node_of(interrupted(record.state))
        change = Transition(self.id, self.run, version, at, (), record.state, after.state, True, INTERRUPTED)
        return change, Snapshot(self.id, self.run, version, after.state, after.pipe_state, INTERRUPTED, at)

    def _stand(self, saver: Saver, stood: Snapshot, stored: Stored, step: tuple[Transition, Snapshot] | None) -> None:
        """Be what was stored, and take again what came meanwhile; both locks are held."""
        meanwhile = [row for row in self.history() if row.version > stood.version]
        saver.forget()
        if step is None or not saver.required:
            saver.follow(stored.mark, stored.record.desired)
        record, node = stored.record, node_of(stored.record.state)
        # A new one, not cleared: whoever copies the history without the lock finds the old rows or the new.
        self._history = deque(_from_initial(stored.history), maxlen=self._history.maxlen)
        self._node = node
        self._snapshot = Snapshot(self.id, self.run, record.version, node.state, node.pipe_state, record.reason, record.since)
        if self._deadlines is not None:
            self._deadlines.enter(node.state.lifecycle)
        if step is not None:
            self._install(node_of(step[1].state), *step)
            if not saver.required:
                saver.behind(Entry(step[1], step[0], step[0].at))
        for row in meanwhile:
            request = read_all(row.events)
            planned = None if isinstance(request, Unreadable) else plan(self._node, request.orders, self._guards)
            if isinstance(planned, Node) and not isinstance(request, Unreadable):
                self._commit(planned, request)

    def _may_wait(self, events: tuple[Event, ...]) -> bool:
        """Would these events wait for the store?"""
        return self._saver is not None and self._saver.required and not any(event in URGENT for event, _ in events)

    async def _off_loop(self, work: Callable[[], _T]) -> _T:
        # A thread of the machine's own: its writers queue anyway, and one that waits for a store must not keep a thread of the loop's
        # common ones, which also look up names.
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"machine {self.id}")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
