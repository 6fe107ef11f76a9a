"""One hand on a pipe's state machine: every step is taken together with what the conditions mean for health."""

import asyncio
from collections.abc import Iterable

from fustor_core.conditions import Conditions
from fustor_core.state import Event, InvalidTransitionError, MachineState, StateMachine
from fustor_core.state.step import steps
from fustor_core.state_keeping import UNSAVED, Keeping


class Steering:
    """Steps the machine of one pipe, on the event loop. Health follows the conditions also when they change between steps."""

    def __init__(self, machine: StateMachine, conditions: Conditions) -> None:
        self.machine = machine
        self.conditions = conditions
        self._keeping = Keeping(machine)
        self._settling = False
        conditions.changed = self._settle_soon

    @property
    def state(self) -> MachineState:
        return self.machine.snapshot.state

    def step(self, events: list[Event]) -> bool:
        """Take one atomic step; whether there was one to take."""
        if not events:
            return False
        self.machine.handle_events(self._with_health(events))
        return True

    def all_steps(self, each: Iterable[list[Event]]) -> None:
        for events in each:
            self.step(events)

    def _with_health(self, events: list[Event]) -> list[Event]:
        try:
            health = steps(self.state, events).health
        except InvalidTransitionError:
            # Refused as it is: the machine says so, and records it.
            return events
        event = self.conditions.event_for(health)
        return [*events, (event, None)] if event else events

    def _settle_soon(self) -> None:
        # Whoever raises a condition often takes a step at once, which then carries it; only what is left alone is a step of its own.
        if not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_soon(self.settle)

    def look_at_saving(self) -> None:
        """Raise or clear the condition that the state cannot be saved; to be called every `TICK`."""
        if (problem := self._keeping.look()) is not None:
            self.conditions.add(problem.type, problem.message, problem.remedy)
        else:
            self.conditions.clear(UNSAVED)

    def settle(self) -> None:
        """Tell the health layer what the conditions mean, where no step has done it."""
        self._settling = False
        if event := self.conditions.event_for(self.state.health):
            self.machine.handle_event(event)
