"""What pipes do: the batches of STATES §4, and what an observer sees after each."""

from typing import Any

import pytest

from fustor_core.state import EventType, Rejection, StateMachine

E = EventType
Batch = list[tuple[EventType, dict[str, Any] | None]]

S, M, A = {"phase": "SNAPSHOT"}, {"phase": "MESSAGE"}, {"phase": "AUDIT"}


def batch(*events: EventType | tuple[EventType, dict[str, Any]]) -> Batch:
    return [event if isinstance(event, tuple) else (event, None) for event in events]


READY = [batch(E.START), batch(E.INIT_SUCCESS)]
LEADER = [*READY, batch(E.SET_READY, (E.TASK_START, S)), batch(E.TASK_COMPLETE, (E.TASK_START, M))]
FOLLOWER = [*READY, batch(E.SET_READY, (E.TASK_START, M))]
SNAPSHOT = LEADER[:3]
STARTED = ["INITIALIZING", "RUNNING"]
LIVE, RECONNECTING = "RUNNING | MESSAGE_SYNC", "RUNNING | RECONNECTING"
ENDED = [batch(E.DRAIN), batch(E.FINISHED)]
BACK = batch(E.RECOVER, E.RECOVERY_SUCCESS, E.TASK_RESET, E.SET_READY)
REQUESTED = (E.RECOVERY_FAILED, {"requested": True})

CASES: dict[str, tuple[list[Batch], list[str]]] = {
    "leader starts": (LEADER, [*STARTED, "RUNNING | SNAPSHOT_SYNC", LIVE]),
    "follower starts": (FOLLOWER, [*STARTED, LIVE]),
    "audit": (
        [*FOLLOWER, batch((E.SET_BACKGROUND, A)), batch(E.SET_FOREGROUND)],
        [*STARTED, LIVE, "RUNNING | MESSAGE_SYNC | AUDIT_PHASE", LIVE],
    ),
    "audit of a source that cannot watch": (
        [*READY, batch(E.SET_READY), batch(E.TASK_START, (E.SET_BACKGROUND, A)), batch(E.SET_FOREGROUND, E.TASK_COMPLETE)],
        [*STARTED, "RUNNING", "RUNNING | AUDIT_PHASE", "RUNNING"],
    ),
    "session lost in MESSAGE, found again": (
        [*FOLLOWER, batch(E.FAULT_DETECTED), batch(E.RECOVERY_SUCCESS, E.TASK_RESUME, (E.TASK_START, M))],
        [*STARTED, LIVE, RECONNECTING, LIVE],
    ),
    "the task goes on with the phase it had": (
        [*FOLLOWER, batch(E.FAULT_DETECTED), batch(E.RECOVERY_SUCCESS, E.TASK_RESUME, E.TASK_START)],
        [*STARTED, LIVE, RECONNECTING, LIVE],
    ),
    "session lost in SNAPSHOT, found again": (
        [*SNAPSHOT, batch(E.FAULT_DETECTED), batch(E.RECOVERY_SUCCESS, E.TASK_RESUME, (E.TASK_START, S))],
        [*STARTED, "RUNNING | SNAPSHOT_SYNC", RECONNECTING, "RUNNING | SNAPSHOT_SYNC"],
    ),
    "session lost in an audit, found again": (
        [
            *FOLLOWER,
            batch((E.SET_BACKGROUND, A)),
            batch(E.FAULT_DETECTED),
            batch(E.RECOVERY_SUCCESS, E.TASK_RESUME, (E.TASK_START, M)),
        ],
        [*STARTED, LIVE, "RUNNING | MESSAGE_SYNC | AUDIT_PHASE", RECONNECTING, LIVE],
    ),
    "lost for long": (
        [*FOLLOWER, batch(E.FAULT_DETECTED), batch(E.FAULT), [*BACK, (E.TASK_START, M)]],
        [*STARTED, LIVE, RECONNECTING, RECONNECTING, LIVE],
    ),
    "root gone, found again": ([*FOLLOWER, batch(E.FAULT), [*BACK, (E.TASK_START, M)]], [*STARTED, LIVE, RECONNECTING, LIVE]),
    "lost while held": (
        [*FOLLOWER, batch((E.TASK_PAUSE, {"held": True})), batch(E.FAULT_DETECTED), batch(E.RECOVERY_SUCCESS)],
        [*STARTED, LIVE, "PAUSED", RECONNECTING, "PAUSED"],
    ),
    "retries used up": (
        [*FOLLOWER, batch(E.FAULT_DETECTED), batch(E.RECOVERY_FAILED), batch(E.FINISHED)],
        [*STARTED, LIVE, RECONNECTING, "ERROR", "ERROR"],
    ),
    "a full restart leaves ERROR": (
        [*FOLLOWER, batch(E.FAULT_DETECTED), batch(E.RECOVERY_FAILED), batch(E.FINISHED), batch(E.START)],
        [*STARTED, LIVE, RECONNECTING, "ERROR", "ERROR", "INITIALIZING"],
    ),
    "stop while Active": ([*FOLLOWER, batch(E.SHUTDOWN), *ENDED], [*STARTED, LIVE, "STOPPING", "DRAINING", "STOPPED"]),
    "stop while Initializing": (
        [batch(E.START), batch(E.INIT_FAILURE, REQUESTED), *ENDED],
        ["INITIALIZING", "STOPPING", "DRAINING", "STOPPED"],
    ),
    "stop while Recovering": (
        [*FOLLOWER, batch(E.FAULT_DETECTED), batch(REQUESTED), *ENDED],
        [*STARTED, LIVE, RECONNECTING, "STOPPING", "DRAINING", "STOPPED"],
    ),
    "stop while Critical": (
        [*FOLLOWER, batch(E.FAULT), batch(REQUESTED), batch(E.FINISHED)],
        [*STARTED, LIVE, RECONNECTING, "ERROR", "ERROR"],
    ),
    "halt, then start": (
        [*FOLLOWER, batch(E.EMERGENCY_STOP), batch(E.FINISHED), batch(E.START)],
        [*STARTED, LIVE, "ERROR", "ERROR", "INITIALIZING"],
    ),
    "configuration changed": (
        [*FOLLOWER, batch(E.CONF_CHANGED), batch(E.SHUTDOWN), *ENDED, batch(E.START)],
        [*STARTED, LIVE, "RUNNING | CONF_OUTDATED | MESSAGE_SYNC", "STOPPING", "DRAINING", "STOPPED", "INITIALIZING"],
    ),
    "fusion": (
        [*READY, batch(E.SHUTDOWN), batch(E.FINISHED)],
        [*STARTED, "STOPPING", "STOPPED"],
    ),
    "a held pipe starts and pauses at once": (
        [
            *FOLLOWER,
            batch(E.HOLD, E.TASK_PAUSE),
            batch(E.SHUTDOWN),
            batch(E.FINISHED),
            *READY,
            batch(E.SET_READY, (E.TASK_START, M), E.TASK_PAUSE),
            batch((E.TASK_RESUME, {"held": True}), E.TASK_START),
        ],
        [*STARTED, LIVE, "PAUSED", "STOPPING", "STOPPED", *STARTED, "PAUSED", LIVE],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_observer_sees(case: str) -> None:
    batches, states = CASES[case]
    machine = StateMachine("nas-1:research")
    seen: list[str] = []
    machine.subscribe(lambda change: seen.append(str(change.pipe_state)))
    for events in batches:
        machine.handle_events(events)
    assert seen == states
    assert [str(change.pipe_state) for change in machine.history()] == ["STOPPED", *states]
    assert machine.snapshot.version == len(batches)


def test_a_latched_halt_needs_recover_before_start() -> None:
    machine = StateMachine("nas-1:research", latch_emergency_stop=True)
    for events in [*FOLLOWER, batch(E.EMERGENCY_STOP), batch(E.FINISHED)]:
        machine.handle_events(events)
    refused = machine.try_event(E.START)
    assert isinstance(refused, Rejection)
    assert "RECOVER first" in refused.reason
    assert not machine.can(E.START)
    assert E.START not in machine.allowed_events()
    assert str(machine.handle_events(batch(E.RECOVER, E.START)).pipe_state) == "INITIALIZING"
    assert not machine.try_event(E.FINISHED)


def test_nothing_is_drained_while_critical() -> None:
    machine = StateMachine("nas-1:research")
    for events in [*FOLLOWER, batch(E.FAULT), batch(REQUESTED)]:
        machine.handle_events(events)
    assert not machine.can(E.DRAIN)
