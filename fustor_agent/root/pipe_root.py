"""The root of one pipe: opened, recognised, and looked at for as long as it is held open."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, NoReturn

from fustor_agent.patience import Patience
from fustor_agent.reading.readers import Readers
from fustor_agent.root.known_roots import Known, KnownRoots
from fustor_agent.root.opening import opened
from fustor_agent.sources import Source
from fustor_core.errors import AnotherRoot, ConfigurationError, RootGone
from fustor_core.wire import Identity

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0
"""Seconds between looks at an open root: a lazy unmount raises no event, and where nothing is read nothing else would notice."""


def remedy_of(error: RootGone, pipe: str) -> str:
    """What to do about a root that is gone."""
    if isinstance(error, AnotherRoot):
        return f"bring the right one back, and it goes on by itself; if this one is meant: fustor pipe confirm {pipe}"
    return "bring the root back; what is known of it stays as it is until then"


class PipeRoot:
    """What the pipe `name` serves as `root`. What fusion has once taken is remembered in `known_roots`."""

    def __init__(self, name: str, root: str, source: Source, readers: Readers, known_roots: KnownRoots) -> None:
        self._name = name
        self._root = root
        self._source = source
        self._readers = readers
        self._known_roots = known_roots

    @property
    def known(self) -> Identity | None:
        """What it was when fusion last took it; None if it never has."""
        return self._known_roots.of(self._name, self._root, self._source.place)

    async def open(self, held: ExitStack, patience: Patience, stopping: Callable[[], bool]) -> Identity | None:
        """Hold it open until `held` is closed; what it is, or None if the pipe is to stop before that is known. ConfigurationError where
        there is none and never was, RootGone where there was."""
        try:
            return await opened(self._source, held, self._readers, patience, stopping)
        except ConfigurationError as error:
            if self.known is None:
                raise
            raise RootGone(str(error)) from error

    async def keep_looking(self) -> NoReturn:
        """Look again and again whether its path still leads to what is held open; RootGone once it does not."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self._readers.run(self._source.verify)

    def recognise(self, identity: Identity) -> None:
        """Raise AnotherRoot where this is not what fusion last took."""
        if self.known not in (None, identity):
            raise AnotherRoot(f"another file system or directory stands where the root of pipe {self._name} was")

    async def taken(self, identity: Identity) -> None:
        """Fusion has taken it for the root."""
        if self.known == identity:
            return
        known = Known(self._root, self._source.place, identity)
        try:
            await asyncio.to_thread(self._known_roots.record, self._name, known)
        except ConfigurationError as error:
            # Fusion remembers too. Without this a root that is away at the next start is taken for a mistake in the settings, no more.
            log.warning("what the root is could not be remembered: %s", error, extra={"pipe": self._name})
