"""Commands on their way to agents, and who waits to hear that they are done."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Final

from fustor_core.errors import Unreachable
from fustor_core.wire import Command, Done, Verb

ANSWER_WITHIN: Final = 10.0
"""Seconds in which an agent has recorded what is wanted of a pipe, or is not heard of any more."""

Send = Callable[[Command], Awaitable[None]]


class AgentAway(Unreachable):
    """The agent has no control connection, or lost it: whether a command reached it is not known."""


class Calls:
    """The control connections that stand, and the commands that are not answered yet."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lines: dict[str, tuple[object, Send]] = {}
        self._waiting: dict[str, dict[int, asyncio.Future[Done]]] = {}

    def connected(self, agent: str, connection: object, send: Send) -> None:
        """Commands for this agent go by `send` from here on."""
        self._lines[agent] = connection, send

    def gone(self, agent: str, connection: object) -> None:
        """The connection has ended; nothing that was asked on it will be answered. One that was replaced is forgotten already."""
        standing = self._lines.get(agent)
        if standing is None or standing[0] is not connection:
            return
        del self._lines[agent]
        for answer in self._waiting.pop(agent, {}).values():
            if not answer.done():
                answer.set_exception(AgentAway(f"agent {agent} went away before it answered: see whether it has done it when it is back"))

    def answered(self, agent: str, done: Done) -> None:
        """The agent has answered; nobody may be waiting any more."""
        answer = self._waiting.get(agent, {}).pop(done.number, None)
        if answer is not None and not answer.done():
            answer.set_result(done)

    async def command(
        self, agent: str, pipe: str, verb: Verb, *, reason: str, after_halt: bool, path: bytes = b"", shallow: bool = False
    ) -> Done:
        """What an agent answers to a command. Raises AgentAway."""
        line = self._lines.get(agent)
        if line is None:
            raise AgentAway(
                f"agent {agent} is not connected to fusion, so nothing was changed: try again when it is back, or ask it on its own host"
            )
        number = next(self._numbers)
        answer: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(agent, {})[number] = answer
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await line[1](Command(number, pipe, verb, path=path, reason=reason, after_halt=after_halt, shallow=shallow))
                return await answer
        except TimeoutError:
            raise AgentAway(f"agent {agent} did not answer within {ANSWER_WITHIN:.0f} s: it may do it later, or be stuck") from None
        finally:
            self._waiting.get(agent, {}).pop(number, None)
