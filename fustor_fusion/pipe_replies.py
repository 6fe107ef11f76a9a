"""What fusion answers over HTTP about pipes and sessions, as typed values. Pure."""

from msgspec import Struct

from fustor_fusion.replies import Condition


class Pipe(Struct, frozen=True):
    """One pipe: what it does (three layers and their bitmask), what it should do (`desired`), and how it is."""

    id: str
    side: str
    pipe_state: str
    value: int | None
    lifecycle: str
    operational: str
    health: str
    desired: str
    conditions: list[Condition]
    phase: str
    since: str
    version: int
    last_heartbeat: str | None
    counters: dict[str, int]
    root: str = ""


class HistoryRow(Struct, frozen=True):
    """One atomic step of a pipe, and the state after it."""

    version: int
    at: str
    events: list[str]
    pipe_state: str
    value: int
    lifecycle: str
    operational: str
    health: str
    reason: str


class Session(Struct, frozen=True):
    """One agent pipe connected to fusion. `acknowledged`: the highest sequence that is committed."""

    session: str
    agent: str
    pipe: str
    root: str
    role: str
    state: str
    since: str
    last_heard: str
    acknowledged: int
    remote: str


class Agent(Struct, frozen=True):
    """An agent that fusion knows. `clock_error` (s): how far its idea of the view clock may be off."""

    agent: str
    version: str
    connected: bool
    clock_error: float | None


class Host(Struct, frozen=True):
    """Fusion as a process. `now` is the wall clock of its host; `free` and `size` (bytes) are those of the disk with its data."""

    version: str
    now: str
    data: str
    free: int | None
    size: int | None
    agents: list[Agent]
