"""Fusion's own pipe: from the receivers to roots and views. Its state does not change with the sessions, which have their own."""

from collections.abc import Iterator
from contextlib import contextmanager

from fustor_core.state import EventType, StateMachine


class FusionPipe:
    """Drives the state machine of fusion's pipe through its life."""

    def __init__(self, machine: StateMachine) -> None:
        self.machine = machine

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
        self.machine.handle_event(EventType.INIT_SUCCESS)

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """While everything is closed."""
        self.machine.handle_event(EventType.SHUTDOWN, {"reason": "stop requested"})
        try:
            yield
        finally:
            self.machine.handle_event(EventType.FINISHED)
