"""A process that owns a machine and makes steps as fast as its store lets it: `python -m tests.integration.states.writer STORE POLICY`.

It says `ready VERSION` when it stands where the store had it, and then the version of every step that was acknowledged, and how
many were not saved then.
"""

import os
import sys

from fustor_core.state import EventType, StateMachine, StateStore
from fustor_core.state.stores.redis import RedisStateStore
from fustor_core.state.stores.sqlite import SqliteStateStore

MACHINE = "nas-1:research"
MOST_UNSAVED = 500
"""No more may wait than a machine keeps: what went for lack of room is not counted."""


def open_store(place: str) -> StateStore:
    return RedisStateStore(place) if place.startswith("redis://") else SqliteStateStore(place)


def main(place: str, policy: str) -> None:
    machine = StateMachine(MACHINE, store=open_store(place), policy="required" if policy == "required" else "best_effort")
    machine.restore_state()
    say(f"ready {machine.snapshot.version}")
    while True:
        event = next(event for event in (EventType.START, EventType.CLEAR_WARNING, EventType.WARN) if machine.can(event))
        version = machine.handle_event(event, {"reason": "at full rate"}).version
        unsaved = machine.saving.unsaved if machine.saving else 0
        say(f"{version} {unsaved}")
        if unsaved >= MOST_UNSAVED:
            machine.flush(60)


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
