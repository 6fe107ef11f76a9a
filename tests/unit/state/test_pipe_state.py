"""The bitmask: 19 of 2048 values, made of the layers and read back."""

import subprocess
import sys

import pytest

import fustor_core.pipe
import fustor_core.state
from fustor_core.pipe import PipeState, inverse, project
from fustor_core.state import legal_states
from tests.unit.state import expected
from tests.unit.state.expected import words

LEGAL = [0, 1, 2, 4, 8, 18, 20, 34, 50, 66, 82, 130, 146, 194, 210, 258, 274, 512, 1024]


def test_the_flags_are_those_of_the_document() -> None:
    assert {name: int(flag) for name, flag in PipeState.__members__.items()} == {
        "STOPPED": 0,
        "INITIALIZING": 1,
        "RUNNING": 2,
        "PAUSED": 4,
        "ERROR": 8,
        "CONF_OUTDATED": 16,
        "SNAPSHOT_SYNC": 32,
        "MESSAGE_SYNC": 64,
        "AUDIT_PHASE": 128,
        "RECONNECTING": 256,
        "DRAINING": 512,
        "STOPPING": 1024,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "STOPPED"),
        (8, "ERROR"),
        (18, "RUNNING | CONF_OUTDATED"),
        (66, "RUNNING | MESSAGE_SYNC"),
        (194, "RUNNING | MESSAGE_SYNC | AUDIT_PHASE"),
        (258, "RUNNING | RECONNECTING"),
    ],
)
def test_it_reads_as_people_write_it(value: int, text: str) -> None:
    state = PipeState(value)
    assert str(state) == f"{state}" == text
    assert f"{state:>40}" == text.rjust(40)
    assert f"{state:d}" == str(value)
    assert state == value


def test_each_state_shows_what_the_documents_say() -> None:
    for state in legal_states():
        assert project(state) == expected.seen(words(state)), state


def test_19_values_are_shown_and_no_other() -> None:
    assert sorted({int(project(state)) for state in legal_states()}) == LEGAL


@pytest.mark.parametrize("value", LEGAL)
def test_the_inverse_gives_every_triple_that_shows_a_value_and_one_state(value: int) -> None:
    back = inverse(value)
    assert project(back.canonical) == value
    assert back.canonical.triple in back.triples
    assert back.triples == {state.triple for state in legal_states() if expected.seen(words(state)) == value}
    assert inverse(PipeState(value)) == back


@pytest.mark.parametrize(
    ("value", "triples"),
    [
        (0, {("Offline", op, health) for op in ("Idle", "Stopped") for health in ("Healthy", "Warning")}),
        (1, {("Initializing", "Idle", "Healthy"), ("Initializing", "Idle", "Warning")}),
        (8, {triple for triple in expected.LEGAL_TRIPLES if triple[0] in ("Offline", "ShuttingDown")}),
        (66, {("Active", op, health) for op in ("Running", "BackgroundRunning") for health in ("Healthy", "Warning")}),
        (34, {("Active", op, health) for op in ("Running", "BackgroundRunning") for health in ("Healthy", "Warning")}),
        (194, {("Active", "BackgroundRunning", "Healthy"), ("Active", "BackgroundRunning", "Warning")}),
        (258, {triple for triple in expected.LEGAL_TRIPLES if triple[0] == "Recovering"}),
        (4, {("Active", op, health) for op in ("Paused", "Stopped") for health in ("Healthy", "Warning")}),
        (512, {("ShuttingDown", "Idle", "Healthy"), ("ShuttingDown", "Idle", "Warning")}),
    ],
)
def test_the_triples_behind_a_value(value: int, triples: set[tuple[str, str, str]]) -> None:
    assert {(life.value, op.value, health.value) for life, op, health in inverse(value).triples} == triples


def test_the_other_2029_values_are_refused_with_a_reason() -> None:
    refused = 0
    for value in range(2048):
        if value in LEGAL:
            continue
        with pytest.raises(ValueError, match=rf"^{value} is no state of a pipe: .+: .+"):
            inverse(value)
        refused += 1
    assert refused == 2029


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (3, "stand alone"),
        (6, "PAUSED and RUNNING exclude"),
        (16, "CONF_OUTDATED needs"),
        (32, "a phase needs RUNNING"),
        (98, "SNAPSHOT_SYNC and MESSAGE_SYNC exclude"),
        (162, "no AUDIT_PHASE during SNAPSHOT_SYNC"),
        (256, "RECONNECTING needs RUNNING"),
        (322, "not shown while RECONNECTING"),
        (-1, "from 0 to 2047"),
        (2048, "from 0 to 2047"),
    ],
)
def test_the_reason_names_the_rule(value: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        inverse(value)


@pytest.mark.parametrize("module", ["fustor_core.pipe", "fustor_core.state", "fustor_core.state.step", "fustor_core.state.projection"])
def test_either_module_can_be_imported_first(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, timeout=60)
    assert fustor_core.state.PipeState is fustor_core.pipe.PipeState
