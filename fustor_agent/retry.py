"""The one policy of trying again: jittered, exponential, capped. Only what is `Unreachable` is tried again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from fustor_core.errors import Unreachable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """Wait a random time of up to `first` seconds, doubling up to `most`, and begin anew after each success; give up after `attempts`
    (None: never). What the other side has asked for (`Unreachable.retry_after`) comes on top."""

    first: float
    most: float
    attempts: int | None = None

    def pause(self, fruitless: int) -> float:
        """How long to wait before the next attempt, after so many in a row that came to nothing though they began well."""
        return random.uniform(0, min(self.first * 2 ** min(fruitless, 32), self.most))

    async def until_done(
        self,
        call: Callable[[], Awaitable[T]],
        failed: Callable[[Unreachable], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> T:
        """What `call` returns at last. `failed` hears of each failure; the last one is raised when the attempts are used up."""

        def heard(state: tenacity.RetryCallState) -> None:
            if state.outcome is not None and isinstance(error := state.outcome.exception(), Unreachable):
                failed(error)

        jitter = tenacity.wait_random_exponential(multiplier=self.first, max=self.most)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            return jitter(state) + (error.retry_after if isinstance(error, Unreachable) else 0.0)

        policy = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Unreachable),
            wait=wait,
            stop=tenacity.stop_never if self.attempts is None else tenacity.stop_after_attempt(self.attempts),
            after=heard,
            sleep=sleep,
            reraise=True,
        )
        return await policy(call)
