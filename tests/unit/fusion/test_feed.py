"""The feed of what happens to pipes: numbered, bounded, and read by each at a pace of its own."""

import asyncio
from collections.abc import Callable

from fustor_core.http.metering import PipeMeter
from fustor_core.wire import Transition
from fustor_fusion.feed import Feed


def numbers(feed: Feed, after: int) -> list[int]:
    return [item.number for item in feed.after(after)]


def test_items_are_numbered_and_the_oldest_go() -> None:
    feed = Feed("run", size=3)
    assert numbers(feed, 0) == []
    for _ in range(5):
        feed.add("transition", b"{}")
    assert (feed.last, feed.lost) == (5, 2)
    assert numbers(feed, 0) == numbers(feed, 2) == [3, 4, 5]
    assert numbers(feed, 4) == [5]
    assert numbers(feed, 5) == []
    assert [item.number for item in feed.after(0, limit=2)] == [3, 4]


async def test_whoever_waits_is_woken_by_what_comes_and_by_the_end() -> None:
    feed = Feed("run")
    wakes: list[Callable[[], None]] = [lambda: feed.add("transition", b"{}"), feed.end]
    for wake in wakes:
        waiting = asyncio.create_task(feed.wait(feed.last, 30))
        await asyncio.sleep(0)
        assert not waiting.done()
        wake()
        await asyncio.wait_for(waiting, 5)
    await feed.wait(feed.last, 30)


def row(version: int, at: int, value: int, *events: str) -> Transition:
    return Transition(version, at * 10**9, list(events), value, "", "", "", "")


def test_a_meter_counts_events_times_and_reconnects() -> None:
    meter = PipeMeter()
    for one in (row(0, 0, 0), row(1, 1, 66, "START"), row(2, 4, 258, "FAULT_DETECTED", "WARN"), row(3, 5, 66, "RECOVERY_SUCCESS")):
        meter.take(one)
    assert meter.transitions == {"START": 1, "FAULT_DETECTED": 1, "WARN": 1, "RECOVERY_SUCCESS": 1}
    assert meter.reconnects == 1
    assert meter.seconds(7 * 10**9) == {"STOPPED": 1.0, "RUNNING | MESSAGE_SYNC": 5.0, "RUNNING | RECONNECTING": 1.0}
    assert meter.seconds(None)["RUNNING | MESSAGE_SYNC"] == 3.0
    meter.take(row(4, 8, 258, "FAULT_DETECTED"))
    assert meter.reconnects == 1
    meter.take(row(5, 9, 4, "RECOVERY_SUCCESS"))
    assert meter.reconnects == 2, "a pipe that is held was found again too"
    meter.take(row(6, 10, 258, "FAULT_DETECTED"))
    meter.take(row(7, 11, 1024, "RECOVERY_FAILED"))
    assert meter.reconnects == 2
