"""The control connection: one per agent and fusion, for the states, heartbeats and commands of all its pipes, also of those that are
stopped."""

import asyncio
import logging
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

from fustor_agent.intent import NothingThere, NotPossible
from fustor_agent.pipe import AgentPipe
from fustor_agent.retry import Retry
from fustor_agent.senders import Control, Sender
from fustor_core.clock import boottime
from fustor_core.errors import ConfigurationError, Refused, SessionLost, StoreUnavailable, Unreachable
from fustor_core.http.acting import NO_SUCH_PATH
from fustor_core.rows import to_row
from fustor_core.supervision import all_running, weightiest
from fustor_core.wire import Command, Done, Heartbeat, HeartbeatEcho, HelloAgent, States

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 500
UNANSWERED = 5
"""A fusion that lets so many heartbeats pass without a frame is lost. Beats are counted, and not seconds: while this process is stopped,
none is missed."""


class ControlLink:
    """Keeps fusion informed for as long as it runs, over as many connections as that takes."""

    def __init__(self, hello: HelloAgent, sender: Sender, retry: Retry, pipes: Mapping[str, AgentPipe]) -> None:
        self._hello = hello
        self._sender = sender
        self._retry = retry
        self._pipes = pipes
        self._told: dict[str, int] = {}
        self._news = asyncio.Event()
        self._unanswered = 0
        self._heard = False
        self.stood = False
        """Whether fusion has ever taken this connection."""
        self._apart_at = 0.0
        """When fusion was last known not to take this connection (seconds of the event loop)."""

    async def run(self) -> None:
        """Connect, again and again, until cancelled."""
        fruitless = 0
        while True:
            rest, self._heard = 0.0, False
            try:
                # Once it stands, the next retries begin anew.
                async with AsyncExitStack() as stack:
                    await self._serve(await self._retry.until_done(partial(self._open, stack), lambda error: None))
            except Unreachable as error:
                log.debug("control connection lost: %s", error)
                rest = error.retry_after
            except (Refused, ConfigurationError) as error:
                # The pipes go on without it; whoever corrects fusion's side need not start the agent anew.
                log.error("fusion does not take the control connection: %s", error)
                rest = self._retry.most
            self._apart_at = asyncio.get_running_loop().time()
            fruitless = 0 if self._heard else fruitless + 1
            await asyncio.sleep(rest + self._retry.pause(fruitless))

    async def _open(self, stack: AsyncExitStack) -> Control:
        return await stack.enter_async_context(self._sender.control(self._hello))

    def died(self, error: BaseException) -> None:
        """`run` has ended by mistake; whoever started it starts it again."""
        log.error("the control connection has crashed", exc_info=error)

    async def tell_last(self) -> None:
        """Wait until fusion has been told of every transition so far."""
        while any(pipe.machine.snapshot.version > self._told.get(name, -1) for name, pipe in self._pipes.items()):
            self._news.set()
            await asyncio.sleep(0.01)

    async def _serve(self, control: Control) -> None:
        welcome = control.welcome
        self.stood = True
        self._told = {name: welcome.known.get(name, -1) for name in self._pipes}
        for pipe in self._pipes.values():
            pipe.fusion_is_back(self._apart_at)
        try:
            await all_running(self._tell(control), self._beat(control, welcome.heartbeat_every), self._obey(control))
        except BaseExceptionGroup as caught:
            # Whatever ended it, the next connection takes over where this one stood.
            raise weightiest(caught) from caught

    async def _tell(self, control: Control) -> None:
        loop = asyncio.get_running_loop()
        ends = [pipe.machine.subscribe(lambda _: loop.call_soon_threadsafe(self._news.set)) for pipe in self._pipes.values()]
        try:
            while True:
                self._news.clear()
                for name, pipe in self._pipes.items():
                    await self._tell_of(control, name, pipe)
                await self._news.wait()
        finally:
            for end in ends:
                end()

    async def _tell_of(self, control: Control, name: str, pipe: AgentPipe) -> None:
        while rows := [to_row(change) for change in pipe.machine.history() if change.version > self._told[name]][:ROWS_AT_ONCE]:
            await control.send(States(name, pipe.machine.run, rows))
            self._told[name] = rows[-1].version

    async def _beat(self, control: Control, every: float) -> None:
        self._unanswered = 0
        while True:
            if self._unanswered >= UNANSWERED:
                raise SessionLost(f"fusion has not answered {self._unanswered} heartbeats")
            self._unanswered += 1
            try:
                async with asyncio.timeout(every * UNANSWERED):
                    await control.send(self._heartbeat())
            except TimeoutError:
                raise SessionLost("fusion takes nothing any more") from None
            # Jittered, so that a thousand agents that were cut off together do not beat together.
            await asyncio.sleep(every * random.uniform(0.9, 1.1))

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(boottime(), {name: pipe.report() for name, pipe in self._pipes.items()})

    async def _obey(self, control: Control) -> None:
        # Each in a task of its own: a halt must not wait for what a slow disk has yet to record.
        async with asyncio.TaskGroup() as group:
            while True:
                frame = await control.receive()
                self._unanswered, self._heard = 0, True
                match frame:
                    case Command():
                        group.create_task(self._carry_out(control, frame))
                    case HeartbeatEcho():
                        pass
                    case _:
                        raise SessionLost(f"fusion sent {type(frame).__name__} in the middle of a control connection")

    async def _carry_out(self, control: Control, command: Command) -> None:
        done = Done(command.number)
        pipe = self._pipes.get(command.pipe)
        if pipe is None:
            done = Done(command.number, f"this agent has no pipe {command.pipe!r}", "no-such-pipe")
        else:
            try:
                await pipe.act(
                    command.verb,
                    reason=command.reason,
                    after_halt=command.after_halt,
                    path=command.path,
                    shallow=command.shallow,
                )
            except NotPossible as error:
                done = Done(command.number, str(error), "not-possible", list(error.allowed))
            except NothingThere as error:
                done = Done(command.number, str(error), NO_SUCH_PATH)
            except StoreUnavailable as error:
                done = Done(command.number, str(error), "not-recorded")
        # What is wanted now is known to fusion before it hears that it is done.
        await control.send(self._heartbeat())
        await control.send(done)
