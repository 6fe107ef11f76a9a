"""One root, alive: its store, its clock, its sessions, and the one thread that writes."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fustor_core.clock import ViewClock, slot_of, wall
from fustor_core.errors import NobodyLooks, Refused
from fustor_core.evidence import Evidence
from fustor_core.wire import Condition, Hello, Role, Via, Welcome
from fustor_fusion.api.ports import RootFacts, SourcePath
from fustor_fusion.merge.doubts import Doubt
from fustor_fusion.news import News
from fustor_fusion.roots.relooking import Relooking
from fustor_fusion.roots.second_looks import Ask, SecondLooks
from fustor_fusion.roots.store_watch import StoreWatch
from fustor_fusion.roots.unlisted import Unlisted
from fustor_fusion.roots.writer import Writer
from fustor_fusion.sessions.contradictions import Contradictions
from fustor_fusion.sessions.identities import Identities
from fustor_fusion.sessions.table import Admission, LiveSession, Table
from fustor_fusion.stores import AgentRecord, Contribution, Outcome, RootStore, Swept
from fustor_fusion.trust import LiveRoot, Pending, Progress, Reason


def _that_counts(record: AgentRecord, earlier: AgentRecord | None, hello: Hello) -> AgentRecord:
    """The record by which a hello is judged. A session of which the agent never heard, and in which nothing was committed, is as if it had
    not been: its welcome was lost with its connection, and `earlier` is from before it."""
    unheard = record.session != hello.session and not record.sequence
    return earlier if earlier is not None and unheard else record


_TOLERANCE = 50_000_000
"""Nanoseconds that a time may be ahead of the view clock beyond what its session is known to be off."""


@dataclass(frozen=True, slots=True)
class RootOptions:
    """What sessions of a root are told. `lease` and `quiet` are in seconds."""

    window: int
    lease: float
    quiet: float


class Root:
    """One root. Lives on the event loop; reads of its store come from other threads. `progress` says how far an agent is with its snapshot
    of a root."""

    def __init__(self, name: str, store: RootStore, options: RootOptions, progress: Callable[[str, str], str]) -> None:
        self.name = name
        self._store = store
        self._options = options
        with store.reading() as reading:
            record = reading.record()
            self._agents = {each.agent: each for each in reading.agents()}
        self._identities = Identities(self._agents.values())
        self._last_change = store.last_change
        self.news = News()
        self._watched_by = record.watched_by
        self._watching_since = record.watching_since
        self.clock = ViewClock(record.clock, record.high_water)
        self.table = Table(options.lease)
        if record.watched_by:
            self.table.leader, self.table.leader_lost_at = record.watched_by, self.clock.now()
        self._away_since: int | None = None
        self._store_watch = StoreWatch(name, self._tell_stalled)
        self._writer = Writer(name, store, self.clock.now, self.table.lowest, problem=self._store_watch.problem, swept=self._note_swept)
        self._unswept: list[tuple[set[bytes], Callable[[], None]]] = []
        self._relooking = Relooking(store)
        self._second_looks = SecondLooks(name, store)
        self._unlisted = Unlisted(name, store)
        self.contradictions = Contradictions()
        self._paths: dict[str, SourcePath] = {}
        self._began: dict[tuple[str, Via], int] = {}
        self._progress = progress

    async def close(self) -> None:
        # To close a store that hangs would wait for the same disk.
        if await self._writer.close():
            self._store.close()

    # Sessions

    async def open_session(self, hello: Hello, remote: str) -> tuple[LiveSession, Welcome, LiveSession | None]:
        """A new session, what to tell the agent, and the session that it takes the place of. Raises Refused."""
        admission = self._admit(hello)
        self._identities.check(hello, wall())
        session_id, entries = uuid.uuid4().hex, await asyncio.to_thread(self._entries)
        record = await self._writer.call(
            lambda: self._store.open_session(hello.agent, hello.run, session_id, hello.identity, self.clock.now())
        )
        # Others may have come or gone meanwhile, and the store's word on this agent is newer than ours.
        self._agents[hello.agent] = _that_counts(record, self._agents.get(hello.agent), hello)
        admission = self._admit(hello)
        if admission.replaces:
            self.end_session(admission.replaces)
        session = LiveSession(session_id, hello, record.slot, admission.role, wall(), wall(), remote)
        now = self.clock.now()
        # Its stamps go on above its highest, which an earlier session may have given too early.
        session.clock_error.tell(max(record.highest - now, 0), now)
        if admission.role is Role.LEADER and not admission.snapshot:
            session.watching_since = self._watching_since or None
        self.table.add(session)
        self._paths[hello.agent] = SourcePath(hello.agent, hello.boot, hello.path)
        return session, self._welcome(session, record, admission, entries), admission.replaces

    def _entries(self) -> int:
        """How many entries the root has, if it was ever listed wholly. Reads the store, so it is called on a thread."""
        with self._store.reading() as reading:
            usage = reading.usage(b"") if reading.record().snapshot_at else None
        # The root itself is none of what a walk lists.
        return usage.files + usage.directories + usage.others - 1 if usage else 0

    def _admit(self, hello: Hello) -> Admission:
        return self.table.admit(hello, self._agents.get(hello.agent), self.clock.now(), watched_by=self._watched_by)

    def _welcome(self, session: LiveSession, record: AgentRecord, admission: Admission, entries: int) -> Welcome:
        clock, highest = self.clock, record.highest
        return Welcome(
            session.id,
            session.slot,
            session.role,
            clock.name,
            clock.now(),
            highest,
            0,
            self._options.window,
            admission.snapshot,
            admission.why,
            self._options.quiet,
            entries,
        )

    def end_session(self, session: LiveSession) -> None:
        """The session has ended. What it had been told to look at again is forgotten with it: the agent reads all of that anew."""
        if session.leads and self.table.leading is session:
            self._away_since = wall()
        self.table.remove(session, self.clock.now())

    async def look(self, paths: Sequence[bytes], directories: Sequence[bytes], *, recursive: bool) -> None:
        """Have the leading agent read these again, and wait until what it found is committed. NobodyLooks if no agent serves the root."""
        leading = self.table.leading
        if leading is None or leading.ask is None:
            raise NobodyLooks(f"no agent serves root {self.name} at the moment; start one, or see in its log why it cannot reach fusion")
        await leading.ask(paths, directories, recursive)

    async def relook(self, look: Callable[[Sequence[bytes]], Awaitable[None]]) -> bool:
        """Have other names of hard links that changed looked at, as many as are done at once; whether there were any."""
        return await self._relooking.run_once(look, lambda done: self._writer.call(lambda: self._store.forget_links(done)))

    async def look_twice(self, ask: Ask) -> None:
        """Have looked at again what the guard holds back, where that is due."""
        await self._second_looks.run_once(self.clock.now(), ask, lambda done: self._writer.call(lambda: self._store.forget_held(done)))

    async def list_missing(self, ask: Ask) -> None:
        """Have the leader list the directories that only others have found. Its first walk finds those by itself."""
        leading = self.table.leading
        if leading is None or leading.watching_since is None or leading.watching_since != self._watching_since:
            return
        if self._watching_since not in (self._began.get((leading.agent, walk)) for walk in (Via.SNAPSHOT, Via.AUDIT)):
            await self._unlisted.run_once(self.clock.now(), leading.clean_to, ask)

    async def confirm(self, pipe: str) -> bool:
        """An operator says that what the pipe shows is meant: another root is taken from the next session on, and what the guard holds back
        is looked at again at once. False if nothing waits for that."""
        stranger, leading = self._identities.waiting(pipe), self.table.leading
        if stranger is not None:
            await self._writer.call(lambda: self._store.accept(stranger.agent, stranger.identity))
            self._identities.accept(stranger.agent, stranger.identity)
            return True
        if leading is None or f"{leading.agent}:{leading.hello.pipe}" != pipe or not self._store.held:
            return False
        await self._writer.call(lambda: self._store.hurry_held(self.clock.now()))
        return True

    def promote(self, can_lead: Callable[[LiveSession], bool] = lambda session: True) -> LiveSession | None:
        """The session that leads from here on, where the leader has been away for too long."""
        return self.table.promote(self.clock.now(), can_lead)

    async def commit(self, contributions: Sequence[Contribution]) -> list[Outcome]:
        """Commit what sessions brought."""
        outcomes = await self._writer.commit(contributions)
        for outcome in outcomes:
            self._note_found(outcome.held, outcome.doubts)
        for one in contributions:
            if one.begins is not None and one.watching_since is not None:
                self._watched_by, self._watching_since = one.agent, one.watching_since
        return outcomes

    def _note_swept(self, swept: Swept) -> None:
        """A slice of the listing of a large directory has been applied."""
        self._note_found(swept.held, swept.doubts)
        if not swept.ended or not self._unswept:
            return
        standing = {sweep.listing.path for sweep in self._store.sweeping}
        waiting, self._unswept = self._unswept, []
        for paths, call in waiting:
            if paths & standing:
                self._unswept.append((paths & standing, call))
            else:
                call()

    def _note_found(self, held: Sequence[Evidence], doubts: Sequence[Doubt]) -> None:
        """What the store has found in what it was told."""
        self._second_looks.note(held)
        self.contradictions.note(doubts)
        if self._store.last_change != self._last_change:
            self._last_change = self._store.last_change
            self.news.tell()

    def after_sweeps(self, call: Callable[[], None]) -> None:
        """Call this once all that has been committed by now is applied: the listing of a large directory is so little by little."""
        if standing := {sweep.listing.path for sweep in self._store.sweeping}:
            self._unswept.append((standing, call))
        else:
            call()

    def reads_everything(self, agent: str, phase: Via, at: int, *, ends: bool) -> int:
        """A snapshot or an audit of everything by an agent begins or ends at `at`; when it began, 0 if that is not known."""
        if ends:
            return self._began.pop((agent, phase), 0)
        self._began[agent, phase] = at
        return at

    def stamp_errors(self) -> dict[int, int]:
        """By slot, how far (ns) the stamps of each session may be off at the moment; empty where there is only one."""
        return self.table.stamp_errors(self.clock.now())

    def check_stamp(self, session: LiveSession, at: int) -> None:
        """Refuse evidence from beyond the clock, or with the stamp of another slot."""
        self.check_time(session, at, "evidence")
        if slot_of(at) != session.slot:
            raise Refused(f"evidence with the slot {slot_of(at)}, where the session has {session.slot}", code="wrong-slot")

    def check_time(self, session: LiveSession, at: int, what: str) -> None:
        """Refuse a time that the clock has not reached: believed, it would never be made up for."""
        now = self.clock.now()
        ahead = at - now
        if ahead > session.clock_error.at(now) + _TOLERANCE:
            raise Refused(f"{what} from {ahead / 1e9:.3f} s ahead of the view clock", code="from-the-future")

    # What queries want to know

    @property
    def store(self) -> RootStore:
        return self._store

    @property
    def window(self) -> int:
        """How many batches a session may have waiting for their acknowledgement."""
        return self._options.window

    def to_wall(self, stamp: int) -> int:
        return self.clock.to_wall(stamp)

    def live(self) -> LiveRoot:
        leading = self.table.leading
        if leading is None:
            held = self._second_looks.pending()
            return LiveRoot(self.table.leader, False, 0, held, away_since=self._away_since, conditions=self._conditions)
        pending = self._second_looks.pending()
        pending += [Pending(path, Reason.REFUSED, since) for path, (_, since) in leading.refused.items()]
        pending += [Pending(path, Reason.UNREAD, leading.clean_to) for path in leading.pending]
        pending += [Pending(doubt.path, Reason.CONTRADICTED, doubt.since) for doubt in self.contradictions.standing]
        pending += [Pending(path, Reason.FOLDED, leading.clean_to) for path in leading.folded]
        pending += [Pending(sweep.listing.path, Reason.SWEPT, sweep.clean_to) for sweep in self._store.sweeping]
        pending += [Pending(path, Reason.UNWATCHED, leading.unwatched_to) for path in leading.unwatched]
        progress = None
        if leading.snapshot_began is not None:
            progress = Progress(leading.snapshot_began, self._progress(leading.agent, self.name))
        remote_writers = leading.hello.remote_writers
        follows = leading.watching_since is not None and leading.watching_since == self._watching_since
        writing = [session.writing.now() for session in self.table.all()]
        told = (leading.vouched_to, pending, None, progress, remote_writers, self._conditions, follows, writing)
        return LiveRoot(leading.agent, True, *told, heard=leading.low > 0)

    @property
    def _conditions(self) -> list[Condition]:
        return [*self._store_watch.conditions, *self._identities.conditions()]

    def facts(self) -> RootFacts:
        leading, paths = self.table.leading, list(self._paths.values())
        if leading is None:
            return RootFacts(sorted(self._agents), None, paths)
        return RootFacts(sorted(self._agents), leading.agent, paths, f"{leading.agent}:{leading.hello.pipe}")

    # The store

    def look_at_store(self) -> None:
        """See whether the store comes back with what it was asked for; to be called every `TICK`."""
        self._store_watch.look(self._writer.hanging())
        if (damage := self._store.damage) is not None:
            self._store_watch.problem(damage)

    @property
    def stalled(self) -> str:
        """Why nothing is committed at the moment; empty where that is not so."""
        return self._store_watch.why

    def _tell_stalled(self, why: str) -> None:
        for session in self.table.all():
            if session.stall is not None:
                session.stall(why)
