"""What `fustor stat` does, and how its block looks."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fustor_core.paths import show
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import asking
from fustor_fusion.commands.names import group_name, user_name
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.stat_format import Facts, parse_format, type_name, zoned
from fustor_fusion.commands.typed import Place
from fustor_fusion.expression.modes import ALL_BITS, mode_string
from fustor_fusion.replies import Answer, Entry, Meta

_TRUTH: Final[Mapping[bool | None, str]] = {True: "yes", False: "no", None: "unknown"}


async def show_each(connection: Connection, typed: Sequence[bytes], layout: str | None, *, as_json: bool) -> int:
    """Show each path, in the layout that is wanted."""
    fill = None if layout is None else parse_format(os.fsencode(layout))
    async with asking(connection) as run:
        mounts = {root.root: root.mount for root in run.roots}

        async def show_one(place: Place) -> None:
            answer = await run.stat(place)
            run.output.write(_shown(answer, place, fill, mounts, run.output.name, as_json=as_json))

        await run.each_place(typed, show_one)
    return run.code


def _shown(
    answer: Answer[Entry],
    place: Place,
    fill: Callable[[Facts], bytes] | None,
    mounts: Mapping[str, str],
    name: Callable[[bytes], bytes],
    *,
    as_json: bool,
) -> bytes:
    if as_json:
        return json_lines.document(answer.data, answer.meta)
    if fill is not None:
        return fill(Facts(answer.data, name(place.typed), mounts.get(answer.data.root or "", "/"))) + b"\n"
    return block(answer.data, place.typed, answer.meta).encode("utf-8", "surrogateescape")


def block(entry: Entry, typed: bytes, meta: Meta) -> str:
    """What is known of an entry, laid out as stat does, and below it what only an index knows."""
    mode = f"({entry.mode & ALL_BITS:04o}/{mode_string(entry.mode)})" if entry.mode is not None else "unknown"
    blocks = None if entry.allocated is None else entry.allocated // 512
    lines = [
        f"  File: {show(typed)}",
        f"  Size: {_or_unknown(entry.size):<15} Blocks: {_or_unknown(blocks):<10} {type_name(entry)}",
        f" Inode: {_or_unknown(entry.inode):<15} Links: {_or_unknown(entry.nlink)}",
        f"Access: {mode}  Uid: {_owner(entry.uid, user_name)}   Gid: {_owner(entry.gid, group_name)}",
        f"Modify: {zoned(entry.modified)}",
        f"Change: {zoned(entry.status_changed)}",
        f"  Root: {entry.root or 'none: this directory is only in the view'}",
        f" State: settled {_TRUTH[entry.settled]}, being written {_TRUTH[entry.writing]}",
        f"  Seen: {entry.changed_at or 'unknown'}{f', by {entry.via}' if entry.via else ''}",
        f" As of: {meta.as_of or 'unknown'}, {'complete' if meta.complete else 'not complete'}",
    ]
    lines += [f"  Note: {condition.message}; {condition.remedy}" for condition in meta.conditions]
    return "\n".join(lines) + "\n"


def _or_unknown(value: int | str | None) -> str:
    return "unknown" if value is None else str(value)


def _owner(number: int | None, name: Callable[[int | None], bytes]) -> str:
    return "unknown" if number is None else f"({number:>5}/{name(number).decode('utf-8', 'surrogateescape'):>8})"
