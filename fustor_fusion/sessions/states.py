"""What a session is doing, as a table: an illegal step is refused, and nothing has changed. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fustor_core.errors import Refused
from fustor_core.wire import Via


class SessionState(StrEnum):
    """What a session is doing at the moment, as `/v1/sessions` shows it."""

    MEASURING = "measuring"
    """The agent learns the offset of its clock, and has sent nothing yet."""
    SNAPSHOT = "snapshot"
    LIVE = "live"
    AUDIT = "audit"
    """Everything is read again, slice by slice, while changes are followed."""
    ENDED = "ended"


class SessionEvent(StrEnum):
    """What happens to a session."""

    BATCH = "batch"
    SNAPSHOT_BEGINS = "snapshot begins"
    SNAPSHOT_ENDS = "snapshot ends"
    AUDIT_BEGINS = "audit begins"
    AUDIT_ENDS = "audit ends"
    END = "end"


_S, _E = SessionState, SessionEvent

SESSION: Final[Mapping[tuple[SessionState, SessionEvent], SessionState]] = MappingProxyType(
    {
        (_S.MEASURING, _E.BATCH): _S.LIVE,
        (_S.MEASURING, _E.SNAPSHOT_BEGINS): _S.SNAPSHOT,
        (_S.MEASURING, _E.AUDIT_BEGINS): _S.AUDIT,
        # It began in an earlier session.
        (_S.MEASURING, _E.AUDIT_ENDS): _S.LIVE,
        (_S.SNAPSHOT, _E.BATCH): _S.SNAPSHOT,
        # One that was interrupted begins again.
        (_S.SNAPSHOT, _E.SNAPSHOT_BEGINS): _S.SNAPSHOT,
        (_S.SNAPSHOT, _E.SNAPSHOT_ENDS): _S.LIVE,
        # It reads all that an audit would.
        (_S.SNAPSHOT, _E.AUDIT_BEGINS): _S.SNAPSHOT,
        (_S.SNAPSHOT, _E.AUDIT_ENDS): _S.SNAPSHOT,
        (_S.LIVE, _E.BATCH): _S.LIVE,
        (_S.LIVE, _E.SNAPSHOT_BEGINS): _S.SNAPSHOT,
        (_S.LIVE, _E.AUDIT_BEGINS): _S.AUDIT,
        (_S.LIVE, _E.AUDIT_ENDS): _S.LIVE,
        (_S.AUDIT, _E.BATCH): _S.AUDIT,
        (_S.AUDIT, _E.SNAPSHOT_BEGINS): _S.SNAPSHOT,
        (_S.AUDIT, _E.AUDIT_BEGINS): _S.AUDIT,
        (_S.AUDIT, _E.AUDIT_ENDS): _S.LIVE,
        **{(state, _E.END): _S.ENDED for state in _S if state is not _S.ENDED},
    }
)


OF_MARKS: Final[Mapping[tuple[Via, bool], SessionEvent]] = MappingProxyType(
    {
        (Via.SNAPSHOT, False): _E.SNAPSHOT_BEGINS,
        (Via.SNAPSHOT, True): _E.SNAPSHOT_ENDS,
        (Via.AUDIT, False): _E.AUDIT_BEGINS,
        (Via.AUDIT, True): _E.AUDIT_ENDS,
    }
)
"""What a mark of a phase says that begins or ends."""


def marked(phase: Via, *, ends: bool) -> SessionEvent:
    """The event that a mark is. Raises Refused for a phase that has none."""
    event = OF_MARKS.get((phase, ends))
    if event is None:
        raise Refused(f"a mark of {phase.value}, which neither begins nor ends", code="out-of-phase")
    return event


def next_state(state: SessionState, event: SessionEvent) -> SessionState:
    """The state after an event. Raises Refused where the table has no row for it."""
    after = SESSION.get((state, event))
    if after is None:
        raise Refused(f"`{event}` came in a session that stands at `{state}`", code="out-of-phase")
    return after
