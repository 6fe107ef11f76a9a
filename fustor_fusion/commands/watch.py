"""`fustor status --watch`: a table of all pipes that stays up to date, until Ctrl-C."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fustor_core.errors import Unreachable
from fustor_core.printable import one_line
from fustor_fusion.client import Client
from fustor_fusion.commands.lamps import details
from fustor_fusion.commands.options import Connection
from fustor_fusion.lamp import lamp
from fustor_fusion.pipe_replies import Pipe

PERIOD: Final = 0.5
"""Seconds between questions."""
PATIENCE: Final = 5.0
_STYLES: Final = {
    "live": "green",
    "ready": "green",
    "auditing": "green",
    "snapshot": "cyan",
    "failed": "bold red",
    "halted": "bold red",
    "unknown": "red",
    "reconnecting": "yellow",
    "paused": "yellow",
}


async def watch(connection: Connection, *, verbose: bool) -> int:
    """Show the pipes until Ctrl-C. A fusion that does not answer is said so in the place of the table, and asked again."""
    # The first answer decides whether there is anything to watch: a wrong key or address ends the command.
    with _interrupted() as interrupted:
        async with Client(connection.url, connection.key, connection.view, timeout=PATIENCE) as client:
            pipes = await client.pipes()
            with Live(_table(pipes, verbose), console=Console(), auto_refresh=False) as live:
                while not interrupted.is_set():
                    try:
                        live.update(_table(await client.pipes(), verbose), refresh=True)
                    except Unreachable as error:
                        live.update(Text(one_line(f"no answer: {error}"), style="red"), refresh=True)
                    await _pause(interrupted)
    return 0


async def _pause(interrupted: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(PERIOD):
            await interrupted.wait()
    except TimeoutError:
        return


@contextmanager
def _interrupted() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C sets: the table is left as it was last, and the terminal as it was before."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _table(pipes: Sequence[Pipe], verbose: bool) -> Group | Table | Text:
    if not pipes:
        return Text("no pipes yet: no agent has reported")
    table = Table(box=None, pad_edge=False)
    for heading in ("PIPE", "DOES", "WHY", "SHOULD BE", "SINCE"):
        table.add_column(heading, overflow="fold")
    for pipe in pipes:
        light = lamp(pipe)
        style = _STYLES.get(light.word.split()[0], "")
        does, why = Text(one_line(light.word), style=style), Text(one_line(light.cause))
        table.add_row(Text(one_line(pipe.id)), does, why, Text(pipe.desired), Text(_seconds(pipe.since)))
    if not verbose:
        return table
    more = [Text(line, style="dim") for pipe in pipes for line in (one_line(pipe.id), *(f"    {one_line(each)}" for each in details(pipe)))]
    return Group(table, *more)


def _seconds(time: str) -> str:
    """A time without its fraction, which only flickers here."""
    whole, _, _ = time.partition(".")
    return f"{whole}Z" if whole != time else time
