"""What `fustor changes` does."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from fustor_core.cli import print_error
from fustor_core.errors import Unreachable
from fustor_fusion.client import Client
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import Asking, asking
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.typed import Place
from fustor_fusion.replies import Answer, Change, raw

_AT_ONCE: Final = 20.0
"""Seconds that fusion waits for a change before it answers that there was none."""
_RETRY: Final = 1.0


async def show_changes(connection: Connection, typed: bytes, *, follow: bool, after: str | None, as_json: bool) -> int:
    """Print the changes that are kept; with `follow` also those that come."""
    async with asking(connection) as run:
        place = await run.place(typed, may_come=True)
        found: list[Change] = []
        cursor, waits, heard = after, False, False
        while True:
            answer = await _ask(run, place, cursor, waits=waits, patient=follow and heard)
            heard = True
            for change in answer.data:
                if not as_json or follow:
                    run.output.write(_line(run, place, change, as_json=as_json))
            found += answer.data if as_json and not follow else ()
            # A page may be empty and have more behind it: the end is where the cursor stays.
            at_end, cursor = answer.meta.next == cursor, answer.meta.next
            if follow:
                run.output.flush()
                waits = at_end or not answer.data
            elif at_end:
                break
        if as_json:
            run.output.write(json_lines.document(found, answer.meta))
    return run.code


async def _ask(run: Asking, place: Place, cursor: str | None, *, waits: bool, patient: bool) -> Answer[Sequence[Change]]:
    """The next page; with `patient` a fusion that cannot be reached is waited for."""
    client: Client = run.client
    told = False
    while True:
        run.trust.forget()
        try:
            return await client.changes(place.view, after=cursor, wait=_AT_ONCE if waits else 0.0)
        except Unreachable as error:
            if not patient:
                raise
            if not told:
                print_error(f"{error}; trying again")
            told = True
            await asyncio.sleep(_RETRY)


def _line(run: Asking, place: Place, change: Change, *, as_json: bool) -> bytes:
    if as_json:
        return msgspec.json.encode(change) + b"\n"
    path = raw(change.path, change.path_b64)
    # What is gone may have been above the place, and took it along.
    shown = place.shown(path) if path == place.view or path.startswith(place.view.rstrip(b"/") + b"/") else path
    return f"{change.at} {change.kind:<8} ".encode() + run.output.name(shown) + b"\n"
