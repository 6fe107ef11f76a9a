"""What is in doubt in one root because its agents contradict each other, until the leader has looked again. Pure; times are stamps."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fustor_fusion.merge.doubts import Doubt

MOST = 10_000
"""So many paths are kept one by one; more are folded into the whole root."""
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """What the leader is asked to look at, and to list with all below."""

    doubts: tuple[Doubt, ...]

    @property
    def paths(self) -> list[bytes]:
        return [doubt.path for doubt in self.doubts if not doubt.tree]

    @property
    def trees(self) -> list[bytes]:
        return [doubt.path for doubt in self.doubts if doubt.tree]


class Contradictions:
    """Doubts that wait, and those that somebody is looking at. A path that comes into doubt again meanwhile is asked for again."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, Doubt] = {}
        self._asked: dict[bytes, Doubt] = {}

    def note(self, doubts: Iterable[Doubt]) -> None:
        for doubt in doubts:
            self._add(doubt)
        if len(self._waiting) > MOST:
            every = self._waiting.values()
            self._waiting = {b"": Doubt(b"", min(each.since for each in every), max(each.until for each in every), tree=True)}

    def ask(self, now: int) -> Question | None:
        """What to ask at `now`: a look that begins then is newer than what contradicts. To be settled before the next."""
        due = [doubt for doubt in self._waiting.values() if doubt.until < now][:AT_ONCE]
        for doubt in due:
            self._asked[doubt.path] = self._waiting.pop(doubt.path)
        return Question(tuple(due)) if due else None

    def settle(self, *, answered: bool) -> None:
        """The last question has been answered, or (the session ended) will not be."""
        asked, self._asked = self._asked, {}
        if not answered:
            self.note(asked.values())

    @property
    def standing(self) -> list[Doubt]:
        """All that is in doubt."""
        return [*self._waiting.values(), *self._asked.values()]

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def _add(self, doubt: Doubt) -> None:
        before = self._waiting.get(doubt.path)
        if before is not None:
            doubt = replace(
                doubt, since=min(doubt.since, before.since), until=max(doubt.until, before.until), tree=doubt.tree or before.tree
            )
        self._waiting[doubt.path] = doubt
