"""Which events a pipe sends to its state machine when something happens to it (STATES §4): pure, each list one atomic step.

`held` is what the operator wants: a pipe that is held goes through the same steps as another, and pauses in the last of them.
"""

from fustor_core.state import Event, EventType, HealthState, LifecycleState, MachineState, OperationalState

SNAPSHOT = "SNAPSHOT"
MESSAGE = "MESSAGE"
AUDIT = "AUDIT"

_E = EventType
_HELD = {"held": True}


def _towards(operational: OperationalState, phase: str | None, *, held: bool, was_held: bool) -> list[Event]:
    """From where the operational layer stands to work in `phase` (None: to none), or to an operator's pause."""
    if operational is OperationalState.PAUSED and held:
        return [] if was_held else [(_E.HOLD, None)]
    if operational in (OperationalState.RUNNING, OperationalState.BACKGROUND_RUNNING):
        return [(_E.TASK_PAUSE, _HELD)] if held else []
    events: list[Event] = []
    if operational is OperationalState.PAUSED:
        events.append((_E.TASK_RESUME, _HELD if was_held else None))
    elif was_held and not held:
        events.append((_E.RELEASE, None))
    if operational is OperationalState.STOPPED:
        events.append((_E.TASK_RESET, None))
    if not phase and not held:
        return events
    if operational in (OperationalState.STOPPED, OperationalState.IDLE):
        events.append((_E.SET_READY, None))
    events.append((_E.TASK_START, {"phase": phase} if phase else None))
    return [*events, (_E.TASK_PAUSE, _HELD)] if held else events


def connected(state: MachineState, phase: str | None, *, held: bool = False) -> list[list[Event]]:
    """The session stands, and the pipe goes on in `phase`; None while a follower sets its watches, and where nothing can be watched."""
    onwards = _towards(state.operational, phase, held=held, was_held=state.held)
    match state.lifecycle:
        case LifecycleState.INITIALIZING:
            return [[(_E.INIT_SUCCESS, None)], *([onwards] if onwards else [])]
        case LifecycleState.RECOVERING:
            back: list[Event] = [(_E.RECOVER, None)] if state.health is HealthState.CRITICAL else []
            return [[*back, (_E.RECOVERY_SUCCESS, None), *onwards]]
        case LifecycleState.ACTIVE:
            return [onwards] if onwards else []
        case _:
            return []


def held(state: MachineState, phase: str | None, *, hold: bool) -> list[Event]:
    """An operator holds the pipe, or lets it go; empty where nothing is to be done for that yet."""
    if state.lifecycle is LifecycleState.ACTIVE:
        return _towards(state.operational, phase, held=hold, was_held=state.held)
    if state.lifecycle is LifecycleState.RECOVERING and state.held != hold:
        return [(_E.HOLD if hold else _E.RELEASE, None)]
    return []


def walked(state: MachineState, phase: str | None = MESSAGE) -> list[list[Event]]:
    """Everything has been listed: from here on changes are followed, in `phase` (None: nothing can be watched, so there is no work)."""
    if state.lifecycle is not LifecycleState.ACTIVE or state.operational is OperationalState.PAUSED:
        return []
    if state.operational is OperationalState.RUNNING:
        onwards: list[Event] = [(_E.TASK_START, {"phase": phase})] if phase else []
        return [[(_E.TASK_COMPLETE, None), *onwards]] if state.sync == SNAPSHOT else []
    return [_towards(state.operational, phase, held=False, was_held=state.held)]


def listing_again(state: MachineState) -> list[list[Event]]:
    """Changes were followed, and everything is to be listed once more."""
    if state.operational is OperationalState.RUNNING and state.sync != SNAPSHOT:
        return [[(_E.TASK_COMPLETE, None), (_E.TASK_START, {"phase": SNAPSHOT})]]
    if state.operational in (OperationalState.READY, OperationalState.IDLE):
        return [_towards(state.operational, SNAPSHOT, held=False, was_held=state.held)]
    return []


def audit_begins(state: MachineState) -> list[Event]:
    """A slice of an audit begins; empty where none may: while the pipe is held, is not connected, or lists everything anyway."""
    if state.lifecycle is not LifecycleState.ACTIVE or state.held or state.sync == SNAPSHOT:
        return []
    background: Event = (_E.SET_BACKGROUND, {"phase": AUDIT})
    match state.operational:
        case OperationalState.RUNNING:
            return [background]
        case OperationalState.READY:
            return [(_E.TASK_START, None), background]
        case OperationalState.IDLE:
            return [(_E.SET_READY, None), (_E.TASK_START, None), background]
        case _:
            return []


def audit_ends(state: MachineState) -> list[Event]:
    """The slice has ended; empty where something else ended it."""
    if state.operational is not OperationalState.BACKGROUND_RUNNING:
        return []
    # A pipe that follows changes goes on with that; one that cannot watch has nothing to do until the next slice.
    return [(_E.SET_FOREGROUND, None), *([] if state.sync else [(_E.TASK_COMPLETE, None)])]


def lost(state: MachineState, reason: str) -> list[Event]:
    """The session is lost; empty where that is known already."""
    if state.lifecycle is LifecycleState.ACTIVE:
        return [(_E.FAULT_DETECTED, {"reason": reason})]
    if state.lifecycle is LifecycleState.INITIALIZING:
        return [(_E.INIT_FAILURE, {"reason": reason})]
    return []


def fault(state: MachineState, reason: str) -> list[Event]:
    """What the pipe lives on is gone; empty where that is known already."""
    return [] if state.health is HealthState.CRITICAL else [(_E.FAULT, {"reason": reason})]


def stopping(state: MachineState, reason: str) -> list[Event]:
    """An operator wants the pipe to stop; empty where it is down or on its way."""
    requested: Event = (_E.RECOVERY_FAILED, {"requested": True, "reason": reason})
    match state.lifecycle:
        case LifecycleState.ACTIVE:
            return [(_E.SHUTDOWN, {"reason": reason})]
        case LifecycleState.INITIALIZING:
            return [(_E.INIT_FAILURE, None), requested]
        case LifecycleState.RECOVERING:
            return [requested]
        case _:
            return []


def ended(state: MachineState) -> list[list[Event]]:
    """Nothing is left to deliver; empty where the pipe is not shutting down."""
    if state.lifecycle is not LifecycleState.SHUTTING_DOWN:
        return []
    drains = not state.drain and state.health is not HealthState.CRITICAL
    steps: list[list[Event]] = [[(_E.DRAIN, None)]] if drains else []
    return [*steps, [(_E.FINISHED, None)]]


def failed(state: MachineState, reason: str) -> list[list[Event]]:
    """It will not come back by itself."""
    down = lost(state, reason)
    if state.lifecycle is LifecycleState.OFFLINE:
        return []
    if state.lifecycle is not LifecycleState.SHUTTING_DOWN:
        down.append((_E.RECOVERY_FAILED, {"reason": reason}))
    return [*([down] if down else []), [(_E.FINISHED, None)]]
