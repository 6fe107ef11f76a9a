"""The port to fusion, as an agent sees it: connections that carry frames, in order, or end with an error that says who must act."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fustor_core.wire import AgentControl, AgentSession, FusionControl, FusionSession, Hello, HelloAgent, Welcome, WelcomeAgent


class Session(Protocol):
    """One session that stands. Every method raises SessionLost when it does no longer, and Refused when fusion ended it for a reason of
    ours."""

    @property
    def welcome(self) -> Welcome: ...

    @property
    def sent(self) -> int:
        """Bytes of the frames that were sent so far, before they were compressed."""

    async def send(self, frame: AgentSession) -> None: ...

    async def receive(self) -> FusionSession: ...


class Control(Protocol):
    """One control connection that stands; errors as for a session."""

    @property
    def welcome(self) -> WelcomeAgent: ...

    async def send(self, frame: AgentControl) -> None: ...

    async def receive(self) -> FusionControl: ...


class Sender(Protocol):
    """How to reach one fusion. Opening raises Unreachable where it is worth trying again, else Refused or ConfigurationError."""

    def session(self, hello: Hello) -> AbstractAsyncContextManager[Session]: ...

    def control(self, hello: HelloAgent) -> AbstractAsyncContextManager[Control]: ...

    @property
    def target(self) -> str:
        """Where fusion is, for people."""
