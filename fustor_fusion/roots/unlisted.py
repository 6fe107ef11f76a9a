"""Has the leading agent list the directories that it has not, although it has told all that it noticed.

Another agent has found those, in a place of which no event reached the leader: until it has listed them itself, nobody follows them for the
root, and no answer that they are part of is complete.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from fustor_core.paths import show
from fustor_fusion.roots.second_looks import Ask
from fustor_fusion.stores import RootStore

log = logging.getLogger(__name__)

AT_ONCE = 1_000
FIRST_REST, LONGEST_REST = 1.0, 300.0
"""Seconds until a directory is asked for again that an answer has not made listed: twice as long each time."""
REST_AFTER_SEARCH = 20
"""A search rests for so many times its own duration, so that it takes a twentieth of a processor at most."""


class Unlisted:
    """The directories of one root, `name`, that its leader lacks; `clock` is in seconds."""

    def __init__(self, name: str, store: RootStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._store = store
        self._clock = clock
        self._seen_at: int | None = None
        self._asked: frozenset[bytes] = frozenset()
        self._rest = FIRST_REST
        self._from = 0.0

    async def run_once(self, now: int, told_to: int, ask: Ask) -> None:
        """Have listed what is lacking since before `told_to`: all that the leader noticed by then has been committed. `now` is on the same
        clock; not to be called while the leader reads everything for the first time."""
        if self._clock() < self._from:
            return
        directories = await asyncio.to_thread(self._find)
        if not directories:
            self._seen_at, self._asked, self._rest = None, frozenset(), FIRST_REST
            return
        if self._seen_at is None:
            self._seen_at = now
        if told_to <= self._seen_at:
            return
        log.info("the leader is asked to list directories that it has not", extra={
            "root": self._name, "directories": len(directories), "first": show(directories[0])})  # fmt: skip
        await ask([], directories, False)
        self._rest = FIRST_REST if self._asked.isdisjoint(directories) else min(2 * self._rest, LONGEST_REST)
        self._seen_at, self._asked, self._from = None, frozenset(directories), self._clock() + self._rest

    def _find(self) -> list[bytes]:
        """What is lacking. Reads the store, so it is called on a thread."""
        began = self._clock()
        # Asked before, so that none counts of which the listing has been applied meanwhile, and not the other way round.
        sweeping = {sweep.listing.path for sweep in self._store.sweeping}
        with self._store.reading() as reading:
            directories = [path for path in reading.unlisted(AT_ONCE) if path not in sweeping]
        self._from = self._clock() + REST_AFTER_SEARCH * (self._clock() - began)
        return directories
