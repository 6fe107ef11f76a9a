"""Verifies what one root claims at and below a path: takes claims, has the agent look, and compares with what is committed then."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from fustor_core.evidence import Kind
from fustor_core.paths import split
from fustor_fusion.api.ports import RootAccess
from fustor_fusion.query import Filter, Found
from fustor_fusion.stores import Reading
from fustor_fusion.verify import GONE, MISSING, Claim, Tally, changed_since, kind_of_difference
from fustor_fusion.views import InRoot, view_path

AT_ONCE: Final = 1_000
"""Paths in one look: an agent reads so many in a moment, and what it found travels as one."""
_ALL: Final = 2**31
_EVERYTHING: Final = Filter()


class Lookable(RootAccess, Protocol):
    """A root whose agents can be asked."""

    async def look(self, paths: Sequence[bytes], directories: Sequence[bytes], *, recursive: bool) -> None:
        """Have these read again, and wait until what was found is committed. NobodyLooks or SessionLost if nobody can."""


class Verification:
    """One run over one root."""

    def __init__(self, root: Lookable, place: InRoot) -> None:
        self._root = root
        self._place = place
        self._tally = Tally()

    async def run(self, sample: int | None) -> Tally:
        """Verify so many entries at random, or all (None). Paths in the result are those of the view."""
        pages = self._all() if sample is None else self._sampled(sample)
        async for paths in pages:
            claimed_at = time.time_ns()
            claims = await asyncio.to_thread(self._claim, paths)
            await self._look(claims)
            suspects = await asyncio.to_thread(self._compare, claims, claimed_at)
            if suspects:
                # When something went can only be told from the directory that it was in: that is to be known as it is, too.
                await self._root.look(list(dict.fromkeys(split(path)[0] for path in suspects)), [], recursive=False)
                await asyncio.to_thread(self._judge_gone, suspects, claimed_at)
        self._tally.examples = [(view_path(self._place.mount, path), kind) for path, kind in self._tally.examples]
        return self._tally

    async def _look(self, claims: Sequence[Claim]) -> None:
        directories = [claim.path for claim in claims if claim.names is not None]
        await self._root.look([claim.path for claim in claims], directories, recursive=False)

    # Which entries

    async def _all(self) -> AsyncIterator[list[bytes]]:
        after: str | None = None
        while True:
            page, after = await asyncio.to_thread(self._page, after)
            if page:
                yield page
            if after is None:
                return

    def _page(self, after: str | None) -> tuple[list[bytes], str | None]:
        with self._root.store.reading() as reading:
            page = reading.search(self._place.path, _EVERYTHING, after, AT_ONCE)
        return [found.path for found in page.entries], page.next

    async def _sampled(self, size: int) -> AsyncIterator[list[bytes]]:
        picked = await asyncio.to_thread(self._pick, size)
        for first in range(0, len(picked), AT_ONCE):
            yield picked[first : first + AT_ONCE]

    def _pick(self, size: int) -> list[bytes]:
        """So many entries, each with the same chance, whatever their number is."""
        picked: list[bytes] = []
        seen = 0
        after: str | None = ""
        with self._root.store.reading() as reading:
            while after is not None:
                page = reading.search(self._place.path, _EVERYTHING, after or None, 10 * AT_ONCE)
                after = page.next
                for found in page.entries:
                    seen += 1
                    if len(picked) < size:
                        picked.append(found.path)
                    elif (place := random.randrange(seen)) < size:
                        picked[place] = found.path
        return picked

    # Claims, and what became of them

    def _claim(self, paths: Sequence[bytes]) -> list[Claim]:
        """What is claimed of these at this moment; those of which nothing can be claimed are left out."""
        claims = []
        with self._root.store.reading() as reading:
            for path in paths:
                found = reading.find(path)
                if found is None or found.entry is None or reading.trust(path).unreadable:
                    self._tally.leave_out()
                    continue
                claims.append(Claim(path, found.entry, _names(reading, found)))
        return claims

    def _compare(self, claims: Sequence[Claim], claimed_at: int) -> list[bytes]:
        """Compare claims with what is known after the look. The paths of those that have gone."""
        tally, suspects = self._tally, []
        with self._root.store.reading() as reading:
            for claim in claims:
                found = reading.find(claim.path)
                if found is None:
                    suspects.append(claim.path)
                elif found.entry is None or reading.trust(claim.path).unreadable:
                    tally.leave_out()
                elif (kind := kind_of_difference(claim.entry, found.entry)) is None:
                    tally.right()
                elif changed_since(found.entry, claimed_at):
                    tally.leave_out()
                else:
                    tally.differs(claim.path, kind)
                if found is not None and claim.names is not None:
                    self._look_for_missing(reading, found, claim.names, claimed_at)
        return suspects

    def _look_for_missing(self, reading: Reading, directory: Found, claimed: frozenset[bytes], claimed_at: int) -> None:
        for found in reading.children(directory.path, None, _ALL):
            if split(found.path)[1] in claimed or found.entry is None:
                continue
            if changed_since(found.entry, claimed_at):
                self._tally.leave_out()
            else:
                self._tally.differs(found.path, MISSING)

    def _judge_gone(self, suspects: Sequence[bytes], claimed_at: int) -> None:
        with self._root.store.reading() as reading:
            for path in suspects:
                directory, above = path, None
                while above is None and directory:
                    directory = split(directory)[0]
                    above = reading.find(directory)
                if above is None or above.entry is None or changed_since(above.entry, claimed_at):
                    self._tally.leave_out()
                else:
                    self._tally.differs(path, GONE)


def _names(reading: Reading, found: Found) -> frozenset[bytes] | None:
    """The names that are known in a directory that has to be listed."""
    if found.kind is not Kind.DIRECTORY or found.entry is None or found.entry.mount < 0:
        return None
    return frozenset(split(child.path)[1] for child in reading.children(found.path, None, _ALL))
