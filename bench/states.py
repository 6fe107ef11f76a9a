"""One state event, three layers and history on, against the state machines that people use instead, in the same run."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fustor_core.state import EventType, HealthState, LifecycleState, MachineState, OperationalState, StateMachine

E = EventType
READY = MachineState(LifecycleState.ACTIVE, OperationalState.READY, HealthState.HEALTHY)

ROUNDS, PAIRS = 15, 1_000
THREADS, RACES = 8, 1_000
PROMISED = 10
OTHERS = {"transitions": "transitions", "python-statemachine": "statemachine"}

Pair = Callable[[], object]
"""A task is begun and completed: two events that bring the machine back to where it was."""


def run(directory: Path, files: int) -> Iterator[str]:
    competitors = {"transitions": _transitions, "python-statemachine": _python_statemachine}
    present = {name: competitors[name] for name, module in OTHERS.items() if find_spec(module) is not None}
    for name in OTHERS.keys() - present.keys():
        yield f"{name} is not installed (the `bench` extra has it)"
    for payload in (False, True):
        taken = _measure({"ours": _ours(payload), **{name: make(payload) for name, make in present.items()}})
        ours = taken.pop("ours")
        against = ", ".join(f"{name} {1e6 * took:.1f} µs: {took / ours:.1f} times" for name, took in taken.items())
        what = "with a payload" if payload else "without a payload"
        yield f"one event {what}: {1e6 * ours:.2f} µs; {against} (promised: {PROMISED})"
    twice = sum(accepted != 1 for accepted in _races())
    yield f"TASK_START from {THREADS} threads at once, {RACES:,} times: not accepted exactly once in {twice} of them (promised: 0)"


def _measure(pairs: dict[str, Pair]) -> dict[str, float]:
    """Seconds of this thread for one event, the least of many short rounds in which each has its turn: what disturbs, disturbs all."""
    best = dict.fromkeys(pairs, float("inf"))
    for _ in range(ROUNDS):
        for name, pair in pairs.items():
            began = time.thread_time()
            for _ in range(PAIRS):
                pair()
            best[name] = min(best[name], (time.thread_time() - began) / PAIRS / 2)
    return best


def _ours(payload: bool) -> Pair:
    machine = StateMachine("bench", initial=READY)

    def plain() -> None:
        machine.handle_event(E.TASK_START)
        machine.handle_event(E.TASK_COMPLETE)

    def loaded() -> None:
        machine.handle_event(E.TASK_START, {"phase": "SNAPSHOT"})
        machine.handle_event(E.TASK_COMPLETE, {"reason": "all is listed"})

    return loaded if payload else plain


class _Layers:
    """What a program around another library's machines holds: three layers, a phase, and a history of what happened."""

    lifecycle = "Active"
    operational = "Ready"
    health = "Healthy"
    phase: str | None = None

    def __init__(self) -> None:
        self.version = 0
        self.history: deque[tuple[int, int, str, str, str, dict[str, Any]]] = deque(maxlen=1000)

    def may_work(self, *_: object, **__: object) -> bool:
        return self.lifecycle == "Active" and self.health != "Critical"

    def note(self, **payload: Any) -> None:
        self.version += 1
        self.phase = payload.get("phase")
        self.history.append((self.version, time.time_ns(), self.lifecycle, self.operational, self.health, payload))


def _transitions(payload: bool) -> Pair:
    locked_machine: Any = import_module("transitions.extensions").LockedMachine
    layers: Any = _Layers()
    common = {"auto_transitions": False, "after_state_change": "note"}
    lifecycle = [["init", "Initializing", "Active"], ["fault_detected", "Active", "Recovering"], ["recovery", "Recovering", "Active"]]
    health = [["warn", "Healthy", "Warning"], ["clear", "Warning", "Healthy"], ["fault", ["Healthy", "Warning"], "Critical"]]
    tasks = (("task_start", "Ready", "Running"), ("task_complete", "Running", "Ready"), ("task_pause", "Running", "Paused"))
    operational = [{"trigger": row[0], "source": row[1], "dest": row[2], "conditions": "may_work"} for row in tasks]
    states = (
        ("lifecycle", ["Initializing", "Active", "Recovering"], lifecycle, "Active"),
        ("operational", ["Ready", "Running", "Paused"], operational, "Ready"),
        ("health", ["Healthy", "Warning", "Critical"], health, "Healthy"),
    )
    machines = [
        locked_machine(layers, states=names, transitions=rows, initial=first, model_attribute=layer, **common)
        for layer, names, rows, first in states
    ]

    def plain(_keep: object = machines) -> None:
        layers.task_start()
        layers.task_complete()

    def loaded(_keep: object = machines) -> None:
        layers.task_start(phase="SNAPSHOT")
        layers.task_complete(reason="all is listed")

    return loaded if payload else plain


def _python_statemachine(payload: bool) -> Pair:
    # Named at run time, like the other: the types of what may not be installed cannot be checked.
    statemachine: Any = import_module("statemachine")
    layers = _Layers()

    class Operational(statemachine.StateMachine):  # type: ignore[misc]
        ready = statemachine.State(initial=True)
        running = statemachine.State()
        paused = statemachine.State()
        task_start = ready.to(running, cond="may_work")
        task_complete = running.to(ready, cond="may_work")
        task_pause = running.to(paused, cond="may_work") | paused.to(ready, cond="may_work")

        may_work = staticmethod(layers.may_work)

        def after_transition(self, phase: str | None = None, reason: str | None = None) -> None:
            layers.note(phase=phase, reason=reason)

    # Its layers beside this one are plain attributes here: less work than three machines of it would be.
    machine: Any = Operational()

    def plain() -> None:
        machine.task_start()
        machine.task_complete()

    def loaded() -> None:
        machine.task_start(phase="SNAPSHOT")
        machine.task_complete(reason="all is listed")

    return loaded if payload else plain


def _races() -> Iterator[int]:
    """How many of the threads were accepted, race by race."""
    machine = StateMachine("bench", initial=READY)
    accepted: list[bool] = []
    begin, end = threading.Barrier(THREADS + 1), threading.Barrier(THREADS + 1)

    def race() -> None:
        for _ in range(RACES):
            begin.wait()
            accepted.append(bool(machine.try_event(E.TASK_START)))
            end.wait()

    threads = [threading.Thread(target=race) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for _ in range(RACES):
        begin.wait()
        end.wait()
        yield sum(accepted)
        accepted.clear()
        machine.handle_event(E.TASK_COMPLETE)
    for thread in threads:
        thread.join()
