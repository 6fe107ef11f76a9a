"""Every step of a machine in the log, where an operator looks first."""

import logging

from fustor_core.state import StateMachine, Transition

log = logging.getLogger("fustor.state")


def log_transitions(machine: StateMachine) -> None:
    """From here on, log each step in which what an observer sees changes, and the others at level debug."""
    shown = machine.snapshot.pipe_state

    def heard(change: Transition) -> None:
        nonlocal shown
        level = logging.INFO if change.pipe_state != shown else logging.DEBUG
        shown = change.pipe_state
        events = ",".join(str(event) for event, _ in change.events)
        because = f" ({change.reason})" if change.reason else ""
        log.log(level, "%s%s", change.pipe_state, because, extra={"pipe": change.machine, "version": change.version, "events": events})

    machine.subscribe(heard)
