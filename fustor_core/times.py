"""Times as text: RFC 3339 in UTC with nanoseconds, exact for every second that 64 bits can count.

RFC 3339 ends at the year 9999. Years beyond it, and before the year 0, are written as ECMAScript and ISO 8601 do: a sign and at least six
digits (`+010000-01-01T00:00:00.000000000Z`). Dates before 1582 are of the Gregorian calendar too. Pure: no clock, no time zone of this
machine.
"""

import re
from functools import lru_cache
from typing import Final

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400
_EPOCH_DAY: Final = 719_468
"""Days from 0000-03-01 to 1970-01-01."""
_ERA: Final = 146_097
"""Days in 400 years."""
_TWO: Final = tuple(f"{number:02}" for number in range(60))
_RFC3339: Final = re.compile(
    r"(\d{4}|[+-]\d{6,12})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d))?", re.ASCII
)
_UNIX: Final = re.compile(r"(-?)(\d{1,19})(?:\.(\d{1,9}))?", re.ASCII)


def format_instant(seconds: int, nanoseconds: int) -> str:
    """`seconds` and `nanoseconds` since 1970 as text: `2024-02-29T12:00:00.000000001Z`."""
    minute, second = divmod(seconds % 3600, 60)
    return f"{_hour(seconds // 3600)}{_TWO[minute]}:{_TWO[second]}.{nanoseconds:09}Z"


def format_wall(nanoseconds: int) -> str:
    """Wall-clock nanoseconds since 1970 as text."""
    return format_instant(*divmod(nanoseconds, _SECOND))


def parse_instant(text: str) -> tuple[int, int]:
    """Seconds and nanoseconds since 1970 (the nanoseconds never negative) of an RFC 3339 time, a date alone (its midnight in UTC), or Unix
    seconds with an optional fraction. A leap second is the first one of the next minute. Raises ValueError, in words.
    """
    unix = _UNIX.fullmatch(text)
    instant = _from_unix(*unix.groups("")) if unix else _from_rfc3339(text)
    if not -(2**63) <= instant[0] < 2**63:
        raise ValueError(f"{text!r} is a time further away than any file system can tell")
    return instant


@lru_cache(maxsize=4096)
def _hour(hours: int) -> str:
    """The date and the hour, as a listing of a directory repeats them."""
    day, hour = divmod(hours, 24)
    year, month, date = _civil(day)
    shown = f"{year:04}" if 0 <= year <= 9999 else f"{year:+07}"
    return f"{shown}-{month:02}-{date:02}T{hour:02}:"


def _civil(day: int) -> tuple[int, int, int]:
    """Year, month and day of the month, counted in years that begin in March, so that the leap day is the last."""
    era, of_era = divmod(day + _EPOCH_DAY, _ERA)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    january = month >= 10
    return year + era * 400 + january, month - 9 if january else month + 3, of_year - (153 * month + 2) // 5 + 1


def _days(year: int, month: int, date: int) -> int:
    """Days from 1970-01-01 to a date: the inverse of `_civil`."""
    era, of_era = divmod(year - (month <= 2), 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + date - 1
    return era * _ERA + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH_DAY


def _from_unix(sign: str, whole: str, fraction: str) -> tuple[int, int]:
    total = int(whole) * _SECOND + int(fraction.ljust(9, "0"))
    return divmod(-total if sign else total, _SECOND)


def _from_rfc3339(text: str) -> tuple[int, int]:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no time: write 2024-02-29T12:00:00Z (RFC 3339, with at most nine digits of fraction) or Unix seconds"
        )
    hour, minute, second = (int(part or 0) for part in match.group(4, 5, 6))
    day = _days(int(match[1]), int(match[2]), int(match[3]))
    if _civil(day) != (int(match[1]), int(match[2]), int(match[3])) or hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"{text!r} is a day or an hour that there is not")
    seconds = day * _DAY + hour * 3600 + minute * 60 + second - _zone(match[8] or "Z")
    return seconds, int((match[7] or "").ljust(9, "0"))


def _zone(text: str) -> int:
    if text in "Zz":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(f"{text!r} is no offset from UTC")
    return (hours * 3600 + minutes * 60) * (-1 if text[0] == "-" else 1)
