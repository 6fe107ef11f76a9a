"""The one policy of trying again; no test waits."""

import pytest

from fustor_agent.retry import Retry
from fustor_core.errors import Refused, SessionLost, Unreachable


class Tries:
    """A call that fails with what it is given, in turn, and then succeeds; and a sleep that takes no time."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.slept: list[float] = []
        self.heard: list[Unreachable] = []

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def run(self, retry: Retry) -> str:
        return await retry.until_done(self, self.heard.append, self.sleep)


async def test_waits_double_up_to_the_most_and_are_jittered() -> None:
    longest = [0.0] * 12
    for _ in range(200):
        tries = Tries(*(Unreachable("no") for _ in range(12)))
        assert await tries.run(Retry(0.25, 30.0)) == "done"
        assert len(tries.heard) == 12
        longest = [max(pair) for pair in zip(longest, tries.slept, strict=True)]
    for number, seconds in enumerate(longest):
        bound = min(0.25 * 2**number, 30.0)
        assert bound / 2 < seconds <= bound


async def test_attempts_that_are_used_up_raise_the_last_error() -> None:
    tries = Tries(*(Unreachable(str(number)) for number in range(10)))
    with pytest.raises(Unreachable, match="2"):
        await tries.run(Retry(0.1, 1.0, attempts=3))
    assert tries.calls == 3


async def test_only_what_is_unreachable_is_tried_again() -> None:
    tries = Tries(Refused("no"))
    with pytest.raises(Refused):
        await tries.run(Retry(0.1, 1.0))
    assert (tries.calls, tries.slept) == (1, [])


async def test_whoever_is_told_when_to_come_back_does_not_come_before() -> None:
    tries = Tries(SessionLost("fusion is stopping", retry_after=5.0), Unreachable("not up yet"))
    assert await tries.run(Retry(0.1, 1.0)) == "done"
    assert 5.0 <= tries.slept[0] <= 5.1
    assert tries.slept[1] <= 0.2
