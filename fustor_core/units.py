"""Values as people write them in a settings file: durations, sizes, paths that need not be text."""

import math
import os
import re
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {
    "": 1,
    "B": 1,
    **{unit: 1024**power for power, unit in enumerate(("KiB", "MiB", "GiB", "TiB"), start=1)},
    **{unit: 1000**power for power, unit in enumerate(("kB", "MB", "GB", "TB"), start=1)},
}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)\s*")
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def parse_duration(value: object) -> float:
    """The seconds that `10m`, `1.5s`, `1h30m`, `2d`, `250ms` or a plain number of seconds stand for.

    Raises ValueError for anything else, and for what is negative or not finite.
    """
    seconds = _plain_number(value)
    if seconds is None and isinstance(value, str) and re.fullmatch(f"(?:{_DURATION.pattern})+", value.strip()):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(value))
    if seconds is None or not 0 <= seconds < math.inf:
        raise ValueError("should be a duration such as 30s, 10m, 2h, 1d, or a number of seconds")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as `seconds`."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds!r}s".replace(".0s", "s")


def parse_size(value: object) -> int:
    """The bytes that `4MiB`, `1.5GiB`, `10MB` or a plain number of bytes stand for.

    Raises ValueError for anything else: `4M` too, because some mean 1000s by it and some 1024s.
    """
    number, unit = _plain_number(value), ""
    if number is None and isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        number, unit = float(match[1]), match[2]
    if number is None or unit not in _BYTES or not 0 <= number < math.inf or (size := number * _BYTES[unit]) % 1:
        raise ValueError("should be a size such as 512KiB, 4MiB, 2GiB, 10MB, or a whole number of bytes")
    return int(size)


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads back as `size`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return str(size)


def parse_path(value: object) -> bytes:
    """A path as the bytes that the system takes; the text of one that is not UTF-8 has surrogates, as Python's `os.fsdecode` makes them.

    Raises ValueError for what is no path, is empty, or holds a NUL.
    """
    path = os.fsencode(value) if isinstance(value, str | bytes | os.PathLike) else b""
    if not path or b"\0" in path:
        raise ValueError("should be a path")
    return path


def _plain_number(value: object) -> float | None:
    """The number that `value` is, or is the text of; None where it is neither (YAML's `yes` is no number)."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value.strip()):
        return float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(format_duration)]
"""Seconds; written `10m`."""

Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size)]
"""Bytes; written `4MiB`."""

BytePath = Annotated[bytes, BeforeValidator(parse_path), PlainSerializer(os.fsdecode)]
"""A path of this host, in the bytes that it has on disk."""
