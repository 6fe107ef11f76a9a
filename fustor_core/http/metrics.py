"""Pipes for Prometheus, the same on both sides. Labels are ids of pipes and words of the states, never a path or a user."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from platform import python_version
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fustor_core.http.metering import PipeMeter
from fustor_core.http.pipes import PipeView
from fustor_core.pipe import PipeState
from fustor_core.state import HealthState, LifecycleState, OperationalState, Rejection, StateMachine

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_FLAGS: Final = tuple(flag for flag in PipeState.__members__.values() if flag.name)


def exposition(families: Iterable[Metric]) -> bytes:
    """The families as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Once(families))
    return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class RootFigures:
    """What is told of one root. `as_of` is wall-clock ns, None where nothing is vouched for; `drift` counts by kind what audits found."""

    name: str
    as_of: int | None
    complete: bool
    unreadable: int
    drift: Mapping[str, int]


class _Once(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


class Refusals:
    """Counts what a machine has refused, by event, from the ring that it keeps."""

    def __init__(self, machine: StateMachine) -> None:
        self._machine = machine
        self._counted: Counter[str] = Counter()
        self._last: Rejection | None = None

    def count(self) -> Mapping[str, int]:
        """By event so far. More than the ring holds between two calls are not all counted."""
        new = []
        for refusal in reversed(self._machine.refusals()):
            if refusal is self._last:
                break
            new.append(refusal)
        self._counted.update(str(refusal.event) for refusal in new)
        self._last = new[0] if new else self._last
        return self._counted


def of_pipes(
    pipes: Sequence[PipeView], meters: Mapping[str, PipeMeter], refusals: Mapping[str, Mapping[str, int]], now: int
) -> Iterator[Metric]:
    """All about pipes. A pipe that is unknown has no state: its series end, and `fustor_pipe_unknown` is 1."""
    yield InfoMetricFamily("fustor_build", "The version that runs.", {"version": version("fustor"), "python": python_version()})
    known = [pipe for pipe in pipes if pipe.value is not None]
    flags = GaugeMetricFamily("fustor_pipe_state", "Whether a flag of the PipeState is set.", labels=("pipe", "flag"))
    for pipe in known:
        for flag in _FLAGS:
            flags.add_metric((pipe.id, str(flag.name)), float(_is_set(pipe.value or 0, flag)))
    yield flags
    yield _layer("lifecycle", [str(each) for each in LifecycleState], [(pipe.id, pipe.lifecycle) for pipe in known])
    yield _layer("operational", [str(each) for each in OperationalState], [(pipe.id, pipe.operational) for pipe in known])
    yield _layer("health", [str(each) for each in HealthState], [(pipe.id, pipe.health) for pipe in known])
    yield _gauge(
        "fustor_pipe_unknown", "Whether the agent of the pipe is silent.", ((pipe.id, float(pipe.value is None)) for pipe in pipes)
    )
    beats = ((pipe.id, pipe.last_heartbeat / 1e9) for pipe in pipes if pipe.last_heartbeat is not None)
    yield _gauge("fustor_pipe_last_heartbeat_timestamp_seconds", "When the agent of the pipe was heard of last.", beats)
    yield from _standing(pipes)
    yield from _counted(pipes, meters, refusals, now)


def _is_set(value: int, flag: PipeState) -> bool:
    """STOPPED is no bit: it is set exactly where no other is."""
    return value == 0 if flag == PipeState.STOPPED else bool(value & flag)


def _layer(name: str, words: Sequence[str], shown: Sequence[tuple[str, str]]) -> Metric:
    family = GaugeMetricFamily(f"fustor_pipe_{name}", f"Whether the {name} layer has a value.", labels=("pipe", name))
    for pipe, value in shown:
        for word in words:
            family.add_metric((pipe, word), float(word == value))
    return family


def _standing(pipes: Sequence[PipeView]) -> Iterator[Metric]:
    desired = GaugeMetricFamily("fustor_pipe_desired", "What an operator wants of the pipe.", labels=("pipe", "desired"))
    conditions = GaugeMetricFamily("fustor_pipe_condition", "Conditions that stand.", labels=("pipe", "type"))
    for pipe in pipes:
        desired.add_metric((pipe.id, pipe.desired), 1.0)
        for condition in pipe.conditions:
            conditions.add_metric((pipe.id, condition.type), 1.0)
    yield desired
    yield conditions


def _counted(
    pipes: Sequence[PipeView], meters: Mapping[str, PipeMeter], refusals: Mapping[str, Mapping[str, int]], now: int
) -> Iterator[Metric]:
    transitions = CounterMetricFamily("fustor_pipe_transitions", "Steps that were taken, by event.", labels=("pipe", "event"))
    refused = CounterMetricFamily("fustor_pipe_refusals", "Steps that were refused, by event.", labels=("pipe", "event"))
    seconds = CounterMetricFamily("fustor_pipe_state_seconds", "Seconds in each state.", labels=("pipe", "state"))
    reconnects = CounterMetricFamily("fustor_pipe_reconnects", "How often a lost session was found again.", labels=("pipe",))
    for pipe in pipes:
        meter = meters.get(pipe.id, PipeMeter())
        for event, count in sorted(meter.transitions.items()):
            transitions.add_metric((pipe.id, event), count)
        for event, count in sorted(refusals.get(pipe.id, {}).items()):
            refused.add_metric((pipe.id, event), count)
        for state, passed in sorted(meter.seconds(now if pipe.value is not None else None).items()):
            seconds.add_metric((pipe.id, state), passed)
        reconnects.add_metric((pipe.id,), meter.reconnects)
    yield from (transitions, refused, seconds, reconnects)


def _gauge(name: str, text: str, values: Iterable[tuple[str, float]], label: str = "pipe") -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for labelled, value in values:
        family.add_metric((labelled,), value)
    return family


def of_roots(roots: Sequence[RootFigures]) -> Iterator[Metric]:
    """How far each root is to be trusted."""
    known = [(root.name, root.as_of / 1e9) for root in roots if root.as_of is not None]
    yield _gauge("fustor_root_as_of_timestamp_seconds", "Up to when everything is in the root's view.", known, "root")
    complete = [(root.name, float(root.complete)) for root in roots]
    yield _gauge("fustor_root_complete", "Whether the root is complete, and its agent alive.", complete, "root")
    unreadable = [(root.name, float(root.unreadable)) for root in roots]
    yield _gauge("fustor_root_unreadable_directories", "Directories that could not be read.", unreadable, "root")
    drift = CounterMetricFamily("fustor_root_drift_entries", "What audits found otherwise than it was known.", labels=("root", "kind"))
    for root in roots:
        for kind, entries in root.drift.items():
            drift.add_metric((root.name, kind), entries)
    yield drift
