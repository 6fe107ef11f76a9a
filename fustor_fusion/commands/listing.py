"""What `fustor ls` does, and how its lines look."""

import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fustor_core.evidence import Kind
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import Asking, asking
from fustor_fusion.commands.names import group_name, human_size, user_name
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.typed import Place
from fustor_fusion.expression.modes import mode_string
from fustor_fusion.expression.moments import local
from fustor_fusion.replies import Entry

_HALF_YEAR: Final = 31_556_952 // 2
_COLOURS: Final = {Kind.DIRECTORY: b"\x1b[1;34m", Kind.SYMLINK: b"\x1b[1;36m", Kind.OTHER: b"\x1b[33m"}
_EXECUTABLE: Final = b"\x1b[1;32m"
_PLAIN: Final = b"\x1b[0m"


@dataclass(frozen=True, slots=True)
class Listing:
    """What is to be shown, and how. `now`: seconds since 1970."""

    is_long: bool
    with_hidden: bool
    themselves: bool
    human: bool
    as_json: bool
    now: int


async def list_paths(connection: Connection, typed: Sequence[bytes], wanted: Listing) -> int:
    """List each path, files first, then directories under their names where there are several paths."""
    files: list[tuple[bytes, Entry]] = []
    directories: list[tuple[Place, Entry]] = []
    async with asking(connection) as run:

        async def sort_in(place: Place) -> None:
            entry = (await run.stat(place)).data
            if entry.is_directory and not wanted.themselves:
                directories.append((place, entry))
            else:
                files.append((place.typed, entry))

        await run.each_place(typed, sort_in)
        if wanted.as_json:
            await _as_json(run, files, directories, wanted)
        else:
            await _as_lines(run, files, directories, wanted, titled=len(typed) > 1)
    return run.code


async def _as_lines(
    run: Asking, files: list[tuple[bytes, Entry]], directories: list[tuple[Place, Entry]], wanted: Listing, *, titled: bool
) -> None:
    _write(run, sorted(files, key=lambda each: each[0]), wanted)
    for number, (place, _) in enumerate(sorted(directories, key=lambda each: each[0].typed)):
        if titled:
            run.output.write((b"\n" if number or files else b"") + run.output.name(place.typed) + b":\n")
        held = [(entry.raw_name, entry) async for entry in run.client.list(place.view) if _is_wanted(entry, wanted)]
        if wanted.is_long:
            blocks = sum(entry.allocated or 0 for _, entry in held)
            run.output.write(b"total " + (human_size(blocks) if wanted.human else b"%d" % -(-blocks // 1024)) + b"\n")
        _write(run, held, wanted)


async def _as_json(run: Asking, files: list[tuple[bytes, Entry]], directories: list[tuple[Place, Entry]], wanted: Listing) -> None:
    stream = json_lines.Stream()
    run.output.write(stream.begin())
    for _, entry in files:
        run.output.write(stream.item(entry))
    for place, _ in directories:
        async for entry in run.client.list(place.view):
            if _is_wanted(entry, wanted):
                run.output.write(stream.item(entry))
    run.output.write(stream.end(run.trust.meta))


def _is_wanted(entry: Entry, wanted: Listing) -> bool:
    return wanted.with_hidden or not entry.raw_name.startswith(b".")


def _write(run: Asking, entries: Sequence[tuple[bytes, Entry]], wanted: Listing) -> None:
    names = [run.output.name(name) for name, _ in entries]
    if run.output.is_terminal:
        names = [coloured(name, entry) for name, (_, entry) in zip(names, entries, strict=True)]
    if wanted.is_long:
        names = long_lines([entry for _, entry in entries], names, wanted.now, human=wanted.human)
    run.output.write(b"".join([name + b"\n" for name in names]))


def long_lines(entries: Sequence[Entry], names: Sequence[bytes], now: int, *, human: bool) -> list[bytes]:
    """The lines of `ls -l`, as wide as they need to be; `?` for what is not known (yet)."""
    rows = [
        (
            mode_string(entry.full_mode).encode(),
            _number(entry.nlink),
            user_name(entry.uid),
            group_name(entry.gid),
            human_size(entry.size) if human and entry.size is not None else _number(entry.size),
            b"?" if entry.modified is None else short_time(entry.modified[0], now),
        )
        for entry in entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # Names to the left, numbers to the right.
    adjust = (bytes.ljust, bytes.rjust, bytes.ljust, bytes.ljust, bytes.rjust, bytes.rjust)
    return [
        b" ".join([to(value, width) for to, value, width in zip(adjust, row, widths, strict=True)]) + b" " + name
        for row, name in zip(rows, names, strict=True)
    ]


def short_time(seconds: int, now: int) -> bytes:
    """A time as `ls -l` shows it: the hour for the last half year, else the year."""
    recent = now - _HALF_YEAR < seconds <= now
    at = local(seconds)
    shown = str(seconds) if at is None else time.strftime("%b %e %H:%M" if recent else "%b %e  %Y", at)
    return shown.encode("utf-8", "surrogateescape")


def coloured(name: bytes, entry: Entry) -> bytes:
    """The name in the colour of what it is, as `ls` has it by default."""
    executable = entry.type is Kind.FILE and entry.full_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    colour = _EXECUTABLE if executable else _COLOURS.get(entry.type)
    return name if colour is None else colour + name + _PLAIN


def _number(value: int | None) -> bytes:
    return b"?" if value is None else b"%d" % value
