"""All roots of one fusion: those that it has kept, and those that agents bring."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from fustor_core.errors import Refused
from fustor_fusion.roots.root import Root, RootOptions
from fustor_fusion.stores import RootStore

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")


class RootRegistry:
    """Roots by name. `open_store` opens or makes the store of a root; it may wait, so it is called on a thread."""

    def __init__(self, open_store: Callable[[str], RootStore], options: RootOptions, progress: Callable[[str, str], str]) -> None:
        self._open_store = open_store
        self._options = options
        self._progress = progress
        self._roots: dict[str, Root] = {}
        self._opening = asyncio.Lock()

    async def open(self, name: str) -> Root:
        """The root of this name, made if there is none. Raises Refused for what cannot name one."""
        if not _NAME.fullmatch(name):
            raise Refused(
                f"{name!r} cannot name a root: take a lower-case letter, then lower-case letters, digits, `_`, `-`", code="root-name"
            )
        async with self._opening:
            root = self._roots.get(name)
            if root is None:
                store = await asyncio.to_thread(self._open_store, name)
                root = self._roots[name] = Root(name, store, self._options, self._progress)
        return root

    def all(self) -> list[Root]:
        return [self._roots[name] for name in sorted(self._roots)]

    def names(self) -> list[str]:
        return sorted(self._roots)

    def get(self, name: str) -> Root | None:
        return self._roots.get(name)

    async def confirm(self, pipe: str) -> bool:
        """An operator says that what this pipe shows is meant (`Root.confirm`); False if nothing waits for that."""
        return any([await root.confirm(pipe) for root in self.all()])

    async def close(self) -> None:
        """Commit what waits, and close every store."""
        for root in self.all():
            await root.close()


def kept_roots(directory: Path) -> list[str]:
    """The names of the roots that have a store in the directory."""
    return sorted(path.stem for path in directory.glob("*.db") if _NAME.fullmatch(path.stem))
