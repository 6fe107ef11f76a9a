"""The arguments of find's tests, read as GNU find reads them. Pure. What cannot be read is a ConfigurationError that quotes it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from fustor_core.errors import ConfigurationError
from fustor_core.paths import show
from fustor_fusion.expression import moments
from fustor_fusion.expression.modes import parse_mode
from fustor_fusion.expression.regex import compile_regex
from fustor_fusion.expression.tree import Age, Compare, Demand, NewerThan, Number, Owner, Permission, Regex, Sign, Size, Time, Type
from fustor_fusion.query import Instant

_UNITS: Final = {"": 512, "b": 512, "c": 1, "w": 2, "k": 1024, "M": 1024**2, "G": 1024**3}
_TYPES: Final = "bcpdflsD"
_LARGEST: Final = 2**64 - 1
_DIGITS: Final = re.compile(r"\d{1,100}", re.ASCII)
"""Far more than the largest number has, and fewer than Python refuses to read."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Context:
    """What arguments are read against: when find starts, the names of this machine, whether its locale's characters are UTF-8."""

    now: Instant
    user_id: Callable[[str], int | None]
    group_id: Callable[[str], int | None]
    utf8: bool = True


def in_words(name: str, text: bytes, parse: Callable[[bytes], _T]) -> _T:
    """What `parse` makes of the argument; its ValueError becomes the message."""
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigurationError(f"find: {name} {show(text)}: {error}") from None


def depth(name: str, text: bytes) -> int:
    if not text.isdigit() or len(text) > 9:
        raise _unreadable(name, text, "a whole number")
    return int(text)


def number(name: str, text: bytes, _: Context) -> Compare:
    sign, digits = _signed(text)
    if not _DIGITS.fullmatch(digits) or int(digits) > _LARGEST:
        raise _unreadable(name, text, "a whole number, with + for more or - for less")
    return Compare(Number(name), sign, int(digits))


def size(name: str, text: bytes, _: Context) -> Size:
    sign, rest = _signed(text)
    match = re.fullmatch(rf"({_DIGITS.pattern})([bcwkMG]?)", rest, re.ASCII)
    if match is None or int(match[1]) > _LARGEST:
        raise _unreadable(name, text, "a number and one of b (512 bytes), c (bytes), w, k, M, G, with + for more or - for less")
    return Size(sign, int(match[1]), _UNITS[match[2]])


def types(name: str, text: bytes, _: Context) -> Type:
    letters = _text(text).split(",")
    if not all(len(letter) == 1 and letter in _TYPES for letter in letters) or len(set(letters)) < len(letters):
        raise _unreadable(name, text, "one or more of f, d, l, p, s, b, c, with commas between them")
    return Type(frozenset(letters))


def days(name: str, text: bytes, context: Context, time: Time) -> Age:
    sign, amount = _signed(text)
    # find counts whole days of age: `0` is the last 24 hours, `+0` is before them. And its `-n` reaches one second further back.
    offset = -1 if sign is Sign.LESS else -moments.DAY
    return _age(name, text, amount, Age(time, sign, context.now, moments.DAY), offset)


def minutes(name: str, text: bytes, context: Context, time: Time) -> Age:
    sign, amount = _signed(text)
    return _age(name, text, amount, Age(time, sign, context.now, 60), 0)


def _age(name: str, text: bytes, amount: str, age: Age, offset: int) -> Age:
    try:
        boundary = moments.before(age.boundary, amount, age.window, offset)
    except ValueError:
        raise _unreadable(name, text, "a number, with + for more or - for less") from None
    return Age(age.time, age.sign, boundary, age.window)


def newer(name: str, text: bytes, context: Context) -> NewerThan:
    """-newer, -cnewer (which compares the reference's time of modification too) and -newerXY."""
    time = Time.STATUS_CHANGED if name == "-cnewer" or name.startswith("-newerc") else Time.MODIFIED
    of = name[7:] if name.startswith("-newer") else ""
    if of != "t":
        return NewerThan(time, text, Time(of or "m"))
    try:
        return NewerThan(time, moments.parse_moment(_text(text), context.now))
    except ValueError:
        raise _unreadable(
            name, text, "a time such as 2024-02-29, '2024-02-29 12:30:00', 2024-02-29T12:30Z, @1709200000, '3 days ago'"
        ) from None


def owner(name: str, text: bytes, which: Number, known: Callable[[str], int | None]) -> Owner:
    shown = _text(text)
    held = known(shown)
    if held is None and re.fullmatch(r"\d{1,10}", shown, re.ASCII):
        held = int(shown)
    if held is None:
        raise _unreadable(name, text, "a name that this machine knows, or a number")
    return Owner(which, held)


def permission(name: str, text: bytes, _: Context) -> Permission:
    shown = _text(text)
    demand = Demand(shown[0]) if shown[:1] in ("-", "/") else Demand.EXACTLY
    mode = shown.removeprefix(demand.value)
    try:
        return Permission(demand, parse_mode(mode, directory=False), parse_mode(mode, directory=True))
    except ValueError:
        raise _unreadable(name, text, "a mode such as 644, -u+w, /222") from None


def regex(name: str, text: bytes, context: Context) -> Regex:
    in_words(name, text, lambda pattern: compile_regex(pattern, utf8=context.utf8))
    return Regex(text)


def _signed(text: bytes) -> tuple[Sign, str]:
    shown = _text(text)
    sign = Sign(shown[0]) if shown[:1] in ("+", "-") else Sign.EXACTLY
    return sign, shown.removeprefix(sign.value)


def _text(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _unreadable(name: str, text: bytes, expected: str) -> ConfigurationError:
    return ConfigurationError(f"find: {name} {show(text)}: it takes {expected}")
