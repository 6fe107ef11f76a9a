"""Transitions as they travel and are shown."""

from fustor_core.state import Transition
from fustor_core.wire import Transition as Row


def to_row(change: Transition) -> Row:
    """What a step of a machine was, and the state after it."""
    after = change.after
    return Row(
        change.version,
        change.at,
        [str(event) for event, _ in change.events],
        int(change.pipe_state),
        str(after.lifecycle),
        str(after.operational),
        str(after.health),
        change.reason or "",
    )
