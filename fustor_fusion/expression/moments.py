"""Times as find reads and prints them: in the local time zone, with nanoseconds."""

import re
import time
from fractions import Fraction

from fustor_core.times import parse_instant
from fustor_fusion.query import Instant

DAY = 86_400
_LAST_YEAR = 2**31 - 1
"""The last that strftime takes."""
_DIGITS = 1_000_000_000
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WITH_FRACTION = "STX+@"
_PLAIN = "aAbBcCdDeFgGhHIjklmMnpPrRstuUVwWxyYzZ"
KINDS = frozenset(_WITH_FRACTION + _PLAIN)
"""What may follow `%T` and `%C` in -printf."""

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?")
_LOCAL = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[Tt ]\s*(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9})\d*)?)?)?\s*(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_AGO = re.compile(r"(\d{1,9})\s*(sec|second|min|minute|hour|day|week)s?\s+ago", re.ASCII)
_UNITS = {"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600}


def fraction(nanoseconds: int) -> str:
    """The part of a second behind the point, as find prints it: ten digits."""
    return f".{nanoseconds:09d}0"


def local(seconds: int) -> time.struct_time | None:
    """The local time; None for one so far away that the system has no date for it: it is shown as its seconds, as find, ls and stat do."""
    try:
        at = time.localtime(seconds)
    except (OSError, OverflowError):
        return None
    return at if at.tm_year <= _LAST_YEAR else None


def as_ctime(instant: Instant) -> str:
    """The time as %t and %c print it, in English in every locale."""
    at = local(instant[0])
    if at is None:
        return f"{instant[0]}{fraction(instant[1])}"
    clock = f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}{fraction(instant[1])}"
    return f"{_DAYS[at.tm_wday]} {_MONTHS[at.tm_mon - 1]} {at.tm_mday:2d} {clock} {at.tm_year:04d}"


def formatted(instant: Instant, kind: str) -> str:
    """The time as `%T` with this letter prints it; one of `KINDS`."""
    seconds, nanoseconds = instant
    at = None if kind == "@" else local(seconds)
    if at is None:
        return f"{seconds}{fraction(nanoseconds)}" if kind in _WITH_FRACTION else str(seconds)
    if kind == "+":
        return f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d}+{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}{fraction(nanoseconds)}"
    text = time.strftime("%" + kind, at)
    if kind not in _WITH_FRACTION:
        return text
    # The fraction follows the seconds, which are not last where a locale's %X ends in AM or PM.
    clock = re.match(r".*\d", text)
    return text[: clock.end()] + fraction(nanoseconds) + text[clock.end() :] if clock else text


def local_minute(instant: Instant) -> str:
    """The time as `du --time` prints it: `2024-02-29 12:00`."""
    at = local(instant[0])
    return str(instant[0]) if at is None else time.strftime("%Y-%m-%d %H:%M", at)


def before(now: Instant, amount: str, unit: int, offset: int) -> Instant:
    """The time `amount` units of `unit` seconds before `now` + `offset` seconds. Raises ValueError where `amount` is no number.

    The amount may have a fraction, as in find; what it is in seconds is cut to whole nanoseconds.
    """
    if not _NUMBER.fullmatch(amount):
        raise ValueError
    total = int(Fraction(amount) * unit * _DIGITS)
    origin = (now[0] + offset) * _DIGITS + now[1]
    return divmod(origin - total, _DIGITS)


def parse_moment(text: str, now: Instant) -> Instant:
    """The time that -newermt names: an ISO date, with a time, with a zone (else the local one); `@seconds`; `now`, `today`, `yesterday`,
    `3 days ago`. Raises ValueError for anything else, and for a date or an hour that there is not."""
    text = text.strip()
    if text.startswith("@"):
        if not re.fullmatch(r"-?\d+(\.\d{1,9})?", text[1:], re.ASCII):
            raise ValueError
        return parse_instant(text[1:])
    if text in ("now", "today"):
        return now
    if text == "yesterday":
        return _days_before(now, 1)
    if match := _AGO.fullmatch(text):
        count, unit = int(match[1]), match[2]
        if unit in _UNITS:
            return now[0] - count * _UNITS[unit], now[1]
        return _days_before(now, count * (7 if unit == "week" else 1))
    return _parse_iso(text)


def _parse_iso(text: str) -> Instant:
    match = _LOCAL.fullmatch(text)
    if match is None:
        raise ValueError
    year, month, day, hour, minute, second = (part or "00" for part in match.groups()[:6])
    # Reading it as UTC refuses days and hours that there are not.
    utc, nanoseconds = parse_instant(f"{year}-{month}-{day}T{hour}:{minute}:{second}.{(match[7] or '0').ljust(9, '0')}Z")
    if match[8]:
        return utc - _zone(match[8]), nanoseconds
    at = (int(year), int(month), int(day), int(hour), int(minute), int(second), 0, 0, -1)
    try:
        return int(time.mktime(at)), nanoseconds
    except OverflowError:
        raise ValueError from None


def _zone(text: str) -> int:
    if text[0] not in "+-":
        return 0
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 24 or minutes > 59:
        raise ValueError
    return (hours * 60 + minutes) * (-60 if text[0] == "-" else 60)


def _days_before(now: Instant, days: int) -> Instant:
    """The same local time so many days earlier, also across a change of the clocks."""
    at = time.localtime(now[0])
    try:
        return int(time.mktime((at.tm_year, at.tm_mon, at.tm_mday - days, at.tm_hour, at.tm_min, at.tm_sec, 0, 0, -1))), now[1]
    except OverflowError:
        raise ValueError from None
