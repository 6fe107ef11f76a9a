"""Metrics of pipes, as Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fustor_core.http import metrics
from fustor_core.http.metering import PipeMeter
from fustor_core.http.pipes import view_of
from fustor_core.pipe import PipeState
from fustor_core.rows import to_row
from fustor_core.state import EventType as E
from fustor_core.state import MachineState, StateMachine, inverse

LEGAL = (0, 1, 2, 4, 8, 18, 20, 34, 50, 66, 82, 130, 146, 194, 210, 258, 274, 512, 1024)
SECOND = 10**9


def scraped(machine: StateMachine, refusals: metrics.Refusals, now: int = 0) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels but the pipe."""
    meter = PipeMeter()
    for change in machine.history():
        meter.take(to_row(change))
    text = metrics.exposition(metrics.of_pipes([view_of(machine, "agent")], {machine.id: meter}, {machine.id: refusals.count()}, now))
    return {
        (sample.name, *(text for name, text in sample.labels.items() if name != "pipe")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def canonical(value: int) -> MachineState:
    return inverse(PipeState(value)).canonical


@pytest.mark.parametrize("value", LEGAL)
def test_every_flag_is_told_and_stopped_is_set_exactly_where_no_other_is(value: int) -> None:
    machine = StateMachine("nas:data", initial=canonical(value))
    found = scraped(machine, metrics.Refusals(machine))
    flags = {labels[1]: sample for labels, sample in found.items() if labels[0] == "fustor_pipe_state"}
    assert flags.pop("STOPPED") == (value == 0)
    assert flags == {flag.name: float(bool(value & flag)) for flag in PipeState if flag.name != "STOPPED"}
    for layer, words in (("lifecycle", 5), ("operational", 6), ("health", 3)):
        shown = [sample for labels, sample in found.items() if labels[0] == f"fustor_pipe_{layer}"]
        assert sorted(shown) == [0.0] * (words - 1) + [1.0]


def test_steps_refusals_times_and_reconnects_are_counted() -> None:
    moment = 0

    def clock() -> int:
        nonlocal moment
        moment += SECOND
        return moment

    machine = StateMachine("nas:data", clock=clock)
    refusals = metrics.Refusals(machine)
    for event in (E.START, E.INIT_SUCCESS, E.FAULT_DETECTED, E.RECOVERY_SUCCESS):
        machine.handle_event(event)
    for _ in range(2):
        machine.try_event(E.TASK_PAUSE)
    found = scraped(machine, refusals, now=moment)
    assert found["fustor_pipe_transitions_total", "FAULT_DETECTED"] == 1
    assert found["fustor_pipe_refusals_total", "TASK_PAUSE"] == 2
    assert found[("fustor_pipe_reconnects_total",)] == 1
    assert found["fustor_pipe_state_seconds_total", "INITIALIZING"] == 1
    assert found["fustor_pipe_state_seconds_total", "RUNNING | RECONNECTING"] == 1
    machine.try_event(E.TASK_PAUSE)
    assert scraped(machine, refusals)["fustor_pipe_refusals_total", "TASK_PAUSE"] == 3
