"""PRIORITY_OVERRIDE passes tables and locks, never invariants."""

from itertools import product

import pytest

from fustor_core.state import (
    LEGAL_TRIPLES,
    EventType,
    HealthState,
    LayerViolationError,
    LifecycleState,
    MachineState,
    OperationalState,
    StateMachine,
    legal_states,
    step,
)

L, O, H = LifecycleState, OperationalState, HealthState  # noqa: E741
OVERRIDE = EventType.PRIORITY_OVERRIDE


def test_all_layers_named_become_exactly_that_or_nothing_changes() -> None:
    for state in list(legal_states())[::7]:
        for triple in product(L, O, H):
            targets = dict(zip(("lifecycle", "operational", "health"), triple, strict=True))
            if triple in LEGAL_TRIPLES:
                assert step(state, OVERRIDE, {"targets": targets, "reason": "debug"}).triple == triple
            else:
                with pytest.raises(LayerViolationError, match="not a legal combination"):
                    step(state, OVERRIDE, {"targets": targets, "reason": "debug"})


@pytest.mark.parametrize(
    ("state", "targets", "after"),
    [
        (MachineState(L.ACTIVE, O.IDLE, H.HEALTHY), {"operational": "Running"}, MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY)),
        # Entering ShuttingDown, by whatever event, ends what runs.
        (
            MachineState(L.ACTIVE, O.BACKGROUND_RUNNING, H.WARNING, sync="MESSAGE", audit=True, held=True),
            {"lifecycle": "ShuttingDown"},
            MachineState(L.SHUTTING_DOWN, O.IDLE, H.WARNING, held=True),
        ),
        (
            MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY, sync="MESSAGE"),
            {"lifecycle": "Recovering"},
            MachineState(L.RECOVERING, O.PAUSED, H.HEALTHY, sync="MESSAGE"),
        ),
        (MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY), {"health": "Critical"}, MachineState(L.RECOVERING, O.STOPPED, H.CRITICAL)),
        (MachineState(L.RECOVERING, O.STOPPED, H.CRITICAL), {"health": H.WARNING}, MachineState(L.RECOVERING, O.STOPPED, H.WARNING)),
        (
            MachineState(L.OFFLINE, O.STOPPED, H.CRITICAL, failed=True, conf=True),
            {"lifecycle": "Active", "operational": "Ready", "health": "Healthy"},
            MachineState(L.ACTIVE, O.READY, H.HEALTHY, conf=True),
        ),
    ],
)
def test_layers_not_named_follow(state: MachineState, targets: dict[str, object], after: MachineState) -> None:
    assert step(state, OVERRIDE, {"targets": targets, "reason": "debug"}) == after
    assert step(state, OVERRIDE, {**targets, "reason": "debug"}) == after


@pytest.mark.parametrize(
    ("state", "targets"),
    [
        (MachineState(L.RECOVERING, O.STOPPED, H.CRITICAL), {"operational": "Running"}),
        (MachineState(L.RECOVERING, O.STOPPED, H.CRITICAL), {"lifecycle": "Active"}),
        (MachineState(L.SHUTTING_DOWN, O.IDLE, H.HEALTHY), {"operational": "Ready"}),
        (MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY), {"lifecycle": "Offline"}),
        (MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY), {"health": "Critical", "operational": "Running"}),
    ],
)
def test_no_override_breaks_an_invariant(state: MachineState, targets: dict[str, str]) -> None:
    with pytest.raises(LayerViolationError):
        step(state, OVERRIDE, {"targets": targets, "reason": "debug"})


def test_it_is_recorded_with_its_reason_also_without_a_target() -> None:
    machine = StateMachine("a:b")
    nothing = machine.handle_event(OVERRIDE, {"reason": "only looking"})
    assert (nothing.version, nothing.changed, nothing.reason) == (1, False, "only looking")
    moved = machine.handle_event(OVERRIDE, {"targets": {"lifecycle": L.ACTIVE}, "reason": "debug"})
    assert (moved.version, moved.changed, moved.reason) == (2, True, "debug")
    # A record names layers as stored text, whatever the caller used.
    assert moved.events == ((OVERRIDE, {"targets": {"lifecycle": "Active"}, "reason": "debug"}),)
    assert machine.history()[1:] == (nothing, moved)


def test_it_passes_locks() -> None:
    machine = StateMachine("a:b", initial=MachineState(L.ACTIVE, O.IDLE, H.HEALTHY))
    for layer in ("lifecycle", "operational", "health"):
        machine.lock(layer, owner="admin", reason="maintenance")
    assert machine.handle_event(OVERRIDE, {"targets": {"operational": "Running"}, "reason": "debug"}).after.operational is O.RUNNING
