"""Which events a pipe sends to its state machine when something happens to it (STATES §4): pure, each list one atomic step."""

from fustor_core.state import Event, EventType, HealthState, LifecycleState, MachineState, OperationalState

SNAPSHOT = "SNAPSHOT"
MESSAGE = "MESSAGE"

_E = EventType


def _go(phase: str) -> list[Event]:
    return [(_E.SET_READY, None), (_E.TASK_START, {"phase": phase})]


def connected(state: MachineState, phase: str | None) -> list[list[Event]]:
    """The session stands, and the pipe goes on in `phase`; None while a follower sets its watches."""
    if state.lifecycle is LifecycleState.INITIALIZING:
        return [[(_E.INIT_SUCCESS, None)], *([_go(phase)] if phase else [])]
    if state.lifecycle is not LifecycleState.RECOVERING:
        return [_go(phase)] if phase and state.operational is OperationalState.IDLE else []
    if state.health is HealthState.CRITICAL:
        back: list[Event] = [(_E.RECOVER, None), (_E.RECOVERY_SUCCESS, None), (_E.TASK_RESET, None)]
        return [[*back, *(_go(phase) if phase else [])]]
    back = [(_E.RECOVERY_SUCCESS, None)]
    if state.held or not phase:
        return [back]
    if state.operational is OperationalState.PAUSED:
        return [[*back, (_E.TASK_RESUME, None), (_E.TASK_START, {"phase": phase})]]
    return [[*back, *_go(phase)]]


def walked(state: MachineState) -> list[list[Event]]:
    """Everything has been listed: from here on changes are followed."""
    if state.operational is OperationalState.RUNNING and state.sync == SNAPSHOT:
        return [[(_E.TASK_COMPLETE, None), (_E.TASK_START, {"phase": MESSAGE})]]
    return [_go(MESSAGE)] if state.operational is OperationalState.IDLE else []


def listing_again(state: MachineState) -> list[list[Event]]:
    """Changes were followed, and everything is to be listed once more."""
    if state.operational is OperationalState.RUNNING and state.sync != SNAPSHOT:
        return [[(_E.TASK_COMPLETE, None), (_E.TASK_START, {"phase": SNAPSHOT})]]
    return []


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
