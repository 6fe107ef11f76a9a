"""Whatever is sent, in whatever order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fustor_core.state import EventType, MachineState, Rejection, StateMachine, Transition, steps
from tests.unit.state import expected
from tests.unit.state.test_pipe_state import LEGAL

E = EventType
Ask = tuple[EventType, dict[str, Any] | None]

LAYERS = {
    "lifecycle": ["Initializing", "Active", "Recovering", "ShuttingDown", "Offline"],
    "operational": ["Idle", "Ready", "Running", "BackgroundRunning", "Paused", "Stopped"],
    "health": ["Healthy", "Warning", "Critical"],
}
targets = st.fixed_dictionaries({}, optional={layer: st.sampled_from(values) for layer, values in LAYERS.items()})
overrides = targets.map(lambda chosen: (E.PRIORITY_OVERRIDE, {"targets": chosen, "reason": "property"}))
asks = st.one_of(st.sampled_from([(E(event), payload) for event, payload in expected.ASKS]), overrides)
# What a pipe sends first, so that most sequences get beyond Offline.
beginnings = st.sampled_from([[], ["START"], ["START", "INIT_SUCCESS"], ["START", "INIT_SUCCESS", "SET_READY", "TASK_START"]])


def begun(events: list[str]) -> StateMachine:
    machine = StateMachine("a:b")
    for event in events:
        machine.handle_event(E(event))
    return machine


def check(state: MachineState) -> None:
    triple = (state.lifecycle.value, state.operational.value, state.health.value)
    assert triple in expected.LEGAL_TRIPLES
    assert not state.audit or (state.operational.value == "BackgroundRunning" and state.sync != "SNAPSHOT")
    assert not state.drain or state.lifecycle.value == "ShuttingDown"
    assert not state.sync or (state.lifecycle.value in ("Active", "Recovering") and state.health.value != "Critical")


@given(beginnings, st.lists(asks, max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_sequence_breaks_an_invariant_and_the_history_replays(beginning: list[str], sequence: list[Ask]) -> None:
    machine = begun(beginning)
    for event, payload in sequence:
        before = machine.snapshot
        could = machine.can(event, payload)
        outcome = machine.try_event(event, payload)
        assert bool(outcome) == could
        assert machine.snapshot.version == before.version + could
        if not outcome:
            assert machine.snapshot is before
        check(machine.snapshot.state)
        assert int(machine.snapshot.pipe_state) in LEGAL
    history = machine.history()
    assert [row.version for row in history] == list(range(len(history)))
    state = history[0].after
    for row in history[1:]:
        assert (row.before, row.changed) == (state, row.after != state)
        state = steps(state, row.events)
        assert row.after == state
    assert state == machine.snapshot.state


@given(beginnings, st.lists(asks, min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_batch_ends_where_its_events_end_or_does_nothing(beginning: list[str], batch: list[Ask]) -> None:
    single, together = begun(beginning), begun(beginning)
    stood = together.snapshot
    outcomes = [single.try_event(event, payload) for event, payload in batch]
    first_refusal = next((outcome for outcome in outcomes if isinstance(outcome, Rejection)), None)
    outcome = together.try_events(batch)
    if first_refusal is None:
        assert isinstance(outcome, Transition)
        assert (outcome.after, outcome.version) == (single.snapshot.state, stood.version + 1)
    else:
        assert isinstance(outcome, Rejection)
        assert str(outcome.error()) == str(first_refusal.error())
        assert together.snapshot is stood


@given(beginnings, st.lists(asks, max_size=20))
@settings(max_examples=200, deadline=None)
def test_emergency_stop_is_never_refused(beginning: list[str], sequence: list[Ask]) -> None:
    machine = begun(beginning)
    for event, payload in sequence:
        machine.try_event(event, payload)
    lifecycle = machine.snapshot.lifecycle.value
    stopped = machine.handle_event(E.EMERGENCY_STOP).after
    assert (stopped.operational.value, stopped.health.value) == ("Stopped", "Critical")
    assert stopped.lifecycle.value == ("Offline" if lifecycle == "Offline" else "ShuttingDown")
    assert not machine.handle_event(E.EMERGENCY_STOP).changed
