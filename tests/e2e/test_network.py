"""What networks do to connections, under load: at rest view and disk agree, no answer has claimed too much, and one session is left."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from fustor_core.testing.proxy import FAIR, Weather
from tests.e2e.at_rest import check_at_rest
from tests.e2e.between import Between, between
from tests.e2e.counts import FULL, count, seed
from tests.e2e.storm import rage
from tests.e2e.system import System
from tests.e2e.witness import Witness
from tests.polling import eventually

SECONDS = count("FAULT_SECONDS", 1)

BAD = [
    pytest.param(Weather(reset=0.01), id="one frame in a hundred is reset"),
    pytest.param(Weather(half_open=0.01), id="half-open"),
    pytest.param(Weather(latency=0.5), id="half a second of latency"),
    pytest.param(Weather(cut=0.02, duplicate=0.5), id="cut in mid-frame, and come twice", marks=FULL),
    pytest.param(Weather(bandwidth=200_000, latency=0.02), id="a line of 200 kB/s", marks=FULL),
]


def sessions(system: System) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = system.get("/v1/sessions")["data"]
    return answer


def under_load(system: System, between: Between, number: int, trouble: Callable[[Between], None]) -> None:
    """A storm of changes while there is `trouble` again and again, until the seconds are over; then all is well, and has to be right."""
    linked: set[int] = set()
    (system.root / "storm").mkdir()
    with Witness(system) as witness:
        until, turn = time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            trouble(between)
            linked |= rage(system.root / "storm", system.directory / "outside", number + turn, processes=2, operations=150)
            turn += 1
        between.do(lambda proxy: setattr(proxy, "weather", FAIR))
    check_at_rest(system, linked)
    eventually(lambda: [each["pipe"] for each in sessions(system)] == [system.pipe], what="one session is left")
    eventually(lambda: system.state() == "RUNNING | MESSAGE_SYNC")
    witness.check()


@pytest.mark.parametrize("weather", BAD)
def test_bad_weather(system: System, weather: Weather) -> None:
    number = seed()
    with between(system, number) as proxy:
        system.start()
        system.wait_complete()
        under_load(system, proxy, number, lambda it: it.do(lambda proxy: setattr(proxy, "weather", weather)))


def test_cut_again_and_again(system: System) -> None:
    number = seed()
    with between(system, number) as proxy:
        system.start()
        system.wait_complete()
        under_load(system, proxy, number, lambda it: it.do(lambda proxy: proxy.cut()))
        assert proxy.do(lambda proxy: proxy.accepted) > 3


def test_a_blackhole_of_three_heartbeats(system: System) -> None:
    """It is seen at both ends while it lasts: the pipe shows no phase, and fusion knows nothing of it any more."""
    number = seed()
    with between(system, number) as proxy:
        system.start()
        system.wait_complete()

        def swallow(it: Between) -> None:
            it.do(lambda proxy: setattr(proxy, "weather", Weather(blackhole=True)))
            eventually(lambda: system.states(port=system.agent_port)[-1] == "RUNNING | RECONNECTING", what="the agent notices")
            eventually(lambda: system.state() == "UNKNOWN", what="fusion notices")
            (system.root / "storm" / f"during {time.monotonic_ns()}").write_bytes(b"x")
            it.do(lambda proxy: setattr(proxy, "weather", FAIR))

        under_load(system, proxy, number, swallow)
