"""One session, as fusion sees it: what each frame means, whichever connection it came by."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from fustor_core.clock import wall
from fustor_core.errors import Refused, SessionLost
from fustor_core.evidence import Entry, Evidence, Listing, Same, Unreadable, check_evidence
from fustor_core.paths import check_path
from fustor_core.supervision import all_running
from fustor_core.wire import Ack, Batch, FusionSession, Look, Mark, NewRole, Ping, Pong, Stalled, Via
from fustor_fusion.receivers.looking_again import LookingAgain
from fustor_fusion.roots.root import Root
from fustor_fusion.sessions.states import SessionEvent, marked
from fustor_fusion.sessions.table import LiveSession
from fustor_fusion.stores import MOST_TOGETHER, Contribution, Outcome

MOST_STAGED = 4_000_000
"""Entries of unfinished listings that a session may have staged."""

KEEP_CLEAN_TO_EVERY = 5_000_000_000
"""Nanoseconds between commits of an idle session."""


class Parts:
    """Joins the parts in which a huge listing travels; they are dropped with the session."""

    def __init__(self) -> None:
        self._staged: dict[tuple[bytes, int], tuple[int, dict[bytes, Entry]]] = {}
        self._entries = 0

    def whole(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The evidence in which every listing is whole."""
        return [joined for one in evidence if (joined := self._join(one)) is not None]

    def _join(self, one: Evidence) -> Evidence | None:
        if not isinstance(one, Listing) or (one.last and not one.part):
            return one
        key = (one.path, one.at)
        due, entries = self._staged.get(key, (0, {}))
        if one.part != due:
            raise Refused(f"part {one.part} of a listing came where part {due} was due", code="parts")
        self._entries += len(one.entries)
        if self._entries > MOST_STAGED:
            raise Refused(f"more than {MOST_STAGED:,} entries of unfinished listings", code="parts")
        # Into one dict from the beginning: to put together a million names at the end would hold up all other sessions.
        entries.update(one.entries)
        if not one.last:
            self._staged[key] = due + 1, entries
            return None
        self._staged.pop(key, None)
        self._entries -= len(entries)
        return Listing(one.path, one.at, entries)


def _answer(answered: asyncio.Future[None]) -> None:
    if not answered.done():
        answered.set_result(None)


class SessionReceiver:
    """Takes the frames of one session in order, and says what to answer.

    Frames are checked whole before anything of them is used. They are committed in the order they came, together with whatever else waits
    then, and acknowledged only after that.
    """

    def __init__(self, root: Root, session: LiveSession) -> None:
        self._root = root
        self.session = session
        self._parts = Parts()
        self._waiting: deque[tuple[Batch | Mark, Contribution | None]] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._looking_again = LookingAgain(root, session, self.ask)
        self._last = 0
        self._looks = 0
        self._kept_clean_to = 0
        self._asked: dict[int, asyncio.Future[None]] = {}
        self.outgoing: asyncio.Queue[FusionSession] = asyncio.Queue()
        session.ask = self.ask
        session.stall = self.stall
        if root.stalled:
            self.stall(root.stalled)
        self._most = root.window + 2

    async def take(self, frame: Batch | Mark | Ping) -> Pong | None:
        """Queue a frame for its commit. Raises Refused or MalformedInput for one that breaks the rules, and nothing of it is applied."""
        self.session.heard = wall()
        self.session.frames += 1
        if isinstance(frame, Ping):
            now = self._root.clock.now()
            self.session.clock_error.tell(frame.error, now)
            return Pong(frame.sent, now)
        contribution = self._checked(frame)
        await self._until_there_is_room()
        self._waiting.append((frame, contribution))
        self._arrived.set()
        return None

    async def _until_there_is_room(self) -> None:
        self.session.awaited = False
        while len(self._waiting) >= self._most:
            self._room.clear()
            await self._room.wait()
        self.session.awaited = True

    def tell_role(self) -> None:
        """The part of the session has changed."""
        self.outgoing.put_nowait(NewRole(self.session.role))

    def _checked(self, frame: Batch | Mark) -> Contribution | None:
        if isinstance(frame, Batch):
            self._check_header(frame)
            self.session.step(SessionEvent.BATCH)
            if not frame.evidence and frame.sequence == self._last:
                return self._idle(frame)
        if frame.sequence != self._last + 1:
            raise Refused(f"frame {frame.sequence} came where {self._last + 1} was due", code="out-of-sequence")
        session = self.session
        blank = Contribution(session.agent, session.hello.run, session.id, frame.sequence, Via.LIVE)
        if isinstance(frame, Mark):
            contribution = self._marked(frame, blank)
        else:
            for one in frame.evidence:
                check_evidence(one)
                self._root.check_stamp(session, one.at)
            contribution = replace(blank, via=frame.via, evidence=self._believed(frame.evidence), clean_to=self._noticed(frame))
        self._last = frame.sequence
        return replace(contribution, watching_since=session.watching_since, errors=self._root.stamp_errors())

    def _believed(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """What the session has said, each listing whole. What a follower may not read, the leader may: it says nothing of what is there."""
        whole = self._parts.whole(evidence)
        return whole if self.session.leads else [one for one in whole if not isinstance(one, Unreadable)]

    def _noticed(self, frame: Batch) -> int:
        """How far the root as a whole is vouched for by what the agent noticed: where other hosts write too, not at all."""
        if self.session.hello.remote_writers:
            return 0
        return min(frame.clean_to, frame.unwatched_to) if frame.unwatched else frame.clean_to

    def _check_header(self, frame: Batch) -> None:
        self._root.check_time(self.session, frame.low, "`low`")
        self._root.check_time(self.session, frame.clean_to, "`clean_to`")
        self._root.check_time(self.session, frame.unwatched_to, "`unwatched_to`")
        for path in (*frame.pending, *frame.folded, *frame.unwatched, *(path for path, _ in frame.writing)):
            check_path(path)

    def _idle(self, frame: Batch) -> Contribution | None:
        """A batch that only brings `clean_to` forward is worth a commit now and then, so that a restart knows about how fresh it is."""
        session, clean_to = self.session, self._noticed(frame)
        if not self._last or clean_to < self._kept_clean_to + KEEP_CLEAN_TO_EVERY:
            return None
        self._kept_clean_to = clean_to
        blank = Contribution(session.agent, session.hello.run, session.id, frame.sequence, Via.LIVE, clean_to=clean_to)
        return replace(blank, watching_since=session.watching_since)

    def _marked(self, mark: Mark, blank: Contribution) -> Contribution:
        session = self.session
        self._root.check_stamp(session, mark.at)
        session.step(marked(mark.phase, ends=mark.ends))
        if mark.phase is Via.SNAPSHOT:
            session.snapshot_began = None if mark.ends else wall()
        # An audit of a leader that vouches already vouches for nothing new.
        if session.leads and not mark.ends and (mark.phase is Via.SNAPSHOT or session.watching_since is None):
            session.watching_since = mark.at
        began = self._root.reads_everything(session.agent, mark.phase, mark.at, ends=mark.ends)
        if not mark.ends:
            return replace(blank, via=mark.phase, begins=mark.phase)
        # No listing is older than that: it is all that vouches for a root that other hosts write to.
        return replace(blank, via=mark.phase, ends=mark.phase, clean_to=began if session.hello.remote_writers else 0)

    def ask(self, paths: Sequence[bytes], directories: Sequence[bytes], recursive: bool) -> asyncio.Future[None]:
        """Have the agent read these again. Done when all that it found is committed; SessionLost if the session ends before."""
        self._looks += 1
        answered = self._asked[self._looks] = asyncio.get_running_loop().create_future()
        self.outgoing.put_nowait(Look(self._looks, list(paths), list(directories), recursive))
        return answered

    def stall(self, why: str) -> None:
        """Tell the agent why nothing is committed at the moment; empty where something is again."""
        self.outgoing.put_nowait(Stalled(why))

    def end(self) -> None:
        """The session has ended: nothing that was asked in it will be answered."""
        self.session.ask = self.session.stall = None
        for answered in self._asked.values():
            if not answered.done():
                answered.set_exception(SessionLost(f"the session with agent {self.session.agent} has ended"))

    async def commit(self) -> None:
        """Commit what waits, again and again, and put what is to be sent for it into `outgoing`."""
        await all_running(self._commit(), *self._looking_again.tasks())

    def _again(self, paths: list[bytes], directories: list[bytes], via: Via) -> Look:
        """Evidence of these could not be used: they are pending until they have been read once more."""
        self._looks += 1
        self.session.refused.update(dict.fromkeys((*paths, *directories), (self._looks, self.session.clean_to)))
        return Look(self._looks, paths, directories, False, via)

    async def _commit(self) -> None:
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            group = self._next_group()
            contributions = [contribution for _, contribution in group if contribution is not None]
            outcomes = await self._root.commit(contributions) if contributions else []
            for _ in group:
                self._waiting.popleft()
            self._room.set()
            for outcome in outcomes:
                if outcome.problem is not None:
                    raise Refused(str(outcome.problem), code="out-of-sequence")
            for answer in self._settled(group, outcomes):
                self.outgoing.put_nowait(answer)
            self._looking_again.committed()

    def _next_group(self) -> list[tuple[Batch | Mark, Contribution | None]]:
        """The frames that are committed next."""
        group: list[tuple[Batch | Mark, Contribution | None]] = []
        weight = 0
        for frame, contribution in self._waiting:
            if weight >= MOST_TOGETHER:
                break
            group.append((frame, contribution))
            weight += contribution.weight if contribution else 0
        return group

    def _settled(self, group: Sequence[tuple[Batch | Mark, Contribution | None]], outcomes: Sequence[Outcome]) -> list[FusionSession]:
        """What the session is told, and what is known of it, after a commit."""
        session = self.session
        stale = [path for outcome in outcomes for path in outcome.stale]
        unlike = [path for outcome in outcomes for path in outcome.unlike]
        answers: list[FusionSession] = []
        if stale:
            listed = {one.path for _, each in group if each for one in each.evidence if isinstance(one, Listing | Same | Unreadable)}
            # What was listed too late is listed again: to look at it would only tell what it is.
            answers.append(self._again(stale, [path for path in stale if path in listed], Via.ASKED))
        if unlike:
            answers.append(self._again([], unlike, Via.AUDIT))
        # Behind the looks, so that whoever waits for it knows by then what is left to do.
        if outcomes:
            answers.append(Ack(group[-1][0].sequence))
        if self._root.store.links_noted and session.linked_to is None:
            session.linked_to = session.clean_to
        for frame, _ in group:
            session.sequence = frame.sequence
            if isinstance(frame, Batch):
                session.low, session.clean_to, session.pending = frame.low, frame.clean_to, tuple(frame.pending)
                # That nobody on this host writes says nothing where others write too.
                alone = not session.hello.remote_writers
                session.writing.tell([(path, writing if alone else writing or None) for path, writing in frame.writing])
                session.folded = tuple(frame.folded)
                session.unwatched, session.unwatched_to = tuple(frame.unwatched), frame.unwatched_to
                for look in frame.looks:
                    if answered := self._asked.pop(look, None):
                        self._root.after_sweeps(partial(_answer, answered))
                    session.refused = {path: held for path, held in session.refused.items() if held[0] != look}
        return answers
