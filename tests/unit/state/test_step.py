"""Every state, every event: what the code does is what the documents say."""

import pytest

from fustor_core.state import (
    LEGAL_TRIPLES,
    NEW,
    EventType,
    HealthState,
    InvalidPayloadError,
    InvalidTransitionError,
    LayerViolationError,
    LifecycleState,
    LockedError,
    MachineState,
    OperationalState,
    Rejection,
    StateMachine,
    Triple,
    allowed_events,
    legal_states,
    step,
    steps,
)
from tests.unit.state import expected
from tests.unit.state.expected import No, S, words

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741


def made(s: S) -> MachineState:
    return MachineState(L(s.life), O(s.op), H(s.health), *s[3:])  # type: ignore[arg-type]  # S is the same record in plain words


def test_the_words_are_those_of_the_documents() -> None:
    assert [state.value for state in L] == ["Initializing", "Active", "Recovering", "ShuttingDown", "Offline"]
    assert [state.value for state in O] == ["Idle", "Ready", "Running", "BackgroundRunning", "Paused", "Stopped"]
    assert [state.value for state in H] == ["Healthy", "Warning", "Critical"]
    assert {event.value for event in E} == {event for event, _ in expected.ASKS}
    assert len(E) == 28


def test_29_of_90_combinations_are_legal_and_the_others_cannot_be_made() -> None:
    assert {(life.value, op.value, health.value) for life, op, health in LEGAL_TRIPLES} == expected.LEGAL_TRIPLES
    assert len(LEGAL_TRIPLES) == 29
    for triple in ((life, op, health) for life in L for op in O for health in H):
        if triple in LEGAL_TRIPLES:
            MachineState(*triple)
        else:
            with pytest.raises(ValueError, match="not a legal combination"):
                MachineState(*triple)


def test_a_new_machine_is_offline_idle_healthy() -> None:
    assert MachineState(L.OFFLINE, O.IDLE, H.HEALTHY) == NEW
    assert StateMachine("a:b").snapshot.state == NEW


@pytest.mark.parametrize(
    ("triple", "phases"),
    [
        ((L.ACTIVE, O.RUNNING, H.HEALTHY), {"audit": True}),
        ((L.ACTIVE, O.BACKGROUND_RUNNING, H.HEALTHY), {"audit": True, "sync": "SNAPSHOT"}),
        ((L.ACTIVE, O.PAUSED, H.HEALTHY), {"audit": True}),
        ((L.ACTIVE, O.STOPPED, H.HEALTHY), {"sync": "MESSAGE"}),
        ((L.OFFLINE, O.IDLE, H.HEALTHY), {"sync": "MESSAGE"}),
        ((L.OFFLINE, O.IDLE, H.HEALTHY), {"drain": True}),
        ((L.ACTIVE, O.IDLE, H.HEALTHY), {"drain": True}),
        ((L.INITIALIZING, O.IDLE, H.HEALTHY), {"conf": True}),
        ((L.ACTIVE, O.IDLE, H.HEALTHY), {"failed": True}),
        ((L.ACTIVE, O.IDLE, H.WARNING), {"warned": True}),
        ((L.ACTIVE, O.RUNNING, H.HEALTHY), {"sync": "AUDIT"}),
        ((L.ACTIVE, O.RUNNING, H.HEALTHY), {"held": 1}),
    ],
)
def test_phases_that_the_layers_cannot_have_cannot_be_made(triple: Triple, phases: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"cannot have|sync is|held is"):
        MachineState(*triple, **phases)  # type: ignore[arg-type]  # some are ill-typed on purpose


def test_every_state_that_events_reach_can_be_made_and_is_listed() -> None:
    reachable = expected.reachable()
    assert reachable <= {words(state) for state in legal_states()}
    assert {made(s).triple for s in reachable} == LEGAL_TRIPLES


@pytest.mark.parametrize(("event", "payload"), expected.ASKS)
def test_each_state_answers_as_the_documents_say(event: str, payload: expected.Payload) -> None:
    for state in legal_states():
        want = expected.after(words(state), event, payload)
        if isinstance(want, S):
            assert words(step(state, E(event), payload)) == want, state
            continue
        with pytest.raises(InvalidTransitionError) as caught:
            step(state, E(event), payload)
        assert No(type(caught.value).__name__, caught.value.already) == want, state
        assert (caught.value.state, caught.value.event) == (state, E(event))
        assert caught.value.reason


@pytest.mark.parametrize(("event", "payload"), expected.ASKS)
def test_a_machine_answers_as_the_pure_step(event: str, payload: expected.Payload) -> None:
    for state in legal_states():
        machine = StateMachine("a:b", initial=state)
        want = expected.after(words(state), event, payload)
        assert machine.can(E(event), payload) == isinstance(want, S)
        stood, outcome = machine.snapshot, machine.try_event(E(event), payload)
        assert bool(outcome) == isinstance(want, S)
        if isinstance(want, S):
            assert words(machine.snapshot.state) == want
            assert machine.history()[-1].changed == (want != words(state))
        else:
            assert machine.snapshot is stood
            assert len(machine.history()) == 1


def test_what_is_allowed_is_what_is_accepted() -> None:
    for state in legal_states():
        want = {event for event, payload in expected.ASKS if payload is None and isinstance(expected.after(words(state), event), S)}
        assert {event.value for event in allowed_events(state)} == want
        assert StateMachine("a:b", initial=state).allowed_events() == allowed_events(state)


def test_the_errors_are_one_family() -> None:
    for error in (LayerViolationError, LockedError, InvalidPayloadError):
        assert issubclass(error, InvalidTransitionError)
    assert issubclass(InvalidPayloadError, ValueError)


def test_a_refusal_reads_as_a_sentence() -> None:
    with pytest.raises(InvalidTransitionError) as caught:
        step(MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY, sync="MESSAGE"), E.TASK_START)
    assert str(caught.value).startswith(
        "TASK_START refused in Active / Running / Healthy (MESSAGE): operational is already Running; allowed are "
    )
    assert E.TASK_PAUSE in caught.value.allowed
    assert caught.value.already


@pytest.mark.parametrize(
    ("event", "payload", "why"),
    [
        (E.TASK_START, {"phase": "AUDIT"}, "SNAPSHOT or MESSAGE"),
        (E.TASK_START, {"phase": 1}, "SNAPSHOT or MESSAGE"),
        (E.TASK_START, {"held": True}, "does not know 'held'"),
        (E.TASK_START, {"fase": "MESSAGE"}, "does not know 'fase'"),
        (E.TASK_START, "SNAPSHOT", "a payload is a mapping"),
        (E.TASK_START, {"reason": 3}, "reason is a text"),
        (E.SET_BACKGROUND, {"phase": "SNAPSHOT"}, "AUDIT"),
        (E.TASK_PAUSE, {"held": 1}, "true or false"),
        (E.RECOVER, {"partial": "yes"}, "true or false"),
        (E.RECOVERY_FAILED, {"requested": "no"}, "true or false"),
        (E.FAULT, {"targets": {}}, "does not know"),
        (E.PRIORITY_OVERRIDE, {"targets": {"mood": "Good"}, "reason": "x"}, "no layer 'mood'"),
        (E.PRIORITY_OVERRIDE, {"targets": {"health": "Fine"}, "reason": "x"}, "none of Healthy, Warning, Critical"),
        (E.PRIORITY_OVERRIDE, {"targets": "health", "reason": "x"}, "layers and their values"),
        (E.PRIORITY_OVERRIDE, {"targets": {"health": "Warning"}}, "needs a reason"),
        (E.PRIORITY_OVERRIDE, {"targets": {"health": "Warning"}, "reason": "  "}, "needs a reason"),
    ],
)
def test_a_payload_that_is_not_understood_is_refused(event: EventType, payload: dict[str, object], why: str) -> None:
    for state in legal_states():
        if event is E.FAULT or state.triple == NEW.triple:
            with pytest.raises(InvalidPayloadError, match=why):
                step(state, event, payload)
    machine = StateMachine("a:b")
    rejection = machine.try_event(event, payload)
    assert isinstance(rejection, Rejection)
    assert why in rejection.reason
    assert not machine.can(event, payload)
    assert machine.snapshot.version == 0


def test_none_in_a_payload_is_not_given() -> None:
    state = MachineState(L.ACTIVE, O.READY, H.HEALTHY, sync="MESSAGE")
    assert step(state, E.TASK_START, {"phase": None, "reason": None}).sync == "MESSAGE"


def test_what_is_no_event_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="EventType"):
        step(NEW, "START")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="EventType"):
        StateMachine("a:b").handle_event("START")  # type: ignore[arg-type]


def test_a_batch_is_its_events_one_after_the_other() -> None:
    batch = [(E.START, None), (E.INIT_SUCCESS, None), (E.SET_READY, None), (E.TASK_START, {"phase": "MESSAGE"})]
    assert steps(NEW, batch) == MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY, sync="MESSAGE")
    with pytest.raises(InvalidTransitionError) as caught:
        steps(NEW, [*batch, (E.START, None)])
    assert caught.value.event is E.START
    assert caught.value.state.lifecycle is L.ACTIVE
    with pytest.raises(ValueError, match="at least one"):
        steps(NEW, [])
