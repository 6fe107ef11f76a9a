"""What the guard of a root holds back (`fustor_fusion.merge.guard`): shown while it stands, and looked at again when it is due."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from fustor_core.evidence import Evidence
from fustor_fusion.merge.held import Extent, Held
from fustor_fusion.stores import RootStore
from fustor_fusion.trust import Pending, Reason

log = logging.getLogger(__name__)

Ask = Callable[[Sequence[bytes], Sequence[bytes], bool], Awaitable[None]]
"""Has the agent read paths, and list directories (with all below, if the last argument says so); done when that is committed."""


class SecondLooks:
    """The second looks of the root `name`."""

    def __init__(self, name: str, store: RootStore) -> None:
        self._name = name
        self._store = store
        self._said = False

    def pending(self) -> list[Pending]:
        """What is held back at the moment."""
        return [Pending(each.path, Reason.GUARDED, each.clean_to) for each in self._store.held]

    def note(self, held: Sequence[Evidence]) -> None:
        """A commit has held this back: say so once."""
        if held and not self._said:
            self._said = True
            log.warning(
                "evidence by which much of the root would be lost is held back, and looked at again", extra=self._place(held[0].path)
            )

    async def run_once(self, now: int, ask: Ask, forget: Callable[[Sequence[Held]], Awaitable[None]]) -> None:
        """Have looked at again what is due at `now`, then forget that it was held back: what was found is committed."""
        due = self._store.due_held(now)
        if not due:
            return
        paths, listings, trees = ([each.path for each in due if each.extent is extent] for extent in Extent)
        asked = [ask(paths, listings, False)] if paths or listings else []
        await asyncio.gather(*asked, *([ask([], trees, True)] if trees else []))
        await forget(due)
        if not self._store.held:
            self._said = False
            log.info("what was held back has been looked at again", extra=self._place(due[0].path))

    def _place(self, path: bytes) -> dict[str, str]:
        return {"root": self._name, "path": path.decode("utf-8", "backslashreplace")}
