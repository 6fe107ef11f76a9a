"""What the commands of `fustor pipe` do, and how their answers look."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from fustor_core.cli import print_error
from fustor_core.errors import FustorError, NoSuchPath
from fustor_core.paths import show
from fustor_core.printable import one_line
from fustor_fusion.client import Client
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import Asking, asking
from fustor_fusion.commands.drift import drift_lines
from fustor_fusion.commands.in_root import mounted, paths_in
from fustor_fusion.commands.lamps import details
from fustor_fusion.commands.options import Connection
from fustor_fusion.lamp import lamp
from fustor_fusion.pipe_replies import HistoryRow, Pipe
from fustor_fusion.replies import DriftFound, Root

_GAP: Final = "  "


class ShownPipe(Pipe, frozen=True):
    """A pipe, with the drift of its root; None where it has none, or no view that has it may be read."""

    drift: DriftFound | None = None


def _with_drift(pipe: Pipe, roots: Sequence[Root]) -> ShownPipe:
    return msgspec.convert({**msgspec.structs.asdict(pipe), "drift": roots[0].drift if roots else None}, ShownPipe)


async def show_all(connection: Connection, *, as_json: bool) -> int:
    """A table of all pipes."""
    async with asking(connection, local_paths=False) as run:
        pipes = await run.client.pipes()
        if as_json:
            run.output.write(json_lines.document(pipes, run.trust.meta))
        else:
            _write(run, _table(pipes))
    return run.code


async def show_one(connection: Connection, pipe: str, *, as_json: bool) -> int:
    """All about one pipe."""
    async with asking(connection, local_paths=False) as run:
        found = await run.client.pipe(pipe)
        roots = await mounted(run.client, found.root) if found.root else []
        if as_json:
            run.output.write(json_lines.document(_with_drift(found, roots), run.trust.meta))
        else:
            _write(run, [f"{found.id}{_GAP}{lamp(found)}", *(f"    {line}" for line in (*details(found), *drift_lines(roots)))])
    return run.code


async def show_history(connection: Connection, pipe: str, last: int, *, as_json: bool) -> int:
    """The last steps of a pipe."""
    async with asking(connection, local_paths=False) as run:
        rows = (await run.client.history(pipe))[-last:]
        if as_json:
            run.output.write(json_lines.document(rows, run.trust.meta))
        else:
            _write(run, _aligned([("VERSION", "AT", "STATE", "EVENTS", "REASON"), *map(_row, rows)]))
    return run.code


async def steer(
    connection: Connection,
    pipe: str | None,
    verb: str,
    *,
    reason: str,
    after_halt: bool = False,
    path: bytes = b"",
    shallow: bool = False,
    as_json: bool,
) -> int:
    """Say `verb` to one pipe, or to every pipe of every agent: each is asked, and each that does not do it is named."""
    async with asking(connection, local_paths=False) as run:
        targets = [pipe] if pipe else [each.id for each in await run.client.pipes() if each.side == "agent"]
        accepted: list[Pipe] = []
        for target in targets:
            try:
                say = partial(run.client.steer, target, verb, reason=reason, after_halt=after_halt, shallow=shallow)
                accepted.append(await (_say_of(run.client, target, say, path) if path else say()))
            except FustorError as error:
                if pipe:
                    raise
                print_error(f"{target}: {error}")
                run.code = max(run.code, error.exit_code)
        if as_json:
            run.output.write(json_lines.document(accepted[0] if pipe else accepted, run.trust.meta))
        else:
            _write(run, [f"{each.id}{_GAP}should be {each.desired} ({lamp(each)} at the moment)" for each in accepted])
    return run.code


async def _say_of(client: Client, pipe: str, say: Callable[..., Awaitable[Pipe]], typed: bytes) -> Pipe:
    """Say it of a path as it was typed: of several readings, the first at which the agent finds something. Raises NoSuchPath."""
    root = (await client.pipe(pipe)).root
    for path in paths_in(await mounted(client, root), typed):
        with suppress(NoSuchPath):
            return await say(path=path)
    raise NoSuchPath(f"{show(typed)}: the agent looked, and the root {root} holds nothing there; give a path of a view, or in the root")


def _table(pipes: Sequence[Pipe]) -> list[str]:
    if not pipes:
        return ["no pipes yet: no agent has reported"]
    rows = [(each.id, str(lamp(each)), each.pipe_state, each.health, each.desired, each.since) for each in pipes]
    return _aligned([("PIPE", "DOES", "STATE", "HEALTH", "SHOULD BE", "SINCE"), *rows])


def _row(row: HistoryRow) -> tuple[str, ...]:
    return str(row.version), row.at, row.pipe_state, ",".join(row.events) or "-", row.reason


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    clean = [tuple(map(one_line, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    return [_GAP.join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in clean]


def _write(run: Asking, lines: Sequence[str]) -> None:
    run.output.write("".join(f"{one_line(line)}\n" for line in lines).encode("utf-8", "surrogateescape"))
