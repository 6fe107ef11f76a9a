"""What may follow on what in a session, written down by hand."""

from itertools import product

import pytest

from fustor_core.errors import Refused
from fustor_core.wire import Via
from fustor_fusion.sessions.states import SessionEvent, SessionState, marked, next_state

ROWS = """
  measuring: batch > live, snapshot begins > snapshot, audit begins > audit, audit ends > live, end > ended
  snapshot: batch > snapshot, snapshot begins > snapshot, snapshot ends > live, audit begins > snapshot, audit ends > snapshot, end > ended
  live: batch > live, snapshot begins > snapshot, audit begins > audit, audit ends > live, end > ended
  audit: batch > audit, snapshot begins > snapshot, audit begins > audit, audit ends > live, end > ended
  ended:
"""
EXPECTED = {
    (source.strip(), event.strip()): target.strip()
    for line in ROWS.strip().splitlines()
    for source, _, rest in [line.partition(":")]
    for event, _, target in [row.partition(">") for row in rest.split(",") if row.strip()]
}


@pytest.mark.parametrize(("state", "event"), list(product(SessionState, SessionEvent)), ids=str)
def test_every_event_in_every_state(state: SessionState, event: SessionEvent) -> None:
    expected = EXPECTED.get((state, event))
    if expected is not None:
        assert next_state(state, event) == expected
        return
    with pytest.raises(Refused) as caught:
        next_state(state, event)
    assert caught.value.code == "out-of-phase"
    assert str(event) in str(caught.value)


@pytest.mark.parametrize("phase", [Via.LIVE, Via.ASKED])
@pytest.mark.parametrize("ends", [False, True])
def test_only_snapshots_and_audits_are_marked(phase: Via, ends: bool) -> None:
    with pytest.raises(Refused):
        marked(phase, ends=ends)
