"""Hosts that were booted hours apart and whose clocks drift: no sequence of reads and round trips confuses the merge.

Time is simulated. Two agents look at one file that changes. The clocks, offsets and stamps are the real ones, and so are the merge, its
doubts and the questions to the leader.
"""

from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from fustor_core.clock import Offset, Stamper, ViewClock
from fustor_core.evidence import Entry, Evidence, Gone, Seen
from fustor_core.wire import Identity, Via
from fustor_fusion.sessions.clock_error import ClockError
from fustor_fusion.sessions.contradictions import Contradictions
from fustor_fusion.stores import Contribution
from fustor_fusion.stores.memory import MemoryStore

MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND
PULSE = SECOND // 2
FILE = b"f"


class Host:
    """A machine whose CLOCK_BOOTTIME is at `booted` when the simulation begins, and runs `drift` ppm too fast."""

    def __init__(self, world: "World", booted: int, drift: int) -> None:
        self._world = world
        self._booted = booted
        self._drift = drift

    def boottime(self) -> int:
        return self._booted + self._world.time + self._world.time * self._drift // 1_000_000


@dataclass
class World:
    """True time, fusion, and the file: its content, None where there is none."""

    time: int = 0
    content: int | None = None
    store: MemoryStore = field(default_factory=MemoryStore)
    contradictions: Contradictions = field(default_factory=Contradictions)
    clock: ViewClock = field(init=False)
    agents: "list[Agent]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = self.new_clock()

    def new_clock(self) -> ViewClock:
        """Fusion starts, on a wall clock that nobody has set."""
        with self.store.reading() as reading:
            high_water = reading.record().high_water
        return ViewClock("c", high_water, lambda: self.time, lambda: 0)

    def view(self) -> int | None:
        with self.store.reading() as reading:
            found = reading.find(FILE)
        return None if found is None or found.entry is None else found.entry.size

    def settle(self, leader: "Agent") -> int:
        """The leader looks at what is in doubt, as soon as it may; how often it was asked."""
        asked = 0
        while self.contradictions.standing:
            now = self.clock.now()
            if self.contradictions.ask(now - leader.stamp_error(now)):
                asked += 1
                leader.deliver(leader.read())
                self.contradictions.settle(answered=True)
            else:
                self.time += 20 * MS
        return asked


class Agent:
    """One agent: what it has read and not delivered yet waits on its way."""

    def __init__(self, world: World, host: Host, slot: int, staleness: int = 0) -> None:
        self._world, self._host, self._slot, self._staleness = world, host, slot, staleness
        self._sequence = 0
        self.highest = 0
        self.error = ClockError()
        world.store.open_session(f"nas-{slot}", "run", "session", Identity("ext4", "1", 2), 0)
        self.open_session([(MS, MS)] * 4)

    def open_session(self, trips: list[tuple[int, int]]) -> None:
        self._offset, self.error, self._measured = Offset(), ClockError(), False
        now = self._world.clock.now()
        self.error.tell(max(self.highest - now, 0), now)
        for there, back in trips:
            self.ping(there, back)
        self._offset.settle(self._host.boottime())
        self.error.tell(self._offset.error(self._host.boottime()), self._world.clock.now())
        self._pinged = self._world.time
        self._stamper = Stamper(self._view_now, self._slot, self.highest, self._staleness)

    def stamp_error(self, now: int) -> int:
        return self.error.at(now) + self._staleness

    def _view_now(self) -> int:
        now = self._host.boottime()
        return now + self._offset.at(now)

    def ping(self, there: int, back: int) -> None:
        sent = self._host.boottime()
        told = self._offset.error(sent) if self._measured else 0
        self._world.time += there
        self.error.tell(told, self._world.clock.now())
        remote = self._world.clock.now()
        self._world.time += back
        self._offset.sample(sent, remote, self._host.boottime())
        self._pinged, self._measured = self._world.time, True

    def read(self) -> Evidence:
        """Look at the file; a ping was answered not long ago."""
        if self._world.time - self._pinged > PULSE:
            self.ping(MS // 10, MS // 10)
        at = self._stamper.take()
        self._stamper.drop(at)
        assert at > self.highest, "a stamp went backwards"
        self.highest = at
        now = self._world.clock.now()
        assert abs(at - now) <= self.stamp_error(now) + 2048, "a stamp is further off than the agent has said"
        content = self._world.content
        return Gone(FILE, at) if content is None else Seen(FILE, at, Entry(0o100644, content, 512, 0, 0, 1, 7, 0, 0, 0, 0))

    def deliver(self, *evidence: Evidence) -> None:
        now = self._world.clock.now()
        for one in evidence:
            assert one.at - now <= self.error.at(now) + 50 * MS, "honest evidence would be refused"
        self._sequence += 1
        errors = {agent._slot: agent.stamp_error(now) for agent in self._world.agents}
        said = Contribution(f"nas-{self._slot}", "run", "session", self._sequence, Via.LIVE, evidence, errors=errors)
        [outcome] = self._world.store.commit([said], now, 0)
        assert outcome.problem is None
        self._world.contradictions.note(outcome.doubts)


TRIPS = st.integers(0, 300 * MS)
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 600 * SECOND), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(0, 5 * MS), st.just(0), st.just(0)),
    st.tuples(st.just("write"), st.integers(0, 3), st.just(0), st.just(0)),
    st.tuples(st.just("look"), st.integers(0, 1), st.just(0), st.just(0)),
    st.tuples(st.just("read"), st.integers(0, 1), st.just(0), st.just(0)),
    st.tuples(st.just("deliver"), st.integers(0, 1), st.just(0), st.just(0)),
    st.tuples(st.just("ping"), st.integers(0, 1), TRIPS, TRIPS),
    st.tuples(st.just("session"), st.integers(0, 1), TRIPS, TRIPS),
)
HOSTS = st.tuples(st.integers(0, 24 * HOUR), st.integers(-200, 200))
STALENESS = st.sampled_from([0, 0, 2 * SECOND])


@example((0, -55), (0, 0), [("session", 0, 0, 0), ("ping", 0, 56_616_930, 1_055)], 0, (0, 0))  # drifts while its word is on the way
@example(
    (0, 0), (0, 185), [("wait", 1_358_157_926, 0, 0), ("look", 1, 0, 0), ("session", 1, 0, 0)], 1, (0, 0)
)  # above its highest, which was early
@given(HOSTS, HOSTS, st.lists(STEPS, max_size=60), st.integers(0, 1), st.tuples(STALENESS, STALENESS))
def test_what_was_read_last_is_what_is_shown(
    first: tuple[int, int], second: tuple[int, int], steps: list[tuple[str, int, int, int]], last: int, stale: tuple[int, int]
) -> None:
    """Whichever of two agents reads last, however their clocks are off: where the stamps cannot tell, the leader is asked."""
    world = World()
    world.agents = [Agent(world, Host(world, *host), slot, stale[slot - 1]) for slot, host in enumerate((first, second), start=1)]
    waiting: list[list[Evidence]] = [[], []]
    for step, which, there, back in steps:
        if step == "wait":
            world.time += which
        elif step == "write":
            world.content = which or None
        else:
            act(step, world.agents[which], waiting[which], there, back)
    for agent, on_its_way in zip(world.agents, waiting, strict=True):
        agent.deliver(*on_its_way)
    world.agents[last].deliver(world.agents[last].read())
    world.settle(world.agents[0])
    assert world.view() == world.content


def act(step: str, agent: Agent, on_its_way: list[Evidence], there: int, back: int) -> None:
    match step:
        case "look":
            agent.deliver(agent.read())
        case "read":
            on_its_way.append(agent.read())
        case "deliver":
            agent.deliver(*on_its_way)
            on_its_way.clear()
        case "ping":
            agent.ping(there, back)
        case "session":
            on_its_way.clear()
            agent.open_session([(there, back), (back, there), (there, there), (back, back)])


@given(HOSTS, HOSTS, st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3 * MS)), min_size=2, max_size=30))
def test_nobody_is_asked_where_all_agree(first: tuple[int, int], second: tuple[int, int], reads: list[tuple[int, int]]) -> None:
    world = World(content=1)
    world.agents = [Agent(world, Host(world, *host), slot) for slot, host in enumerate((first, second), start=1)]
    for which, pause in reads:
        world.agents[which].deliver(world.agents[which].read())
        world.time += pause
    assert world.settle(world.agents[0]) == 0


@given(HOSTS, HOSTS, st.sampled_from([MS // 10, MS, 50 * MS]))
def test_who_contradicts_within_the_error_has_the_leader_asked_once(first: tuple[int, int], second: tuple[int, int], trip: int) -> None:
    world = World(content=1)
    world.agents = [Agent(world, Host(world, *host), slot) for slot, host in enumerate((first, second), start=1)]
    for agent in world.agents:
        agent.open_session([(trip, trip)] * 4)
    world.agents[0].deliver(world.agents[0].read())
    world.content = 2
    world.agents[1].deliver(world.agents[1].read())
    assert world.settle(world.agents[0]) == 1
    assert world.view() == 2
