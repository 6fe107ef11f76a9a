"""What every query command does: open the client, turn typed paths into places, gather how far to trust the answers."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from fustor_core.cli import print_error
from fustor_core.errors import NoSuchPath, NotFreshEnough
from fustor_core.hanging import answers
from fustor_core.paths import show
from fustor_fusion.client import Client
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.output import Output
from fustor_fusion.commands.typed import Place, Source, readings
from fustor_fusion.replies import Answer, Condition, Entry, Meta, Root, raw

RESOLVED_WITHIN: Final = 1.0
"""Seconds that the file systems of this machine have to say what the paths of sources lead to."""
_BOOT_ID: Final = "/proc/sys/kernel/random/boot_id"


@dataclass(slots=True)
class Trust:
    """How far to trust all answers together: as old as the oldest, complete if each is."""

    answers: int = 0
    complete: bool = True
    as_of: str | None = None
    conditions: dict[tuple[str, str], Condition] = field(default_factory=dict)

    def hear(self, meta: Meta) -> None:
        # Times are text of one form in UTC, so the lesser text is the earlier time; None is no time at all, and stays.
        self.as_of = meta.as_of if not self.answers else min(self.as_of, meta.as_of) if self.as_of and meta.as_of else None
        self.answers += 1
        self.complete = self.complete and meta.complete
        self.conditions.update({(each.type, each.message): each for each in meta.conditions})

    def forget(self) -> None:
        """Begin anew: what was heard so far was not about the question."""
        self.answers, self.complete, self.as_of, self.conditions = 0, True, None, {}

    @property
    def meta(self) -> Meta:
        return Meta(self.as_of, self.complete, list(self.conditions.values()))

    def doubts(self) -> list[str]:
        """Why the answer may not be right, one line each; nothing to say of a complete one."""
        reasons = [f"{each.message}; {each.remedy}" if each.remedy else each.message for each in self.conditions.values()]
        if self.complete:
            return reasons
        return [f"not complete: {reason}" for reason in reasons] or ["not complete: fusion has not seen all of it yet"]


@dataclass(slots=True)
class Asking:
    """One run of a query command."""

    client: Client
    output: Output
    trust: Trust
    roots: Sequence[Root] = ()
    sources: list[Source] = field(default_factory=list)
    fresh: bool = False
    code: int = 0

    async def each_place(self, typed: Sequence[bytes], ask: Callable[[Place], Awaitable[object]], *, recursive: bool = False) -> None:
        """Ask about each path, all below it too if `recursive`; one that does not exist is reported, the others are answered, and the exit
        code is 1."""
        for path in typed:
            try:
                await ask(await self.place(path, recursive=recursive))
            except NoSuchPath as error:
                self.output.flush()
                self.code = error.exit_code
                print_error(str(error))

    async def place(self, typed: bytes, *, recursive: bool = False, may_come: bool = False) -> Place:
        """What a typed path stands for; of several readings, the first that exists, else the last, or the likeliest of what `may_come`.
        Raises NoSuchPath."""
        possible = readings(typed, here(), self.sources)
        for view in possible if may_come else possible[:-1]:
            with suppress(NoSuchPath):
                await self._freshen(view, recursive=recursive)
                await self.client.stat(view)
                return Place(typed, view)
        if not possible:
            indexed = ", ".join(sorted(show(source.path) for source in self.sources)) or "nothing on this machine"
            raise NoSuchPath(f"{show(typed)} is not indexed ({indexed} is); a path of the view begins with a slash")
        chosen = possible[0] if may_come else possible[-1]
        await self._freshen(chosen, recursive=recursive)
        return Place(typed, chosen)

    async def _freshen(self, view: bytes, *, recursive: bool) -> None:
        """Where that is wanted, have the agents look first. Raises NobodyLooks, and NotFreshEnough where they could not read all of it."""
        if not self.fresh:
            return
        answer = await self.client.refresh(view, recursive=recursive)
        if answer.data.unread:
            raise NotFreshEnough(f"{not_read(view, answer.data.unread)}: leave out --fresh to see what was known before")

    async def stat(self, place: Place) -> Answer[Entry]:
        """The entry at a place. Raises NoSuchPath, in terms of what was typed."""
        try:
            return await self.client.stat(place.view)
        except NoSuchPath as error:
            if place.typed == place.view:
                raise
            raise NoSuchPath(f"{show(place.typed)}: {error}") from error


def not_read(path: bytes, directories: int) -> str:
    """Why what was asked for could not be looked at."""
    return f"{show(path)}: the agents looked, and {directories:,} {'directory' if directories == 1 else 'directories'} could not be read"


@asynccontextmanager
async def asking(connection: Connection, *, local_paths: bool = True) -> AsyncIterator[Asking]:
    """The client, open, with the directories of this machine that fusion has an index of."""
    trust = Trust()
    client = Client(
        connection.url,
        connection.key,
        connection.view,
        max_age=connection.max_age,
        require_complete=connection.require_complete,
        heard=trust.hear,
    )
    async with client:
        run = Asking(client, Output(), trust, fresh=connection.fresh)
        if local_paths:
            run.roots = await client.roots()
            run.sources = local_sources(run.roots)
            # How the roots are altogether is not what was asked.
            trust.forget()
        yield run
        run.output.flush()
    if trust.answers and (connection.verbose or sys.stderr.isatty()):
        for doubt in trust.doubts():
            print_error(doubt)
        if connection.verbose:
            print_error(f"as of {trust.as_of or 'unknown'}, {'complete' if trust.complete else 'not complete'}")


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a command to its exit code."""
    return asyncio.run(main)


def here() -> list[bytes]:
    """The present directory: as the shell names it, if it is right, and as it really is."""
    real = os.getcwdb()
    named = os.environb.get(b"PWD", b"")
    with suppress(OSError, ValueError):
        if named.startswith(b"/") and named != real and os.path.samefile(named, real):
            return [named, real]
    return [real]


def local_sources(roots: Sequence[Root]) -> list[Source]:
    """The directories of this machine that are indexed: as the agents' settings name them, and as they really are."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        return []
    here = [(raw(source.path, source.path_b64), root.mount.encode()) for root in roots for source in root.paths if source.boot == boot]
    # One that hangs goes by the name that the settings have: what is known of it can be asked for all the same.
    real = answers([partial(os.path.realpath, path) for path, _ in here], RESOLVED_WITHIN)
    names = [(name, mount) for (path, mount), resolved in zip(here, real, strict=True) for name in (path, resolved or path)]
    return list(dict.fromkeys(Source(name, mount) for name, mount in names))
