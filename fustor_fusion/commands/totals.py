"""What `fustor du` does: totals are asked for down to a depth, and added up from all entries where every directory is wanted."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from fustor_core.errors import ConfigurationError, NoSuchPath
from fustor_core.evidence import Kind
from fustor_core.times import parse_instant
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import Asking, asking
from fustor_fusion.commands.names import human_size
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.tree import Amount, Tree, post_order
from fustor_fusion.commands.typed import Place
from fustor_fusion.expression.moments import local_minute
from fustor_fusion.replies import Entry, Usage

_AT_ONCE: Final = 16
"""Totals asked for at the same time: enough to hide the way there and back, and no burden."""
_SUFFIXES: Final[dict[str, int]] = {"": 1, **{unit: 1024**power for power, unit in enumerate("KMGTPE", start=1)}}
_THOUSANDS: Final[dict[str, int]] = {"": 1, **{unit: 1000**power for power, unit in enumerate("KMGTPE", start=1)}}


@dataclass(frozen=True, slots=True)
class Totals:
    """What is to be shown, and how. `threshold`: at least so many bytes, or where it is negative at most."""

    max_depth: int | None = None
    with_files: bool = False
    grand_total: bool = False
    unit: Literal["bytes", "kibibytes", "human"] = "bytes"
    allocated: bool = False
    threshold: int | None = None
    end: bytes = b"\n"
    with_time: bool = False
    as_json: bool = False

    def number(self, amount: Amount) -> int:
        """What counts of an amount."""
        return amount.allocated if self.allocated else amount.bytes

    def is_shown(self, amount: Amount) -> bool:
        if self.threshold is None:
            return True
        number = self.number(amount)
        return number <= -self.threshold if self.threshold < 0 else number >= self.threshold


@dataclass(slots=True)
class _Shown:
    """What was printed so far."""

    sum: Amount = field(default_factory=Amount)
    items: list[dict[str, object]] = field(default_factory=list)


def parse_threshold(text: str) -> int:
    """The bytes of a `--threshold`: a number with K, M, G… (powers of 1024; KB, MB… of 1000), negative for "at most"."""
    match = re.fullmatch(r"(-?)(\d{1,20})([KMGTPE]?)(i?B)?", text, re.ASCII | re.IGNORECASE)
    if match is None or (match[1] and not int(match[2])):
        raise ConfigurationError(f"du: --threshold {text!r}: it takes a size such as 100M, or -100M for at most as much")
    unit = match[3].upper()
    factor = (_THOUSANDS if (match[4] or "").upper() == "B" else _SUFFIXES)[unit]
    return int(match[1] + match[2]) * factor


async def show_totals(connection: Connection, typed: Sequence[bytes], wanted: Totals) -> int:
    """Print the totals of each path, and of all together if that is wanted."""
    shown = _Shown()
    async with asking(connection) as run:

        async def show(place: Place) -> None:
            start = (await run.stat(place)).data
            amounts = await _amounts(run, place, start, wanted)
            for view in post_order(amounts, place.view):
                _show(run, place.shown(view), amounts[view], wanted, shown, always=view == place.view and not start.is_directory)
            shown.sum.add(amounts[place.view])

        await run.each_place(typed, show, recursive=True)
        if wanted.grand_total:
            _show(run, b"total", shown.sum, wanted, shown, always=True)
        if wanted.as_json:
            run.output.write(json_lines.document(shown.items, run.trust.meta))
    return run.code


async def _amounts(run: Asking, place: Place, start: Entry, wanted: Totals) -> dict[bytes, Amount]:
    """What is to be shown at and below the place, by path of the view."""
    if not start.is_directory or wanted.max_depth == 0:
        return {place.view: _amount((await run.client.usage(place.view)).data)}
    if wanted.max_depth is None:
        tree = Tree(place.view, with_files=wanted.with_files)
        tree.add(start)
        async for entry in run.client.find(place.view, min_depth=1):
            tree.add(entry)
        return tree.amounts
    return await _amounts_to(run, place, wanted)


async def _amounts_to(run: Asking, place: Place, wanted: Totals) -> dict[bytes, Amount]:
    """Down to a depth: each directory's total is one question, however much is below it."""
    kinds = None if wanted.with_files else str(Kind.DIRECTORY)
    amounts: dict[bytes, Amount] = {}
    directories = [place.view]
    async for entry in run.client.find(place.view, type=kinds, min_depth=1, max_depth=wanted.max_depth):
        if entry.is_directory:
            directories.append(entry.raw_path)
        else:
            amounts[entry.raw_path] = Amount.of(entry)
    queue = iter(directories)

    async def ask() -> None:
        for path in queue:
            try:
                amounts[path] = _amount((await run.client.usage(path)).data)
            except NoSuchPath:
                # It went away while its neighbours were asked for; the place itself must be there.
                if path == place.view:
                    raise

    await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
    return amounts


def _amount(usage: Usage) -> Amount:
    return Amount(usage.bytes, usage.allocated, None if usage.newest_change is None else parse_instant(usage.newest_change))


def _show(run: Asking, name: bytes, amount: Amount, wanted: Totals, shown: _Shown, *, always: bool) -> None:
    if not wanted.is_shown(amount) and not (always and wanted.threshold is None):
        return
    if wanted.as_json:
        shown.items.append({"path": name.decode("utf-8", "replace"), "bytes": amount.bytes, "allocated": amount.allocated})
        return
    fields = [_text(wanted.number(amount), wanted.unit)]
    if wanted.with_time:
        fields.append(b"?" if amount.newest is None else local_minute(amount.newest).encode())
    run.output.write(b"\t".join([*fields, name if wanted.end == b"\0" else run.output.name(name)]) + wanted.end)


def _text(number: int, unit: Literal["bytes", "kibibytes", "human"]) -> bytes:
    if unit == "human":
        return human_size(number)
    return b"%d" % (-(-number // 1024) if unit == "kibibytes" else number)
