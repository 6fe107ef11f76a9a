"""What the API needs from the rest of fusion. Everything here is called on the event loop and answers without waiting, except where
said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fustor_core.http.pipes import PipeView
from fustor_core.wire import Transition
from fustor_fusion.news import News
from fustor_fusion.stores import RootStore
from fustor_fusion.trust import LiveRoot


@dataclass(frozen=True, slots=True)
class SourcePath:
    """Where an agent has the source of a root. `boot` is its kernel's boot id: by it a client knows that it runs on the same host."""

    agent: str
    boot: str
    path: bytes


@dataclass(frozen=True, slots=True)
class RootFacts:
    """Who serves a root. `agents` are all that ever did, by name; `leader` lists it at the moment, by `pipe` (its id)."""

    agents: Sequence[str] = ()
    leader: str | None = None
    paths: Sequence[SourcePath] = ()
    pipe: str | None = None


class RootAccess(Protocol):
    """One root, as queries use it."""

    @property
    def store(self) -> RootStore: ...

    @property
    def news(self) -> News:
        """Told when something has changed in the store."""

    def live(self) -> LiveRoot:
        """What its sessions say at the moment."""

    def facts(self) -> RootFacts: ...

    def to_wall(self, stamp: int) -> int:
        """The wall-clock ns (UTC) of a stamp of this root's view clock. Called from any thread."""


class Roots(Protocol):
    """The roots that there are, also those whose agents are away."""

    def names(self) -> Sequence[str]:
        """In the same order every time."""

    def get(self, name: str) -> RootAccess | None: ...


class Pipes(Protocol):
    """All pipes: fusion's own, and those of every agent that ever reported."""

    def all(self) -> Sequence[PipeView]: ...

    def get(self, pipe: str) -> PipeView | None: ...

    def history(self, pipe: str) -> Sequence[Transition] | None:
        """Oldest first; None for a pipe that there is not."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as it is shown. `since` and `last_heard` are wall-clock ns; `acknowledged` is the highest sequence that is committed."""

    session: str
    agent: str
    pipe: str
    root: str
    role: str
    state: str
    since: int
    last_heard: int
    acknowledged: int
    remote: str


class Sessions(Protocol):
    """The sessions that stand."""

    def all(self) -> Sequence[SessionView]: ...


class Readiness(Protocol):
    """Whether fusion can do its work."""

    def __call__(self) -> tuple[bool, str]:
        """Ready or not, and why not."""
