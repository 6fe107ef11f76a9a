"""What `fustor status` does, and how its lines look."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from fustor_core.errors import Refused
from fustor_core.printable import one_line
from fustor_fusion.client import Client
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import asking
from fustor_fusion.commands.drift import drift_line
from fustor_fusion.commands.options import Connection
from fustor_fusion.lamp import lamp
from fustor_fusion.pipe_replies import Pipe
from fustor_fusion.replies import DriftFound

_PERIOD: Final = 1.0
_NO_DRIFTS: Final[Mapping[str, DriftFound]] = {}
_COLOURS: Final = {
    "live": "32",
    "ready": "32",
    "auditing": "32",
    "failed": "1;31",
    "halted": "1;31",
    "unknown": "31",
    "reconnecting": "33",
    "paused": "33",
}


async def show_lamps(connection: Connection, *, verbose: bool, as_json: bool, watch: bool) -> int:
    """Show all pipes; with `watch`, each time that what is shown would be another."""
    async with asking(connection, local_paths=False) as run:
        before = b""
        while True:
            pipes = await run.client.pipes()
            if as_json:
                text = json_lines.document(pipes, run.trust.meta)
            else:
                drifts = await _drifts(run.client) if verbose and any(pipe.root for pipe in pipes) else {}
                shown = lines(pipes, verbose=verbose, colours=run.output.is_terminal, drifts=drifts)
                text = "".join(shown).encode()
            if text != before:
                run.output.write(text)
                run.output.flush()
            before = text
            if not watch:
                return run.code
            await asyncio.sleep(_PERIOD)


async def _drifts(client: Client) -> Mapping[str, DriftFound]:
    """What audits found of each root that the key may read."""
    with suppress(Refused):
        return {root.root: root.drift for view in await client.views() for root in await client.roots(view.view)}
    return {}


def lines(pipes: Sequence[Pipe], *, verbose: bool, colours: bool, drifts: Mapping[str, DriftFound] = _NO_DRIFTS) -> list[str]:
    """One line a pipe; with `verbose` also its layers, its flags, its counters, all its conditions, and the drift of its root."""
    if not pipes:
        return ["no pipes yet: no agent has reported\n"]
    width = max(len(pipe.id) for pipe in pipes)
    shown = []
    for pipe in pipes:
        light = lamp(pipe)
        word = one_line(str(light))
        if colours:
            word = f"\x1b[{_COLOURS.get(light.word, '0')}m{word}\x1b[0m"
        shown.append(f"{one_line(pipe.id):<{width}}  {word}\n")
        if verbose:
            shown += [f"    {line}\n" for line in details(pipe)]
            shown += [f"    {drift_line(drifts[pipe.root])}\n"] if pipe.root in drifts else []
    return shown


def details(pipe: Pipe) -> list[str]:
    """All about one pipe, line by line."""
    wanted = f", should be {pipe.desired}" if pipe.desired else ""
    details = [
        f"{pipe.side}: {pipe.pipe_state} ({'-' if pipe.value is None else pipe.value}) since {pipe.since}{wanted}",
        f"lifecycle {pipe.lifecycle}, operation {pipe.operational}, health {pipe.health}, version {pipe.version}",
    ]
    if pipe.last_heartbeat:
        details.append(f"last heartbeat {pipe.last_heartbeat}")
    if pipe.counters:
        details.append(", ".join(f"{name} {count:,}" for name, count in sorted(pipe.counters.items())))
    return details + [one_line(f"{each.type} since {each.since or 'unknown'}: {each.message}; {each.remedy}") for each in pipe.conditions]
