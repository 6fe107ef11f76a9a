"""What is remembered of payloads changes nothing: each is read as if it were the first."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fustor_core.state import EventType, StateMachine
from fustor_core.state.orders import Request, Unreadable, read, read_all

E = EventType

keys = st.sampled_from(["reason", "phase", "held", "partial", "requested", "targets", "health", "unknown"])
values = st.sampled_from(
    [None, True, False, 0, 1, 1.0, "", " ", "x", "SNAPSHOT", "MESSAGE", "AUDIT", "Warning", {"health": "Warning"}, ["x"]]
)


@given(st.sampled_from(EventType), st.dictionaries(keys, values, max_size=3))
@settings(max_examples=1000, deadline=None)
def test_every_payload_is_read_as_if_it_were_the_first(event: EventType, payload: dict[str, Any]) -> None:
    first = read_all(((event, payload),))
    for _ in range(2):
        again = read(event, dict(payload))
        assert again == first
        assert told(again) == told(first)


def told(read: Request | Unreadable) -> list[str]:
    """What was read, in words: equal is not enough, for True equals 1. In which order a payload has its keys means nothing."""
    payloads = [sorted(map(repr, payload.items())) if isinstance(payload, Mapping) else repr(payload) for _, payload in read.events]
    return [repr(read._replace(events=())), repr(payloads)]


@pytest.mark.parametrize(("event", "key"), [(E.TASK_PAUSE, "held"), (E.RECOVER, "partial"), (E.RECOVERY_FAILED, "requested")])
def test_a_number_is_no_answer_though_it_equals_one(event: EventType, key: str) -> None:
    assert not isinstance(read(event, {key: True}), Unreadable)
    assert isinstance(read(event, {key: 1}), Unreadable)


def test_two_records_of_one_shape_do_not_share_what_the_caller_holds() -> None:
    machine = StateMachine("a:b")
    payload = {"reason": "first"}
    machine.handle_event(E.INTERRUPT, payload)
    payload["reason"] = "second"
    machine.handle_event(E.INTERRUPT, payload)
    assert [row.reason for row in machine.history()[1:]] == ["first", "second"]
    assert [row.events[0][1] for row in machine.history()[1:]] == [{"reason": "first"}, {"reason": "second"}]
