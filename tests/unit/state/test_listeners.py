"""Listeners hear every step once, in order, and disturb nobody."""

import logging
import threading
from collections.abc import Callable

import pytest

from fustor_core.state import EventType, StateMachine, Transition

E = EventType


@pytest.fixture
def machine() -> StateMachine:
    return StateMachine("nas-1:research")


def test_they_hear_every_step_from_when_they_subscribed(machine: StateMachine) -> None:
    early: list[Transition] = []
    late: list[Transition] = []
    machine.subscribe(early.append)
    machine.handle_event(E.START)
    machine.subscribe(late.append)
    machine.handle_event(E.INIT_SUCCESS)
    machine.try_event(E.START)
    assert tuple(early) == machine.history()[1:]
    assert tuple(late) == machine.history()[2:]


def test_one_that_raises_is_logged_and_counted_and_disturbs_nobody(machine: StateMachine, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    def fails(change: Transition) -> None:
        raise ZeroDivisionError("ouch")

    machine.subscribe(fails)
    machine.subscribe(lambda change: heard.append(change.version))
    with caplog.at_level(logging.ERROR):
        assert machine.handle_event(E.START).version == 1
    machine.handle_event(E.INIT_SUCCESS)
    assert heard == [1, 2]
    assert machine.listener_failures == 2
    assert {record.__dict__["pipe"] for record in caplog.records} == {"nas-1:research"}
    assert "ZeroDivisionError: ouch" in caplog.text


def test_an_event_sent_by_a_listener_commits_at_once_and_its_notice_follows(machine: StateMachine) -> None:
    heard: list[tuple[str, int]] = []

    def goes_on(change: Transition) -> None:
        heard.append(("first", change.version))
        if change.version == 1:
            assert machine.handle_event(E.INIT_SUCCESS).version == 2
            assert machine.snapshot.version == 2
            assert heard == [("first", 1)]

    machine.subscribe(goes_on)
    machine.subscribe(lambda change: heard.append(("second", change.version)))
    machine.handle_event(E.START)
    assert heard == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]


def test_after_unsubscribing_nothing_is_heard_not_even_what_waits(machine: StateMachine) -> None:
    heard: list[int] = []
    unsubscribe = machine.subscribe(lambda change: heard.append(change.version))

    def ends_it(change: Transition) -> None:
        if change.version == 1:
            machine.handle_event(E.INIT_SUCCESS)
            unsubscribe()

    machine.subscribe(ends_it)
    machine.handle_event(E.START)
    unsubscribe()
    machine.handle_event(E.SET_READY)
    assert heard == [1]


def test_one_may_subscribe_another_which_hears_what_comes_after(machine: StateMachine) -> None:
    heard: list[int] = []
    ends: list[Callable[[], None]] = []

    def brings_another(change: Transition) -> None:
        machine.subscribe(lambda change: heard.append(change.version))
        ends[0]()

    ends.append(machine.subscribe(brings_another))
    machine.handle_event(E.START)
    machine.handle_event(E.INIT_SUCCESS)
    machine.handle_event(E.SET_READY)
    assert heard == [2, 3]


def test_one_listener_may_subscribe_twice_and_end_each_alone(machine: StateMachine) -> None:
    heard: list[Transition] = []
    machine.subscribe(heard.append)
    machine.subscribe(heard.append)()
    machine.handle_event(E.START)
    assert len(heard) == 1


def test_one_may_wait_for_another_thread_that_sends_an_event(machine: StateMachine) -> None:
    heard: list[int] = []

    def waits(change: Transition) -> None:
        heard.append(change.version)
        if change.version == 1:
            other = threading.Thread(target=machine.handle_event, args=(E.INIT_SUCCESS,))
            other.start()
            other.join(timeout=30)
            assert not other.is_alive()
            assert machine.snapshot.version == 2

    machine.subscribe(waits)
    machine.handle_event(E.START)
    assert heard == [1, 2]
    assert machine.listener_failures == 0


def test_a_listener_that_hangs_holds_up_notices_but_no_event(machine: StateMachine) -> None:
    let_go, hangs = threading.Event(), threading.Event()
    heard: list[int] = []

    def slow(change: Transition) -> None:
        heard.append(change.version)
        hangs.set()
        assert let_go.wait(timeout=30)

    machine.subscribe(slow)
    captured = threading.Thread(target=machine.handle_event, args=(E.START,))
    captured.start()
    assert hangs.wait(timeout=30)
    machine.handle_event(E.INIT_SUCCESS)
    machine.handle_event(E.EMERGENCY_STOP)
    assert (machine.snapshot.version, heard) == (3, [1])
    let_go.set()
    captured.join(timeout=30)
    assert heard == [1, 2, 3]


def test_a_listener_that_ends_the_thread_leaves_the_next_notice_to_the_next_event(machine: StateMachine) -> None:
    heard: list[int] = []

    def leaves(change: Transition) -> None:
        if change.version == 1:
            machine.handle_event(E.INIT_SUCCESS)
            raise KeyboardInterrupt

    machine.subscribe(leaves)
    machine.subscribe(lambda change: heard.append(change.version))
    with pytest.raises(KeyboardInterrupt):
        machine.handle_event(E.START)
    machine.handle_event(E.SET_READY)
    assert heard == [2, 3]
