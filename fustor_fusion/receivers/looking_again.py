"""What the agent of a session is to look at again while it leads: beside what it tells of itself, and what its own evidence calls for."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from fustor_core.errors import StoreUnavailable
from fustor_fusion.roots.root import Root
from fustor_fusion.roots.second_looks import Ask
from fustor_fusion.sessions.contradictions import Question
from fustor_fusion.sessions.table import LiveSession

log = logging.getLogger(__name__)

LOOK_TWICE_EVERY = 0.25
"""Seconds between looks whether something that is held back is due."""
LIST_EVERY = 1.0
"""Seconds between looks whether there are directories that the leader has not listed."""


class LookingAgain:
    """The standing tasks of one session, each for one reason to look again. `ask` has its agent read."""

    def __init__(self, root: Root, session: LiveSession, ask: Ask) -> None:
        self._root = root
        self._session = session
        self._ask = ask
        self._committed = asyncio.Event()

    def committed(self) -> None:
        """A commit of the session has been made."""
        self._committed.set()

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """They run for as long as the session does."""
        return [self._other_links(), self._held_back(), self._contradicted(), self._unlisted()]

    async def _other_links(self) -> None:
        """Other names of hard links that changed. A walk comes by all names, so it is waited for."""
        session = self._session
        while True:
            self._committed.clear()
            await self._committed.wait()
            while session.leads and session.snapshot_began is None and self._root.store.links_noted:
                began = session.clean_to
                if session.linked_to is None:
                    session.linked_to = began
                try:
                    more = await self._root.relook(lambda paths: self._ask(paths, [], False))
                except StoreUnavailable as error:
                    log.warning("hard links are looked at later: %s", error, extra={"session": session.id})
                    break
                if not more:
                    break
                session.linked_to = began
            if not self._root.store.links_noted:
                session.linked_to = None

    async def _held_back(self) -> None:
        """What the guard holds back, when that is due."""
        while True:
            await asyncio.sleep(LOOK_TWICE_EVERY)
            if self._session.leads:
                try:
                    await self._root.look_twice(self._ask)
                except StoreUnavailable as error:
                    log.warning("what is held back is looked at later: %s", error, extra={"session": self._session.id})

    async def _contradicted(self) -> None:
        """What agents contradict each other about."""
        contradictions, clock = self._root.contradictions, self._root.clock
        while True:
            self._committed.clear()
            await self._committed.wait()
            while self._session.leads and (question := contradictions.ask((now := clock.now()) - self._session.stamp_error(now))):
                answered = False
                try:
                    await self._answers(question)
                    answered = True
                finally:
                    contradictions.settle(answered=answered)

    async def _answers(self, question: Question) -> None:
        if question.paths:
            await self._ask(question.paths, [], False)
        if question.trees:
            await self._ask([], question.trees, True)

    async def _unlisted(self) -> None:
        """Directories that only another agent has found."""
        while True:
            await asyncio.sleep(LIST_EVERY)
            if self._session.leads:
                try:
                    await self._root.list_missing(self._ask)
                except StoreUnavailable as error:
                    log.warning("directories that were not listed are looked for later: %s", error, extra={"session": self._session.id})
