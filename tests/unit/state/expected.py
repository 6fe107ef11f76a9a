"""What the documents say, written down by hand: nothing here is read from the code's own tables.

Rows are transcribed from the two documents about the layers; the rest is STATES §2, §3 and §4, decision by decision.
"""

from typing import Any, NamedTuple

from fustor_core.state import MachineState

Payload = dict[str, Any] | None


class S(NamedTuple):
    """A state in plain words."""

    life: str
    op: str
    health: str
    sync: str | None = None
    audit: bool = False
    drain: bool = False
    conf: bool = False
    failed: bool = False
    warned: bool = False
    held: bool = False


class No(NamedTuple):
    """A refusal: the name of its error, and whether the layer is there already."""

    error: str
    already: bool = False


LEGAL_TRIPLES = {
    tuple(row.split())
    for row in """
        Offline Idle Healthy
        Offline Idle Warning
        Offline Stopped Healthy
        Offline Stopped Warning
        Offline Stopped Critical
        Initializing Idle Healthy
        Initializing Idle Warning
        Active Idle Healthy
        Active Idle Warning
        Active Ready Healthy
        Active Ready Warning
        Active Running Healthy
        Active Running Warning
        Active BackgroundRunning Healthy
        Active BackgroundRunning Warning
        Active Paused Healthy
        Active Paused Warning
        Active Stopped Healthy
        Active Stopped Warning
        Recovering Idle Healthy
        Recovering Idle Warning
        Recovering Paused Healthy
        Recovering Paused Warning
        Recovering Stopped Healthy
        Recovering Stopped Warning
        Recovering Stopped Critical
        ShuttingDown Idle Healthy
        ShuttingDown Idle Warning
        ShuttingDown Stopped Critical
    """.strip().splitlines()
}

LIFECYCLE_ROWS = """
    Offline START Initializing
    Initializing INIT_SUCCESS Active
    Initializing INIT_FAILURE Recovering
    Active SHUTDOWN ShuttingDown
    Active FAULT_DETECTED Recovering
    Recovering RECOVERY_SUCCESS Active
    Recovering RECOVERY_FAILED ShuttingDown
    ShuttingDown FINISHED Offline
"""
OPERATIONAL_ROWS = """
    Idle SET_READY Ready
    Ready TASK_START Running
    Running TASK_PAUSE Paused
    Running TASK_STOP Stopped
    Running SET_BACKGROUND BackgroundRunning
    Running TASK_COMPLETE Ready
    BackgroundRunning SET_FOREGROUND Running
    BackgroundRunning TASK_PAUSE Paused
    BackgroundRunning TASK_STOP Stopped
    Paused TASK_RESUME Ready
    Stopped TASK_RESET Idle
"""
HEALTH_ROWS = """
    Healthy WARN Warning
    Healthy FAULT Critical
    Warning CLEAR_WARNING Healthy
    Warning FAULT Critical
    Critical RECOVER Healthy
    Critical RECOVER Warning
"""
ALLOWED_WHILE = {
    "Initializing": set(),
    "Active": {"Idle", "Ready", "Running", "BackgroundRunning", "Paused", "Stopped"},
    "Recovering": {"Idle", "Paused", "Stopped"},
    "ShuttingDown": {"Idle"},
    "Offline": {"Idle", "Stopped"},
}


def rows(table: str) -> list[list[str]]:
    return [row.split() for row in table.strip().splitlines()]


ASKS: list[tuple[str, Payload]] = [
    *((event, None) for event in dict.fromkeys(event for _, event, _ in rows(LIFECYCLE_ROWS) + rows(OPERATIONAL_ROWS))),
    ("WARN", None),
    ("CLEAR_WARNING", None),
    ("FAULT", None),
    ("RECOVER", None),
    ("RECOVER", {"partial": True}),
    ("RECOVER", {"partial": False}),
    ("RECOVERY_FAILED", {"requested": True}),
    ("RECOVERY_FAILED", {"requested": False, "reason": "no answer"}),
    ("TASK_START", {"phase": "SNAPSHOT"}),
    ("TASK_START", {"phase": "MESSAGE"}),
    ("SET_BACKGROUND", {"phase": "AUDIT"}),
    ("TASK_PAUSE", {"held": True}),
    ("TASK_PAUSE", {"held": False}),
    ("TASK_RESUME", {"held": True}),
    ("TASK_RESUME", {"held": False}),
    ("INTERRUPT", None),
    ("INTERRUPT", {"held": True}),
    ("EMERGENCY_STOP", None),
    ("PRIORITY_OVERRIDE", None),
    ("PRIORITY_OVERRIDE", {"reason": "looking"}),
    ("DRAIN", None),
    ("CONF_CHANGED", None),
    ("HOLD", None),
    ("RELEASE", None),
]


def target(table: str, value: str, event: str) -> str | None:
    return next((to for at, what, to in rows(table) if (at, what) == (value, event)), None)


def names(table: str, event: str) -> bool:
    return any(what == event for _, what, _ in rows(table))


def no_row(table: str, value: str, event: str) -> No:
    return No("InvalidTransitionError", any((what, to) == (event, value) for _, what, to in rows(table)))


def after(s: S, event: str, payload: Payload = None) -> S | No:
    """What the documents make of an event in a state."""
    given = payload or {}
    if names(LIFECYCLE_ROWS, event):
        return lifecycle(s, event, given)
    if names(OPERATIONAL_ROWS, event):
        return operational(s, event, given)
    if names(HEALTH_ROWS, event):
        return health(s, event, given)
    return special(s, event, given)


def lifecycle(s: S, event: str, given: dict[str, Any]) -> S | No:
    to = target(LIFECYCLE_ROWS, s.life, event)
    critical = s.health == "Critical"
    if to is None:
        return no_row(LIFECYCLE_ROWS, s.life, event)
    if event == "START":
        return S("Initializing", "Idle", "Healthy" if critical else s.health, held=s.held)
    if event == "FAULT_DETECTED":
        paused = {"Running": "Paused", "BackgroundRunning": "Paused", "Ready": "Idle"}.get(s.op, s.op)
        return s._replace(life="Recovering", op=paused, audit=False)
    if event == "RECOVERY_SUCCESS" and critical:
        return No("LayerViolationError")
    if event in ("SHUTDOWN", "RECOVERY_FAILED"):
        ended = s._replace(life="ShuttingDown", op="Stopped" if critical else "Idle", sync=None, audit=False)
        return ended if event == "SHUTDOWN" else ended._replace(failed=not given.get("requested", False))
    if event == "FINISHED":
        return s._replace(life="Offline", drain=False)
    return s._replace(life=to)


def operational(s: S, event: str, given: dict[str, Any]) -> S | No:
    if s.life == "Initializing":
        return No("LayerViolationError")
    to = target(OPERATIONAL_ROWS, s.op, event)
    if to is None:
        return no_row(OPERATIONAL_ROWS, s.op, event)
    if s.health == "Critical" or to not in ALLOWED_WHILE[s.life]:
        return No("LayerViolationError")
    if event == "TASK_START":
        return s._replace(op=to, sync=given.get("phase", s.sync))
    if event in ("TASK_COMPLETE", "TASK_STOP"):
        return s._replace(op=to, sync=None, audit=False)
    if event == "SET_BACKGROUND" and given.get("phase") == "AUDIT":
        return No("LayerViolationError") if s.sync == "SNAPSHOT" else s._replace(op=to, audit=True)
    if event == "TASK_PAUSE":
        return s._replace(op=to, audit=False, held=s.held or given.get("held", False))
    if event == "TASK_RESUME":
        return No("LockedError") if s.held and not given.get("held") else s._replace(op=to, held=False)
    return s._replace(op=to, audit=False)


def health(s: S, event: str, given: dict[str, Any]) -> S | No:
    to = target(HEALTH_ROWS, s.health, event)
    if to is None:
        return no_row(HEALTH_ROWS, s.health, event)
    if event == "FAULT":
        life = "Recovering" if s.life in ("Active", "Initializing") else s.life
        return s._replace(life=life, op="Stopped", health=to, sync=None, audit=False, warned=s.health == "Warning")
    if event == "RECOVER":
        warning = given.get("partial", s.warned)
        idle = "Idle" if s.life == "ShuttingDown" else s.op
        return s._replace(op=idle, health="Warning" if warning else "Healthy", failed=False, warned=False)
    return s._replace(health=to)


def special(s: S, event: str, given: dict[str, Any]) -> S | No:
    if event == "INTERRUPT":
        if s.op not in ("Running", "BackgroundRunning"):
            return s
        return s._replace(op="Paused", audit=False, held=s.held or given.get("held", False))
    if event == "EMERGENCY_STOP":
        life = "Offline" if s.life == "Offline" else "ShuttingDown"
        return s._replace(life=life, op="Stopped", health="Critical", sync=None, audit=False)
    if event == "PRIORITY_OVERRIDE":
        return s if given.get("reason") else No("InvalidPayloadError")
    if event == "DRAIN":
        if s.life != "ShuttingDown" or s.drain:
            return No("InvalidTransitionError", s.drain)
        return No("LayerViolationError") if s.health == "Critical" else s._replace(drain=True)
    if s.life not in ("Active", "Recovering"):
        return No("InvalidTransitionError")
    return s._replace(conf=True) if event == "CONF_CHANGED" else s._replace(held=event == "HOLD")


def seen(s: S) -> int:
    """STATES §4, first match wins."""
    conf = 16 if s.conf else 0
    if s.life in ("Offline", "ShuttingDown") and (s.health == "Critical" or s.failed):
        return 8
    if s.life == "Offline":
        return 0
    if s.life == "Initializing":
        return 1
    if s.life == "ShuttingDown":
        return 512 if s.drain else 1024
    if s.life == "Recovering":
        return 2 | 256 | conf
    if s.op in ("Paused", "Stopped"):
        return 4 | conf
    if s.op in ("Idle", "Ready"):
        return 2 | conf
    return 2 | conf | {None: 0, "SNAPSHOT": 32, "MESSAGE": 64}[s.sync] | (128 if s.audit else 0)


def words(state: MachineState) -> S:
    return S(state.lifecycle.value, state.operational.value, state.health.value, *state.phases)


def reachable() -> set[S]:
    """Every state that the events above lead to from a new machine."""
    found = {S("Offline", "Idle", "Healthy")}
    todo = list(found)
    while todo:
        state = todo.pop()
        for event, payload in ASKS:
            to = after(state, event, payload)
            if isinstance(to, S) and to not in found:
                found.add(to)
                todo.append(to)
    return found
