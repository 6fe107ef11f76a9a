"""What a store remembers besides its entries, and which contributions it may commit: sequences, slots, marks, how fresh the root is.

Pure: `Ledger` changes in memory, and the store makes it durable in the same transaction as the entries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fustor_core.clock import SLOTS
from fustor_core.errors import Refused
from fustor_core.evidence import Evidence, Listing
from fustor_core.paths import show
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.drift import NO_DRIFT, Drifts
from fustor_fusion.merge.guard import Guard, GuardRules
from fustor_fusion.merge.held import Held, due, hurried
from fustor_fusion.merge.losses import Losses
from fustor_fusion.merge.nodes import Tree
from fustor_fusion.merge.rules import Merge, Verdict
from fustor_fusion.merge.sweep import LARGE, Sweep, Sweeps
from fustor_fusion.merge.sweeping import SweepStep
from fustor_fusion.stores import AgentRecord, Contribution, Outcome, OutOfSequence, RootRecord, Swept

LAST_SLOT = SLOTS - 1
"""Slot 0 is nobody's, for stamps that fusion itself gives."""


class Ledger:
    """The records of one root as they will be after the commit under way. `epoch` numbers the watchings that freshness is counted for.

    `held` is never changed in place: other threads read it, and a commit that fails goes back to what it was.
    """

    def __init__(
        self,
        record: RootRecord,
        agents: Sequence[AgentRecord],
        epoch: int,
        rules: GuardRules,
        held: Mapping[bytes, Held],
        drifts: Drifts = NO_DRIFT,
        large: int = LARGE,
    ) -> None:
        self.record = record
        self.rules = rules
        self.held = held
        self._losses = Losses(rules.min_entries, record.lost, record.lost_at)
        self.agents = {agent.agent: agent for agent in agents}
        self.epoch = epoch
        self.drifts = drifts
        self.sweeps = Sweeps(large)
        self.changed: set[str] = set()

    def open_session(self, agent: str, run: str, session: str, identity: Identity, now: int) -> AgentRecord:
        """Begin a session; the record as it was before."""
        before = self._record_of(agent)
        self._note(replace(before, run=run, session=session, sequence=0, identity=identity))
        self.record = replace(self.record, high_water=max(self.record.high_water, now))
        return before

    def accept(self, agent: str, identity: Identity) -> None:
        """This is what the root is to that agent, whatever it was."""
        self._note(replace(self._record_of(agent), identity=identity))

    def _record_of(self, agent: str) -> AgentRecord:
        if (known := self.agents.get(agent)) is not None:
            return known
        slot = 1 + max((each.slot for each in self.agents.values()), default=0)
        if slot > LAST_SLOT:
            raise Refused(
                f"{LAST_SLOT:,} agents have served this root, and no more can: the slots of their stamps are used up",
                code="too-many-agents",
            )
        return AgentRecord(agent, slot, "", "", 0, 0, 0, None, 0)

    def commit(self, tree: Tree, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        """Apply to the tree what may be applied, and say what became of each contribution."""
        for contribution in contributions:
            for evidence in contribution.evidence:
                _check_whole(evidence)
        guard = Guard(tree, self.rules, self._losses, self.held, now)
        merge = Merge(tree, self.epoch, guard, self.sweeps)
        clean_to = {agent.agent: agent.clean_to for agent in self.agents.values()}
        outcomes = [self._contribute(tree, merge, contribution, now) for contribution in contributions]
        self._hold(merge, guard, contributions, outcomes, clean_to)
        self._finish(tree, merge, now)
        if not tree.links_noted:  # until their other names have been looked at, those are not known to be as they are
            pairs = zip(contributions, outcomes, strict=True)
            self._vouch(tree, [contribution for contribution, outcome in pairs if outcome.problem is None])
        record = self.record
        # What is still to be applied must stay above the mark.
        if (low := self.sweeps.low) is not None:
            drop_to = min(drop_to, low - 1)
        # Raised after the evidence was applied: `low` speaks of what comes after it.
        self.record = replace(
            record,
            high_water=max(record.high_water, now),
            drop_mark=max(record.drop_mark, drop_to),
            writes=record.writes + 1,
            lost=self._losses.count,
            lost_at=self._losses.last,
        )
        return outcomes

    def _finish(self, tree: Tree, merge: Merge, now: int) -> None:
        """All that is applied in this commit has been."""
        merge.totals.finish()
        if found := merge.drift.at(now):
            self.drifts = self.drifts.and_found(found)
        tree.note_links(merge.links.noted)
        tree.record(merge.changes, now)

    def sweep(self, tree: Tree, limit: int, now: int) -> Swept:
        """Apply a slice of a large listing, of about so many names."""
        sweep = self.sweeps.next()
        if sweep is None:
            return Swept()
        guard = Guard(tree, self.rules, self._losses, self.held, now)
        merge = Merge(tree, self.epoch, guard, self.sweeps)
        self._set(merge, sweep.via, sweep.watching_since)
        merge.doubts.errors = sweep.errors
        step = merge.sweep(sweep, limit)
        held: list[Evidence] = []
        if step is SweepStep.HELD:
            held.append(sweep.listing)
            self.held = guard.after([guard.hold(sweep.listing.path, sweep.clean_to)])
        if step is not SweepStep.GOES_ON:
            self.sweeps.end(sweep)
        self._finish(tree, merge, now)
        return Swept(step is not SweepStep.GOES_ON, held, merge.doubts.take())

    def _hold(
        self, merge: Merge, guard: Guard, contributions: Sequence[Contribution], outcomes: Sequence[Outcome], clean_to: Mapping[str, int]
    ) -> None:
        """Remember what the guard holds back, if it still does: what came later in this commit may show that it was only moved."""
        held: list[Held] = []
        merge.doubts.errors = {}  # whom it contradicts has been said
        guard.begin_last_turn()
        for contribution, outcome in zip(contributions, outcomes, strict=True):
            again, outcome.held[:] = list(outcome.held), []
            self._set(merge, contribution.via, contribution.watching_since)
            for evidence in again:
                verdict = self._tell(merge, contribution, evidence, clean_to.get(contribution.agent, 0))
                if verdict is Verdict.HELD:
                    outcome.held.append(evidence)
                    held.append(guard.hold(evidence.path, clean_to[contribution.agent]))
        self.held = guard.after(held)

    def due_held(self, now: int) -> list[Held]:
        """What is to be looked at again at `now`."""
        return due(self.held.values(), self.rules.delay, now)

    def forget_held(self, done: Sequence[Held]) -> None:
        """These have been looked at again; what was held back anew since is kept."""
        self.held = {path: each for path, each in self.held.items() if each not in done}

    def hurry(self, now: int) -> None:
        """What is held back is to be looked at again at once."""
        self.held = hurried(self.held, self.rules.delay, now)

    def _contribute(self, tree: Tree, merge: Merge, contribution: Contribution, now: int) -> Outcome:
        agent = self.agents.get(contribution.agent)
        if agent is None or agent.session != contribution.session:
            return Outcome(problem=OutOfSequence(f"session {contribution.session!r} of {contribution.agent} has ended: open a new one"))
        if contribution.sequence not in (agent.sequence, agent.sequence + 1):
            message = f"{contribution.agent} sent frame {contribution.sequence} where {agent.sequence + 1} follows: open a new session"
            return Outcome(problem=OutOfSequence(message))
        outcome = Outcome()
        if contribution.sequence == agent.sequence + 1:
            self._begin(contribution)
            highest = self._apply(merge, contribution, outcome, agent.clean_to)
            agent = replace(agent, sequence=contribution.sequence, highest=max(agent.highest, highest))
            agent = self._end(tree, contribution, agent, now)
        self._note(replace(agent, clean_to=max(agent.clean_to, contribution.clean_to)))
        return outcome

    def _begin(self, contribution: Contribution) -> None:
        if contribution.begins is None or contribution.watching_since is None:
            return
        if contribution.watching_since != self.record.watching_since:
            self.epoch += 1  # whatever was counted for another watching is void, even where that one comes back
        self.record = replace(self.record, watching_since=contribution.watching_since, watched_by=contribution.agent)

    def _tell(self, merge: Merge, contribution: Contribution, evidence: Evidence, clean_to: int) -> Verdict:
        """Have it applied, or begin to."""
        verdict = merge.apply(evidence)
        if verdict is Verdict.SWEPT and isinstance(evidence, Listing):
            self.sweeps.add(Sweep(evidence, contribution.via, contribution.watching_since, contribution.errors, clean_to))
        return verdict

    def _apply(self, merge: Merge, contribution: Contribution, outcome: Outcome, clean_to: int) -> int:
        """Apply the evidence; the highest stamp in it."""
        self._set(merge, contribution.via, contribution.watching_since)
        merge.doubts.errors = contribution.errors
        highest = 0
        for evidence in contribution.evidence:
            highest = max(highest, evidence.at)
            if evidence.at <= self.record.drop_mark:
                outcome.stale.append(evidence.path)
                continue
            verdict = self._tell(merge, contribution, evidence, clean_to)
            if verdict is Verdict.UNLIKE:
                outcome.unlike.append(evidence.path)
            elif verdict is Verdict.HELD:
                outcome.held.append(evidence)
        outcome.doubts.extend(merge.doubts.take())
        self.record = replace(self.record, high_water=max(self.record.high_water, highest))
        return highest

    def _set(self, merge: Merge, via: Via, watching_since: int | None) -> None:
        """What follows is evidence of such a contribution."""
        merge.totals.epoch, merge.via, merge.followed_since = self.epoch, via, None
        if watching_since is not None and self.record.watching_since:
            merge.followed_since = max(watching_since, self.record.watching_since)

    def _end(self, tree: Tree, contribution: Contribution, agent: AgentRecord, now: int) -> AgentRecord:
        if contribution.ends is Via.AUDIT:
            self.record = replace(self.record, audit_at=now)
        if contribution.ends is Via.SNAPSHOT:
            self.record = replace(self.record, snapshot_at=now)
            root = tree.root
            return replace(agent, entries=root.files + root.directories + root.others)
        return agent

    def _vouch(self, tree: Tree, contributions: list[Contribution]) -> None:
        """Bring `as_of` forward if the whole root is fresh after these."""
        root = tree.root
        if self.held or not self.record.watching_since or root.fresh_in(self.epoch) != root.to_list or root.unreadable_below:
            return
        clean_to = [contribution.clean_to for contribution in contributions if contribution.watching_since is not None]
        self.record = replace(self.record, as_of=max(self.record.as_of, *clean_to, 0))

    def _note(self, agent: AgentRecord) -> None:
        if self.agents.get(agent.agent) != agent:
            self.agents[agent.agent] = agent
            self.changed.add(agent.agent)


def _check_whole(evidence: Evidence) -> None:
    if isinstance(evidence, Listing) and (evidence.part or not evidence.last):
        raise ValueError(
            f"part {evidence.part} of the listing of /{show(evidence.path)} reached a store: the receiver joins the parts first"
        )
