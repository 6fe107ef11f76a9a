"""What a pipe counts, as its heartbeats and its metrics tell it."""

from collections.abc import Mapping

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Priority
from fustor_agent.scheduler import Scheduler
from fustor_agent.session.walks import Walk


def counters_of(outbox: Outbox, scheduler: Scheduler | None, walk: Walk | None) -> Mapping[str, int]:
    """How much waits, and how far walks are; `scheduler` is that of the session that stands, `walk` what is not finished."""
    listed = scheduler.entries if scheduler else 0
    return {
        "marked": outbox.waiting(Priority.LIVE),
        "asked": outbox.waiting(Priority.ASKED),
        "walk_entries": walk.listed(listed) if walk else 0,
        "walk_entries_expected": walk.expected if walk else 0,
        "walk_directories": scheduler.directories if scheduler else 0,
        "walk_directories_left": outbox.waiting(Priority.SNAPSHOT),
        "audit_directories": scheduler.audits.directories if scheduler else 0,
        "audit_directories_left": outbox.waiting(Priority.AUDIT) + outbox.waiting(Priority.ROUND),
        "folded": outbox.folded,
    }
