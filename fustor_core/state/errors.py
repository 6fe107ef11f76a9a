"""Why a machine said no, or could not keep what it was told."""

from fustor_core.errors import FustorError, StoreError
from fustor_core.state.vocabulary import EventType, MachineState


class InvalidTransitionError(FustorError):
    """The event has no row in this state; nothing has changed.

    `state` is where it was refused (within a batch, where the events before it had led), `event` what was refused (None where a
    lock itself is asked for), `allowed` the events that this state accepts without a payload, and `already` is true where the
    layer already has the value that the event asks for.
    """

    exit_code = 4

    def __init__(
        self,
        state: MachineState,
        event: EventType | None,
        reason: str,
        allowed: tuple[EventType, ...] = (),
        already: bool = False,
    ) -> None:
        # The arguments are kept as they are, so that a copied or pickled error is the same error; `__str__` makes the sentence.
        super().__init__(state, event, reason, allowed, already)
        self.state = state
        self.event = event
        self.reason = reason
        self.allowed = allowed
        self.already = already

    def __str__(self) -> str:
        what = "refused" if self.event is None else f"{self.event} refused"
        allowed = f"; allowed are {', '.join(map(str, self.allowed))}" if self.allowed else ""
        return f"{what} in {self.state}: {self.reason}{allowed}"


class LayerViolationError(InvalidTransitionError):
    """The event has a row, but another layer forbids where it leads."""


class LockedError(InvalidTransitionError):
    """A lock, or an operator's hold, is in the way; whoever set it can take it away."""


class InvalidPayloadError(InvalidTransitionError, ValueError):
    """The event does not take such a payload, whatever the state; correct the caller."""


class ConcurrentUpdateError(FustorError):
    """Another writer was faster; read the state again and decide again."""


class PersistenceError(StoreError):
    """The state could not be saved, so it was not changed; it is worth trying again."""


class RestoreError(FustorError):
    """What is stored is no state that this program knows; the machine is as it was."""
