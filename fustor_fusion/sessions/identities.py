"""What the root is to each of its agents, and which agents show another: nothing of that is taken until an operator confirms that it is
meant. Plain decisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fustor_core.errors import Refused
from fustor_core.wire import IDENTITY_CHANGED, Condition, Hello, Identity
from fustor_fusion.stores import AgentRecord

_OF_ONE_HOST: Final = frozenset(("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "tmpfs", "xfs", "zfs"))
"""File systems with ids that all hosts read alike. That of a network file system is what was mounted, as each host spells it."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """What an agent shows in the place of the root that it, or all other agents, served before. `since` is wall-clock ns."""

    agent: str
    pipe: str
    identity: Identity
    message: str
    since: int


class Identities:
    """The identities of one root, by agent."""

    def __init__(self, agents: Iterable[AgentRecord]) -> None:
        self._known = {each.agent: (each.identity, each.entries) for each in agents}
        self._strangers: dict[str, Stranger] = {}

    def check(self, hello: Hello, now: int) -> None:
        """Raise Refused where the agent shows another root than it served before: by what is remembered here, or, where nothing is, by what
        the agent remembers itself; or, where it is new, than all others serve. `now` is wall-clock ns."""
        message = self._objection(hello)
        if not message:
            self.accept(hello.agent, hello.identity)
            return
        standing = self._strangers.get(hello.agent)
        since = standing.since if standing else now
        self._strangers[hello.agent] = Stranger(hello.agent, f"{hello.agent}:{hello.pipe}", hello.identity, message, since)
        raise Refused(message, code=IDENTITY_CHANGED)

    def _objection(self, hello: Hello) -> str:
        """Why what the agent shows is not taken; empty where it is."""
        known, entries = self._known.get(hello.agent, (None, 0))
        before, shown = known or hello.known, f"what agent {hello.agent} has in the place of root {hello.root}"
        if before is not None and before != hello.identity:
            held = f", with {entries:,} entries" if entries else ""
            return (
                f"{shown} is not what it was: {_words(hello.identity)}, where {_words(before)} was{held}; "
                "nothing of it is taken until an operator confirms that it is meant"
            )
        others = [(agent, identity) for agent, (identity, _) in self._known.items() if agent != hello.agent and identity is not None]
        # Evidence of two trees would be merged into one that is nowhere. Inode numbers are shown, so all hosts must see the same ones.
        if before is None and others and all(are_apart(hello.identity, identity) for _, identity in others):
            agent, identity = others[0]
            return (
                f"{shown} is another tree than that of agent {agent}: {_words(hello.identity)}, where {_words(identity)} is; "
                "correct its path, or give the pipe a root of its own; nothing of it is taken until an operator confirms that it is meant"
            )
        return ""

    def waiting(self, pipe: str) -> Stranger | None:
        """What the pipe shows, and nobody has confirmed yet."""
        return next((stranger for stranger in self._strangers.values() if stranger.pipe == pipe), None)

    def accept(self, agent: str, identity: Identity) -> None:
        """This is the root, to that agent."""
        self._known[agent] = (identity, self._known.get(agent, (None, 0))[1])
        self._strangers.pop(agent, None)

    def conditions(self) -> list[Condition]:
        """What waits for an operator."""
        return [
            Condition(
                IDENTITY_CHANGED,
                each.since,
                each.message,
                f"bring the right one back; if this one is meant: fustor pipe confirm {each.pipe}",
            )
            for each in self._strangers.values()
        ]


def are_apart(one: Identity, other: Identity) -> bool:
    """Whether these cannot be one tree, as two hosts see it. Where they may be, by what is known of them, they are not."""
    if one.inode and other.inode and one.inode != other.inode:
        return True
    ids = {one.file_system_id, other.file_system_id} - {""}
    return one.file_system == other.file_system and one.file_system in _OF_ONE_HOST and len(ids) > 1


def _words(identity: Identity | None) -> str:
    if identity is None:
        return "nothing"
    system = f"{identity.file_system} {identity.file_system_id}".strip()
    return f"{system} inode {identity.inode}"
