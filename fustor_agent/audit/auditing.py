"""The audits of one life of a pipe, and the states that they are seen in."""

import asyncio
import logging
from dataclasses import replace
from functools import partial
from math import inf

from fustor_agent import phases
from fustor_agent.audit.plan import AuditOptions, AuditPlan, Order, Slice
from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Priority
from fustor_agent.patience import Patience
from fustor_agent.reading.pace import Pace
from fustor_agent.scheduler import WINDOW_LOOK
from fustor_agent.session.run import SessionRun
from fustor_agent.sources import Remembering, Source
from fustor_core.clock import minute_of_day
from fustor_core.paths import ROOT
from fustor_core.steering import Steering

log = logging.getLogger(__name__)


class Auditing:
    """Carries out what is due, a slice at a time. What a lost session leaves undone waits in the outbox, and goes on in the next one."""

    def __init__(self, options: AuditOptions, pace: Pace, source: Source, outbox: Outbox, steering: Steering) -> None:
        # Where nobody remembers how directories looked, a shallow audit could only be a deep one, and that has a time of its own.
        self._remembers = isinstance(source, Remembering)
        self._plan = AuditPlan(options if self._remembers else replace(options, shallow=0.0))
        self._pace = pace
        self._outbox = outbox
        self._steering = steering

    def order(self, path: bytes = ROOT, *, shallow: bool = False) -> None:
        """Audit `path` and all below it next, or (`shallow`) what has moved; also where the part that the pipe plays makes it necessary."""
        self._plan.order(path, shallow=shallow)

    def take_over(self) -> None:
        """The pipe leads from here on: everything is audited next, whatever had begun. What another has listed is not vouched for by this
        one."""
        self._forget()
        self._plan.begin_anew()
        self._plan.order(ROOT, shallow=False)

    def everything_listed(self, directories: int) -> None:
        """A walk over everything, about so many directories, has ended: what audits had begun begins anew."""
        self._forget()
        self._plan.listed(_now(), directories)

    def _forget(self) -> None:
        self._outbox.forget_walks(Priority.AUDIT)
        self._outbox.forget_walks(Priority.ROUND)

    async def wait(self, *, scheduled: bool) -> None:
        """Until something is due; only what is ordered unless `scheduled`. Where there can be no audit at the moment, until interrupted."""
        pause = self._plan.pause(_now(), scheduled=scheduled) if phases.audit_begins(self._steering.state) else inf
        if self._pace.limits.opens_in(minute_of_day()):
            pause = max(pause, WINDOW_LOOK)
        try:
            async with asyncio.timeout(pause if pause < inf else None):
                await asyncio.Event().wait()
        except TimeoutError:
            return

    async def carry_out(self, run: SessionRun, patience: Patience, *, scheduled: bool) -> None:
        """One slice of what is due, if anything is and may be at the moment; it may be interrupted."""
        window = 60 * self._pace.limits.closes_in(minute_of_day())
        due = self._plan.next(_now(), scheduled=scheduled) if window else None
        if due is None or not self._steering.step(phases.audit_begins(self._steering.state)):
            return
        await patience.unless_interrupted(partial(self._within, window, run, due))
        self._steering.step(phases.audit_ends(self._steering.state))

    async def _within(self, window: float, run: SessionRun, due: Order | Slice) -> None:
        """Carry out what is due, as far as so many seconds reach; the rest waits in the outbox."""
        try:
            async with asyncio.timeout(window):
                await (self._order(run, due) if isinstance(due, Order) else self._slice(run, due))
        except TimeoutError:
            log.info("the audit goes on in the next window", extra=self._extra)

    async def _order(self, run: SessionRun, order: Order) -> None:
        if not order.begun:
            order.begun = True
            log.info("audit: %s", "what has moved" if order.shallow else f"/{order.path.decode(errors='replace')}", extra=self._extra)
            if order.whole:
                run.mark_audit(ends=False)
            self._outbox.walk(Priority.AUDIT, [order.path], glance=order.shallow and self._remembers)
        await run.audit()
        if order.whole:
            await self._end(run)
            self._outbox.forget_walks(Priority.ROUND)
        self._plan.carried_out(order, _now())

    async def _slice(self, run: SessionRun, slice_: Slice) -> None:
        if slice_.first:
            self._outbox.forget_walks(Priority.ROUND)
            self._outbox.walk(Priority.ROUND, [ROOT])
            run.mark_audit(ends=False)
        before = run.scheduler.audits.directories
        await run.audit(slice_.directories)
        if ended := self._outbox.idle(Priority.ROUND):
            await self._end(run)
        self._plan.sliced(_now(), run.scheduler.audits.directories - before, ended=ended)

    async def _end(self, run: SessionRun) -> None:
        run.mark_audit(ends=True)
        await run.committed()
        log.info("everything has been audited", extra=self._extra)

    @property
    def _extra(self) -> dict[str, str]:
        return {"pipe": self._steering.machine.id}


def _now() -> float:
    return asyncio.get_running_loop().time()
