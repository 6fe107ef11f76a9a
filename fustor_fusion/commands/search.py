"""What `fustor find` does: plans the expression, asks for a superset of what matches, and evaluates it as it streams in."""

import locale
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import msgspec

from fustor_core.errors import ConfigurationError, NoSuchPath
from fustor_core.evidence import Kind, kind_of
from fustor_core.paths import show
from fustor_core.times import format_instant
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import Asking, asking
from fustor_fusion.commands.locales import characters_are_utf8
from fustor_fusion.commands.names import group_id, name_of_group, name_of_user, user_id
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.typed import Place
from fustor_fusion.expression.arguments import Context
from fustor_fusion.expression.parse import parse
from fustor_fusion.expression.plan import Filters, Plan, named_references, plan
from fustor_fusion.expression.tree import Action, Do, Expression, Printf, leaves
from fustor_fusion.expression.visit import Quit, Surroundings, Visit
from fustor_fusion.expression.walk import Walk
from fustor_fusion.replies import Entry


async def search(connection: Connection, typed: Sequence[bytes], words: Sequence[bytes], *, as_json: bool) -> int:
    """Find below each path. What is wrong with the expression is found before anything is asked."""
    context = Context(divmod(time.time_ns(), 10**9), user_id, group_id, utf8=characters_are_utf8())
    with suppress(locale.Error):
        # Names of months in -ls and -printf are those of the user's locale, as find has them.
        locale.setlocale(locale.LC_TIME, "")
    expression = parse(words, context, printing=not as_json)
    if as_json:
        _refuse_output(expression)
    async with asking(connection) as run:
        references = {path: await _reference(run, path) for path in named_references(expression)}
        walker = _Search(run, expression, plan(expression, references), references, context, as_json=as_json)
        with suppress(Quit):
            await run.each_place(typed, walker.below, recursive=expression.max_depth is None or expression.max_depth > 1)
        walker.end()
    return run.code


class _Search:
    """One find over all its starting points."""

    def __init__(
        self, run: Asking, expression: Expression, made: Plan, references: dict[bytes, Entry], context: Context, *, as_json: bool
    ) -> None:
        self._run = run
        self._expression = expression
        self._plan = made
        self._empty: set[bytes] = set()
        self._stream = json_lines.Stream() if as_json else None
        around = Surroundings(
            now=context.now,
            write=run.output.write,
            user=name_of_user,
            group=name_of_group,
            references=references,
            is_empty=self._is_empty,
            shown=run.output.name,
            utf8=context.utf8,
        )
        self._walk = Walk(expression, around)
        if self._stream:
            run.output.write(self._stream.begin())

    async def below(self, place: Place) -> None:
        """Walk one starting point."""
        start = Visit((await self._run.stat(place)).data, place.typed, place.typed, 0)
        deeper = start.entry.is_directory and self._expression.max_depth != 0
        if start.entry.is_directory:
            await self._learn_empty(place, deeper=deeper)
        if self._plan.prunes and deeper:
            self._walk.scout(Visit(start.entry, start.path, start.start, 0))
            async for visit in self._visits(place, {**self._plan.filters, "type": self._directories()}):
                self._walk.scout(visit)
        self._meet(start)
        if deeper:
            async for visit in self._visits(place, self._plan.filters):
                self._meet(visit)

    def end(self) -> None:
        if self._stream:
            self._run.output.write(self._stream.end(self._run.trust.meta))

    def _meet(self, visit: Visit) -> None:
        if self._walk.meet(visit) and self._stream:
            self._run.output.write(self._stream.item(visit.entry))

    async def _visits(self, place: Place, filters: Filters) -> AsyncIterator[Visit]:
        if filters.get("type") == "":
            return
        async for entry in self._run.client.find(place.view, **filters):
            shown, depth = place.locate(entry.raw_path)
            yield Visit(entry, shown, place.typed, depth)

    def _directories(self) -> str:
        """The kinds to ask for where only directories matter: none, if the expression wants none."""
        wanted = self._plan.filters.get("type")
        return str(Kind.DIRECTORY) if wanted is None or str(Kind.DIRECTORY) in str(wanted).split(",") else ""

    async def _learn_empty(self, place: Place, *, deeper: bool) -> None:
        """Which directories are empty, if the expression asks: no entry tells."""
        if not (self._plan.asks_empty or self._plan.empty_asked):
            return
        held = self._run.client.list(place.view)
        if await anext(held, None) is None:
            self._empty.add(place.view)
        await held.aclose()  # type: ignore[attr-defined]  # an asynchronous generator, which is to be closed where it is left
        if self._plan.asks_empty and deeper:
            async for entry in self._run.client.find(place.view, type="dir", empty=True, min_depth=1, max_depth=self._expression.max_depth):
                self._empty.add(entry.raw_path)

    def _is_empty(self, visit: Visit) -> bool:
        return visit.entry.raw_path in self._empty or (self._plan.empty_asked and visit.depth > 0)


def _refuse_output(expression: Expression) -> None:
    for leaf in leaves(expression.root):
        if isinstance(leaf, Printf) or (isinstance(leaf, Do) and leaf.action not in (Action.PRUNE, Action.QUIT)):
            name = "-printf" if isinstance(leaf, Printf) else leaf.action.value
            raise ConfigurationError(f"find: --json prints whole entries: leave out {name}")


async def _reference(run: Asking, typed: bytes) -> Entry:
    """The entry that -newer names: in the view, or else on this machine, where stamp files lie."""
    try:
        place = await run.place(typed)
        return (await run.stat(place)).data
    except NoSuchPath as error:
        try:
            found = os.lstat(typed)
        except (OSError, ValueError):
            raise NoSuchPath(f"find: -newer: neither the view nor this machine has {show(typed)}") from error
    times = [format_instant(*divmod(at, 10**9)) for at in (found.st_mtime_ns, found.st_ctime_ns)]
    return msgspec.structs.replace(Entry("", "", kind_of(found.st_mode)), mtime=times[0], ctime=times[1])
