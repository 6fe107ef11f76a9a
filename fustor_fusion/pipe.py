"""Fusion's own pipe: from the receivers to roots and views. Its state does not change with the sessions, which have their own."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from fustor_core.conditions import Conditions
from fustor_core.state import Event, EventType, HealthState, LifecycleState, MachineState, OperationalState, StateMachine
from fustor_core.steering import Steering
from fustor_core.supervision import TICK
from fustor_core.wire import Condition, PipeReport
from fustor_fusion.roots.store_watch import FAULTS, STALLS

log = logging.getLogger(__name__)

CRASHED: Final = "crashed"
_SHOWN_FOR: Final = 60.0
"""Seconds for which a task that crashed, and was started again, remains a condition."""


class FusionPipe:
    """Drives the state machine of fusion's pipe through its life; its health is that of the stores and of its tasks."""

    def __init__(self, machine: StateMachine) -> None:
        self.machine = machine
        self.conditions = Conditions()
        self._steering = Steering(machine, self.conditions)
        self._kinds: set[str] = set()
        self._crashed_at = 0.0

    @contextmanager
    def starting(self) -> Iterator[None]:
        """While resources are set up; a failure ends in ERROR."""
        self.machine.handle_event(EventType.START)
        try:
            yield
        except BaseException as error:
            reason = {"reason": str(error) or type(error).__name__}
            self.machine.handle_events([(EventType.INIT_FAILURE, reason), (EventType.RECOVERY_FAILED, reason)])
            self.machine.handle_event(EventType.FINISHED)
            raise
        self._steering.step([(EventType.INIT_SUCCESS, None)])

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """While everything is closed."""
        reason = {"reason": "stop requested"}
        if self._steering.state.lifecycle is LifecycleState.RECOVERING:
            self._steering.step([(EventType.RECOVERY_FAILED, {**reason, "requested": True})])
        else:
            self._steering.step([(EventType.SHUTDOWN, reason)])
        try:
            yield
        finally:
            self.conditions.keep_only(())
            self._steering.step([(EventType.FINISHED, None)])

    def report(self) -> PipeReport:
        """What is shown of it beside its machine."""
        return PipeReport("", "", "running", self.conditions.all(), {})

    # Supervision

    async def supervise(self, problems: Callable[[], Iterable[Condition]]) -> None:
        """See again and again what ails the parts of fusion, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            self._look(list(problems()))

    def _look(self, standing: list[Condition]) -> None:
        self._steering.look_at_saving()
        if standing or self._kinds:
            self.conditions.replace(self._kinds, standing)
            self._kinds = {one.type for one in standing}
        if self._crashed_at and asyncio.get_running_loop().time() - self._crashed_at > _SHOWN_FOR:
            self._crashed_at = 0.0
            self.conditions.clear(CRASHED)
        self._steering.step(_step(self._steering.state, {one.type: one.message for one in standing}))

    def task_died(self, error: BaseException) -> None:
        """A task of fusion has ended by mistake, and is started again."""
        log.error("a task of fusion has crashed", exc_info=error)
        self._crashed_at = asyncio.get_running_loop().time()
        message = f"a task of fusion ended by mistake, and was started again: {type(error).__name__}: {error}"
        self.conditions.add(CRASHED, message, "the log has the cause: please report it")
        if self._steering.state.lifecycle is LifecycleState.ACTIVE:
            self._steering.step([(EventType.FAULT_DETECTED, {"reason": message})])

    def loop_stalled(self) -> None:
        """Called from another thread while the event loop stands still."""
        log.error("the event loop stands still")
        self.machine.try_event(EventType.FAULT_DETECTED, {"reason": "the event loop stands still"})


def _step(state: MachineState, standing: Mapping[str, str]) -> list[Event]:
    """What the conditions mean for the work (STATES §3): a store that fails is a fault, one that hangs is waited for."""
    faults = [standing[kind] for kind in FAULTS if kind in standing]
    if faults and state.health is not HealthState.CRITICAL:
        return [(EventType.FAULT, {"reason": faults[0]})]
    if stalls := [standing[kind] for kind in STALLS if kind in standing]:
        return [(EventType.FAULT_DETECTED, {"reason": stalls[0]})] if state.lifecycle is LifecycleState.ACTIVE else []
    if state.lifecycle is not LifecycleState.RECOVERING:
        return []
    # Also where the event loop stood still, or a task ended: that somebody looks says that it goes on.
    back: list[Event] = [(EventType.RECOVER, None)] if state.health is HealthState.CRITICAL else []
    idle: list[Event] = [(EventType.TASK_RESET, None)] if state.operational is OperationalState.STOPPED else []
    return [*back, (EventType.RECOVERY_SUCCESS, None), *idle]


def joined(problems: Iterable[tuple[str, Condition]]) -> list[Condition]:
    """The conditions of roots, by name, as those of the pipe: one of each type, that names the roots."""
    by_type: dict[str, list[tuple[str, Condition]]] = {}
    for root, one in problems:
        by_type.setdefault(one.type, []).append((root, one))
    return [
        Condition(kind, min(one.since for _, one in each), "; ".join(f"{root}: {one.message}" for root, one in each), each[0][1].remedy)
        for kind, each in by_type.items()
    ]
