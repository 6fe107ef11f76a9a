"""The sessions of one root: who may have one, who leads, what each still has to read again. Plain decisions; time is an argument."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from fustor_core.errors import Refused
from fustor_core.wire import SILENT_PULSES, Hello, Role
from fustor_fusion.sessions.clock_error import ClockError
from fustor_fusion.sessions.states import SessionEvent, SessionState, next_state
from fustor_fusion.sessions.writing import WritingTable
from fustor_fusion.stores import AgentRecord


@dataclass(slots=True)
class LiveSession:
    """One agent pipe connected to one root. Stamps are on the root's clock, `since` and `heard` wall-clock ns."""

    id: str
    hello: Hello
    slot: int
    role: Role
    since: int
    heard: int
    remote: str
    state: SessionState = SessionState.MEASURING
    frames: int = 0
    """How many frames were heard. Where this stands still for long nobody is there, whatever the connection says."""
    awaited: bool = True
    """Whether fusion listens to it at the moment: while its store is slow, it does not, and silence means nothing."""
    frames_counted: int = 0
    silent_pulses: int = 0
    sequence: int = 0
    low: int = 0
    clean_to: int = 0
    watching_since: int | None = None
    clock_error: ClockError = field(default_factory=ClockError)
    pending: tuple[bytes, ...] = ()
    folded: tuple[bytes, ...] = ()
    unwatched: tuple[bytes, ...] = ()
    unwatched_to: int = 0
    refused: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Paths of which evidence could not be used, with the number of the look that reads them again, and the stamp up to which they were
    known."""
    linked_to: int | None = None
    """Every change before this stamp is in the store also where it was made through another hard link; None while no other name of one
    waits to be looked at."""
    snapshot_began: int | None = None
    writing: WritingTable = field(default_factory=WritingTable)
    ask: Callable[[Sequence[bytes], Sequence[bytes], bool], Awaitable[None]] | None = None
    """Has the agent read paths, and list directories (with all below, if the last argument says so); done when that is committed."""
    stall: Callable[[str], None] | None = None
    """Tells the agent why nothing is committed at the moment, or with an empty text that something is again."""

    @property
    def vouched_to(self) -> int:
        """Every change before this stamp is committed, except below what is pending."""
        return self.clean_to if self.linked_to is None else min(self.clean_to, self.linked_to)

    @property
    def agent(self) -> str:
        return self.hello.agent

    @property
    def leads(self) -> bool:
        return self.role is Role.LEADER

    def stamp_error(self, now: int) -> int:
        """By how much (ns) a stamp may be off: its clock, and how old what the source tells may be."""
        return self.clock_error.at(now) + int(self.hello.staleness * 1e9)

    def step(self, event: SessionEvent) -> None:
        """Take a step of the table of states. Raises Refused where there is none."""
        self.state = next_state(self.state, event)

    @property
    def lost(self) -> bool:
        """Whether nothing was heard for so long that nobody can be there."""
        return self.silent_pulses >= SILENT_PULSES

    def pulse(self) -> None:
        """In the time of one ping, was anything heard?"""
        silent = self.awaited and self.frames == self.frames_counted
        self.silent_pulses = self.silent_pulses + 1 if silent else 0
        self.frames_counted = self.frames


@dataclass(frozen=True, slots=True)
class Admission:
    """What a new session is told, and the session that it takes the place of."""

    role: Role
    snapshot: bool
    why: str
    replaces: LiveSession | None


class Table:
    """The sessions that stand. A leader whose session ends keeps its part for `lease` seconds, so that a blink of the network changes
    nothing."""

    def __init__(self, lease: float) -> None:
        self._lease = int(lease * 1e9)
        self._sessions: dict[str, LiveSession] = {}
        self.leader: str | None = None
        self.leader_lost_at: int | None = None
        self._led_by: Hello | None = None
        self._ended: dict[int, tuple[int, int]] = {}

    def all(self) -> list[LiveSession]:
        return list(self._sessions.values())

    def of(self, agent: str) -> LiveSession | None:
        return next((session for session in self._sessions.values() if session.agent == agent), None)

    @property
    def leading(self) -> LiveSession | None:
        """The session of the leader; None while it is away."""
        return next((session for session in self._sessions.values() if session.leads), None)

    def rival(self, hello: Hello) -> LiveSession | None:
        """The session of another process that goes by the same id: whether that still lives has to be known before `hello` is answered."""
        standing = self.of(hello.agent)
        return standing if standing and standing.hello.run != hello.run else None

    def pulse(self) -> list[LiveSession]:
        """Each agent should have sent a ping since the last call; the sessions that are lost, though their connections stand.

        One that hangs would else keep leadership, and hold the drop mark, for ever. Calls are counted, and not seconds: a fusion that was
        stopped has not listened meanwhile, and nobody is lost by that.
        """
        for session in self._sessions.values():
            session.pulse()
        return [session for session in self._sessions.values() if session.lost]

    def admit(self, hello: Hello, record: AgentRecord | None, now: int, *, watched_by: str) -> Admission:
        """Whether, and how, an agent may have a session. Raises Refused."""
        standing = self.of(hello.agent)
        if self.rival(hello):
            raise Refused(
                f"an agent with the id {hello.agent} is connected already, as another process; give each agent an id of its own",
                code="agent-twice",
            )
        role = self._role_of(hello.agent, now)
        for other in self._compared(standing, role):
            if other.agent != hello.agent and other.excludes != hello.excludes:
                raise Refused(
                    f"the agents of root {hello.root} leave out different things: {_difference(hello, other)}; give both the same excludes",
                    code="excludes-differ",
                )
        snapshot, why = _wants_snapshot(hello, record, watched_by) if role is Role.LEADER else _has_forgotten(hello, record)
        return Admission(role, snapshot, why, standing)

    def _compared(self, standing: LiveSession | None, role: Role) -> list[Hello]:
        """What a new session must leave out, too. A leader that is away for less than its lease is not to find itself refused."""
        others = [session.hello for session in self._sessions.values() if session is not standing]
        return [*others, self._led_by] if self._led_by and role is Role.FOLLOWER else others

    def _role_of(self, agent: str, now: int) -> Role:
        lost = self.leader_lost_at
        free = self.leader is None or (lost is not None and now - lost > self._lease)
        return Role.LEADER if free or self.leader == agent else Role.FOLLOWER

    def add(self, session: LiveSession) -> None:
        """The session stands."""
        self._sessions[session.id] = session
        if session.leads:
            self._leads(session)

    def remove(self, session: LiveSession, now: int) -> None:
        """The session has ended."""
        if self._sessions.pop(session.id, None) is None:
            return
        session.step(SessionEvent.END)
        self._ended[session.slot] = session.stamp_error(now), now
        if session.leads:
            self.leader_lost_at = now

    def promote(self, now: int, can_lead: Callable[[LiveSession], bool] = lambda session: True) -> LiveSession | None:
        """The session that takes over from a leader that was away for longer than its lease; None if there is no need, or nobody who
        can."""
        lost = self.leader_lost_at
        if lost is None or now - lost <= self._lease:
            return None
        following = min(filter(can_lead, self._sessions.values()), key=lambda session: session.since, default=None)
        if following:
            following.role = Role.LEADER
            self._leads(following)
        return following

    def _leads(self, session: LiveSession) -> None:
        self.leader, self.leader_lost_at, self._led_by = session.agent, None, session.hello

    def stamp_errors(self, now: int) -> dict[int, int]:
        """By slot, how far (ns) the stamps of each session may be off; empty where there is nobody to contradict. A session that has ended
        counts for as long as what it said last may contradict what comes now."""
        errors = {session.slot: session.stamp_error(now) for session in self._sessions.values()}
        largest = max(errors.values(), default=0)
        for slot, (error, ended) in list(self._ended.items()):
            if now - ended > 2 * (error + largest):
                del self._ended[slot]
            else:
                errors.setdefault(slot, error)
        return errors if len(errors) > 1 else {}

    def lowest(self) -> int:
        """No session will bring evidence at or below this; 0 while nobody says so. Called from the writing thread, too."""
        return min((session.low for session in self.all()), default=0)


def _wants_snapshot(hello: Hello, record: AgentRecord | None, watched_by: str) -> tuple[bool, str]:
    if record is None or not record.run:
        return True, "fusion knows nothing of this root from this agent"
    if record.run != hello.run:
        return True, "the agent was started anew, so nobody watched in between"
    if (forgotten := _has_forgotten(hello, record))[0]:
        return forgotten
    if watched_by != hello.agent:
        return True, "another agent led before"
    return False, ""


def _has_forgotten(hello: Hello, record: AgentRecord | None) -> tuple[bool, str]:
    """Whether a snapshot is wanted of a follower, too: what it alone has told may be what is missing."""
    if not hello.session or (record and record.session == hello.session and record.sequence >= hello.sequence):
        return False, ""
    return True, "fusion does not have all that it acknowledged (it was restored or lost power)"


def _difference(one: Hello, other: Hello) -> str:
    apart = set(one.excludes) ^ set(other.excludes)
    if not apart:
        return f"{one.agent} and {other.agent} have the same patterns in another order"
    return f"{_words(apart)} is left out by only one of {one.agent} and {other.agent}"


def _words(patterns: Iterable[str]) -> str:
    return ", ".join(repr(pattern) for pattern in sorted(patterns))
