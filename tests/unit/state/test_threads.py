"""Many threads, one machine: no step taken twice, no gap, nothing illegal ever seen."""

import random
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from fustor_core.state import (
    EventType,
    HealthState,
    InvalidTransitionError,
    LifecycleState,
    MachineState,
    OperationalState,
    StateMachine,
    Transition,
    steps,
)
from tests.unit.state import expected
from tests.unit.state.test_pipe_state import LEGAL

L, O, H, E = LifecycleState, OperationalState, HealthState, EventType  # noqa: E741


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def together(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in so many threads; what one of them raises, the test raises."""
    raised: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        # Supervision: a thread's failure must fail the test, whatever it is.
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()
    if raised:
        raise raised[0]


def test_ten_threads_send_task_start_a_thousand_times_and_one_wins_each() -> None:
    rounds = 1000
    machine = StateMachine("a:b", initial=MachineState(L.ACTIVE, O.READY, H.HEALTHY), history_size=3 * rounds, refusals_size=10 * rounds)
    won: list[Transition] = []
    lost: list[InvalidTransitionError] = []

    def next_round() -> None:
        assert (len(won), len(lost)) == (1, 9)
        assert all(error.already for error in lost)
        won.clear()
        lost.clear()
        before = machine.handle_event(E.TASK_COMPLETE).version
        assert before % 2 == 0

    begin, end = threading.Barrier(10, timeout=60), threading.Barrier(10, action=next_round, timeout=60)

    def work(_: int) -> None:
        for _ in range(rounds):
            begin.wait()
            try:
                won.append(machine.handle_event(E.TASK_START))
            except InvalidTransitionError as error:
                lost.append(error)
            end.wait()

    together(10, work)
    assert machine.snapshot.version == 2 * rounds
    assert len(machine.refusals()) == 9 * rounds


def test_eight_threads_send_random_events_while_others_read() -> None:
    total, writers = 100_000, 8
    machine = StateMachine("a:b", history_size=total + 1)
    heard: list[int] = []
    machine.subscribe(lambda change: heard.append(change.version))
    accepted = [0] * writers
    done = threading.Event()
    writing = threading.Barrier(writers, action=done.set, timeout=120)

    def write(number: int) -> None:
        choose = random.Random(number)
        asks = [(E(event), payload) for event, payload in expected.ASKS]
        # Events that lead on are sent more often, else most of the time would be spent Offline.
        asks += [(E(event), None) for event in ("START", "INIT_SUCCESS", "SET_READY", "TASK_START", "RECOVER", "RECOVERY_SUCCESS")] * 3
        for event, payload in choose.choices(asks, k=total // writers):
            accepted[number] += bool(machine.try_event(event, payload))
        writing.wait()

    def read() -> None:
        version = 0
        while not done.is_set():
            snapshot = machine.snapshot
            assert snapshot.version >= version
            version = snapshot.version
            triple = (snapshot.lifecycle.value, snapshot.operational.value, snapshot.health.value)
            assert triple in expected.LEGAL_TRIPLES
            assert int(snapshot.pipe_state) in LEGAL
            assert snapshot.pipe_state == expected.seen(expected.words(snapshot.state))

    together(writers + 2, lambda number: write(number) if number < writers else read())

    history = machine.history()
    assert machine.snapshot.version == sum(accepted)
    assert [row.version for row in history] == list(range(sum(accepted) + 1))
    assert heard == list(range(1, sum(accepted) + 1))
    state = history[0].after
    for row in history[1:]:
        assert row.before == state
        state = steps(state, row.events)
        assert row.after == state
    assert machine.snapshot.state == state


def test_the_history_can_be_read_while_it_grows() -> None:
    machine = StateMachine("a:b", history_size=100)
    done = threading.Event()

    def write() -> None:
        for _ in range(5000):
            machine.handle_event(E.INTERRUPT)
        done.set()

    def read() -> None:
        while not done.is_set():
            version = machine.snapshot.version
            rows = [row.version for row in machine.history()]
            assert rows == list(range(rows[0], rows[0] + len(rows)))
            assert rows[-1] >= version

    together(3, lambda number: write() if number == 0 else read())
    assert len(machine.history()) == 100


def test_a_cascade_is_never_seen_half_way() -> None:
    machine = StateMachine("a:b", initial=MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY, sync="MESSAGE"))
    done = threading.Event()
    seen: set[MachineState] = set()
    there = [(E.FAULT, None), (E.RECOVER, None), (E.RECOVERY_SUCCESS, None), (E.TASK_RESET, None), (E.SET_READY, None)]
    back = [(E.TASK_START, {"phase": "MESSAGE"})]

    def write() -> None:
        for _ in range(3000):
            machine.handle_events(there)
            machine.handle_events(back)
        done.set()

    def read() -> None:
        while not done.is_set():
            seen.add(machine.snapshot.state)

    together(3, lambda number: write() if number == 0 else read())
    assert seen <= {MachineState(L.ACTIVE, O.READY, H.HEALTHY), MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY, sync="MESSAGE")}


def test_locks_set_and_taken_by_threads_let_nothing_slip_through() -> None:
    machine = StateMachine("a:b", initial=MachineState(L.ACTIVE, O.RUNNING, H.HEALTHY))
    seen: list[tuple[int, ...]] = []

    def work(number: int) -> None:
        if number == 0:
            for _ in range(300):
                machine.lock("health", owner="test", reason="still")
                seen.append(tuple({machine.snapshot.version for _ in range(50)}))
                machine.unlock("health", owner="test")
        else:
            for _ in range(1000):
                machine.try_event(E.WARN)
                machine.try_event(E.CLEAR_WARNING)

    together(5, work)
    assert len(seen) == 300
    assert all(len(versions) == 1 for versions in seen)
    assert machine.snapshot.version > 0
