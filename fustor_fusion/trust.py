"""How far to trust an answer (DESIGN §5): pure rules over what a root's store vouches for and what its sessions say at the moment.

The live facts of a root must be taken before the reading that the answer comes from: whatever `clean_to` says is then in that reading.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fustor_core.paths import is_below, show
from fustor_core.printable import shortened
from fustor_core.times import format_wall
from fustor_core.wire import Condition
from fustor_fusion.query import Trust
from fustor_fusion.sessions.writing import Writing
from fustor_fusion.stores import Reading, RootRecord

MOST_LOOKED_THROUGH = 5_000
"""So many entries are looked through for the oldest listing below a path, so that it takes milliseconds."""


class Reason(StrEnum):
    """Why a path is to be read again before it can be believed."""

    REFUSED = "refused"
    ASKED = "asked"
    CONTRADICTED = "contradicted"
    GUARDED = "guarded"
    FOLDED = "folded"
    UNREAD = "unread"
    SWEPT = "swept"
    UNWATCHED = "unwatched"


@dataclass(frozen=True, slots=True)
class Pending:
    """A path that is to be read again, it and what is below. `since` is a stamp: every change before it is in the store; 0 if that is not
    known. What is UNWATCHED lacks nothing: it is as of its last listing."""

    path: bytes
    reason: Reason
    since: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a snapshot is. `began` is wall-clock ns; `done` the words for it, empty while nobody can tell."""

    began: int
    done: str


@dataclass(frozen=True, slots=True)
class LiveRoot:
    """What the sessions of a root say at one moment.

    `leader` is the agent that lists the root, or was the last to; `alive` whether its session stands; `away_since` the wall-clock ns at
    which that session was lost. `clean_to` is a stamp: everything that changed before it is committed, except below `pending`; 0 if
    nothing vouches for it. `conditions` are what the agents themselves report of the root. `follows`: what counts as listed in the store
    was listed since this very leader began to watch; not so before it has begun to list, after it took over or was started anew.
    `writing` is what each session says of files that are being written. `heard`: its session has begun to bring evidence; before, nobody
    knows what it missed.
    """

    leader: str | None = None
    alive: bool = False
    clean_to: int = 0
    pending: Sequence[Pending] = ()
    away_since: int | None = None
    snapshot: Progress | None = None
    remote_writers: bool = False
    conditions: Sequence[Condition] = ()
    follows: bool = True
    writing: Sequence[Writing] = ()
    heard: bool = True


@dataclass(frozen=True, slots=True)
class Trustworthiness:
    """`as_of` is wall-clock ns (roots have clocks of their own, so their stamps cannot be compared); None if nothing is vouched for."""

    as_of: int | None
    complete: bool
    conditions: list[Condition]


UNKNOWN_ROOT = Trustworthiness(
    None, False, [Condition("never-connected", 0, "no agent has reported this root yet", "start an agent with a pipe of this root")]
)
"""Of a root that a view mounts and that nobody has ever reported."""

NO_ROOTS = Trustworthiness(
    None, False, [Condition("no-roots", 0, "there is no root here yet", "start an agent: its roots appear in the view `default`")]
)

_PENDING: dict[Reason, tuple[str, str]] = {
    Reason.REFUSED: ("what was seen of {} came too late to be used, and is being read again", "wait: the agent reads it again by itself"),
    Reason.ASKED: ("{} had to be asked for again", "wait: the agent reads it again by itself"),
    Reason.CONTRADICTED: (
        "agents contradict each other about {} within what their clocks may be off",
        "wait: the leader looks again by itself",
    ),
    Reason.GUARDED: (
        "evidence by which much would be lost is held back at {}",
        "wait: it is looked at again after the guard's delay, and applied if it is still true; `fustor pipe confirm` has that done at once",
    ),
    Reason.FOLDED: (
        "there were more changes than could be kept apart at {}, which the agent lists again",
        "wait: the agent lists it by itself",
    ),
    Reason.SWEPT: ("the listing of so large a directory is applied little by little: {}", "wait: it takes a few seconds"),
    Reason.UNWATCHED: (
        "not every directory can be watched at {}, so changes are seen when they are listed",
        "raise the limit of watches: the condition `directories-unwatched` of the pipe names the sysctl",
    ),
    Reason.UNREAD: ("something changed at {} and could not be read yet", "wait; if it lasts, see the agent's log for what does not answer"),
}


def assess(path: bytes, trust: Trust, record: RootRecord, live: LiveRoot, to_wall: Callable[[int], int]) -> Trustworthiness:
    """How far to trust what a reading says of `path` and all below it. `live` was taken before the reading that `trust` and `record` are
    from."""
    # A path that is to be read again can be gone, or a directory no longer, and then so is all below it: it counts for those too.
    pending = [each for each in live.pending if is_below(each.path, path) or is_below(path, each.path)]
    # Of what another leader listed, and another process watched, nothing is known since.
    trust = replace(trust, fresh=trust.fresh and live.follows)
    as_of = min((vouched(trust.fresh, record, live, trust.oldest or 0), *(each.since for each in pending)))
    lacks = trust.unreadable or any(each.reason is not Reason.UNWATCHED for each in pending)
    complete = trust.fresh and live.alive and live.heard and not lacks
    conditions = [*_absence(trust, record, live, as_of, to_wall), *_silence(live), *_staleness(trust, record, live, to_wall)]
    conditions += _unreadable(trust, record, to_wall)
    conditions += _waiting(pending, to_wall)
    return Trustworthiness(to_wall(as_of) if as_of > 0 else None, complete, [*conditions, *live.conditions])


def combine(parts: Sequence[tuple[str, Trustworthiness]]) -> Trustworthiness:
    """How far to trust one answer over several roots, given by name: as old as the oldest, complete if all are, with the conditions of
    all."""
    if len(parts) <= 1:
        return parts[0][1] if parts else NO_ROOTS
    known = [part.as_of for _, part in parts if part.as_of is not None]
    return Trustworthiness(
        min(known) if len(known) == len(parts) else None,
        all(part.complete for _, part in parts),
        [Condition(c.type, c.since, f"{root}: {c.message}", c.remedy) for root, part in parts for c in part.conditions],
    )


def trust_in(reading: Reading, path: bytes, live: LiveRoot) -> Trust:
    """What the store itself vouches for; where only listings vouch for the root, also how old they are, unless there is too much to look
    through."""
    trust = reading.trust(path)
    if not live.remote_writers or not trust.fresh:
        return trust
    return replace(trust, oldest=reading.oldest_listing(path, MOST_LOOKED_THROUGH))


def vouched(fresh: bool, record: RootRecord, live: LiveRoot, oldest: int = 0) -> int:
    """The stamp before which every change is in the store, pending paths aside; 0 if there is none. `oldest`: the listing that was longest
    ago, if that is known."""
    if live.remote_writers:
        # No event tells what another host writes, so only a listing vouches. Of a fresh tree the oldest is not older than the watching.
        return max(record.as_of, record.watching_since, oldest) if fresh else record.as_of
    return max(record.as_of, live.clean_to) if fresh else record.as_of


def _absence(trust: Trust, record: RootRecord, live: LiveRoot, as_of: int, to_wall: Callable[[int], int]) -> list[Condition]:
    if live.alive:
        return []
    if live.leader is None and not record.snapshot_at and not record.writes:
        return UNKNOWN_ROOT.conditions
    who = f"agent {live.leader} has been away" if live.leader is not None else "no agent has served this root"
    when = f" since {format_wall(live.away_since)}" if live.away_since is not None else " since fusion started"
    shown = f"what is shown is as of {format_wall(to_wall(as_of))}" if as_of > 0 else "what is shown is incomplete"
    remedy = "start the agent, or see in its log why it cannot reach fusion"
    return [Condition("agent-away", live.away_since or 0, f"{who}{when}; {shown}", remedy)]


def _silence(live: LiveRoot) -> list[Condition]:
    if not live.alive or live.heard:
        return []
    message = f"agent {live.leader} has just come back, and has not said yet what it missed"
    return [Condition("not-heard", 0, message, "wait a second; if it lasts, see the agent's log")]


def _staleness(trust: Trust, record: RootRecord, live: LiveRoot, to_wall: Callable[[int], int]) -> list[Condition]:
    if trust.fresh:
        return []
    if live.snapshot is not None:
        done = f": {live.snapshot.done}" if live.snapshot.done else ""
        return [Condition("snapshot-running", live.snapshot.began, f"a snapshot is running{done}", "wait until it has ended")]
    if not record.snapshot_at and trust.listed_at is None:
        return [Condition("never-listed", 0, "this was never listed", "wait for the agent's snapshot, or start an agent for this root")]
    if not live.alive:
        return []
    watching_since = record.watching_since if live.follows else 0
    since = f" at {format_wall(to_wall(watching_since))}" if watching_since else ""
    message = f"not everything here was listed since the agent began to watch{since}"
    return [Condition("stale", _wall(watching_since, to_wall), message, "wait for the agent's snapshot or audit")]


def _unreadable(trust: Trust, record: RootRecord, to_wall: Callable[[int], int]) -> list[Condition]:
    if not trust.unreadable:
        return []
    message = f"{_count(trust.unreadable, 'directory', 'directories')} could not be read"
    remedy = "let the user that the agent runs as read them (the agent's log names them), or exclude them"
    return [Condition("unreadable", _wall(record.snapshot_at, to_wall), message, remedy)]


def _waiting(pending: Sequence[Pending], to_wall: Callable[[int], int]) -> list[Condition]:
    conditions = []
    for reason, (message, remedy) in _PENDING.items():
        because = [each for each in pending if each.reason is reason]
        if because:
            since = _wall(min(each.since for each in because), to_wall)
            conditions.append(
                Condition("unwatched" if reason is Reason.UNWATCHED else "pending", since, message.format(_named(because)), remedy)
            )
    return conditions


def _named(pending: Sequence[Pending]) -> str:
    shown = ", ".join("/" + shortened(show(each.path)) for each in pending[:3])
    return f"{_count(len(pending), 'path', 'paths')} ({shown}{', …' if len(pending) > 3 else ''})"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _wall(stamp: int, to_wall: Callable[[int], int]) -> int:
    return to_wall(stamp) if stamp > 0 else 0
