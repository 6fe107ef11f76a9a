"""What the root is to each of its agents, and which agents show another: nothing of that is taken until an operator confirms that it is
meant. Plain decisions."""

from collections.abc import Iterable
from dataclasses import dataclass

from fustor_core.errors import Refused
from fustor_core.wire import IDENTITY_CHANGED, Condition, Hello, Identity
from fustor_fusion.stores import AgentRecord


@dataclass(frozen=True, slots=True)
class Stranger:
    """What an agent shows in the place of the root that it served before. `since` is wall-clock ns."""

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
        the agent remembers itself. `now` is wall-clock ns."""
        known, entries = self._known.get(hello.agent, (None, 0))
        before = known or hello.known
        if before in (None, hello.identity):
            self.accept(hello.agent, hello.identity)
            return
        held = f", with {entries:,} entries" if entries else ""
        message = (
            f"what agent {hello.agent} has in the place of root {hello.root} is not what it was: {_words(hello.identity)}, "
            f"where {_words(before)} was{held}; nothing of it is taken until an operator confirms that it is meant"
        )
        standing = self._strangers.get(hello.agent)
        since = standing.since if standing else now
        self._strangers[hello.agent] = Stranger(hello.agent, f"{hello.agent}:{hello.pipe}", hello.identity, message, since)
        raise Refused(message, code=IDENTITY_CHANGED)

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


def _words(identity: Identity | None) -> str:
    if identity is None:
        return "nothing"
    system = f"{identity.file_system} {identity.file_system_id}".strip()
    return f"{system} inode {identity.inode}"
