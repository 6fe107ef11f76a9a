"""What the query string of a request asks for. Pure: text in, frozen values out; MalformedInput, in words, for everything else.

A query string is percent-encoded bytes, and nothing more: `+` is a plus, because names on disk have pluses, and no form is ever sent here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

from fustor_core.errors import MalformedInput
from fustor_core.evidence import Kind
from fustor_core.times import parse_instant
from fustor_core.units import parse_duration, parse_size
from fustor_fusion.api import cursors
from fustor_fusion.query import Filter

DEFAULT_LIMIT: Final = 1_000
HIGHEST_LIMIT: Final = 10_000
LONGEST_WAIT: Final = 60_000_000_000
"""Nanoseconds that a request may wait for its answer."""
NOW: Final = "now"
DEFAULT_SAMPLE: Final = 3_000
HIGHEST_SAMPLE: Final = 1_000_000
_LARGEST: Final = 2**63 - 1
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TRUTH: Final = {b"true": True, b"1": True, b"false": False, b"0": False}
_DEMANDS: Final = ("max_age", "require_complete")
_FILTERS: Final = ("name", "iname", "type", "min_size", "max_size", "newer", "older", "uid", "min_depth", "max_depth")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which path of the view, and how far the answer must be trusted: not older than `max_age` (ns), complete. `quiet` (ns): for how long
    what counts as settled must have rested; None leaves that to the settings."""

    path: bytes
    max_age: int | None
    require_complete: bool
    quiet: int | None


@dataclass(frozen=True, slots=True)
class RestAsked(Asked):
    """Whether a path is there, and if `settled` whether it rests; waits so many ns until it is so."""

    settled: bool
    wait: int


@dataclass(frozen=True, slots=True)
class ChangesAsked(Asked):
    """A page of the feed; waits so many ns for something to be on it. `after`: NOW, behind all that there is; None, from the first."""

    limit: int
    after: cursors.AfterChanges | str | None
    wait: int


@dataclass(frozen=True, slots=True)
class ListAsked(Asked):
    """A page of a directory."""

    limit: int
    after: bytes | None


@dataclass(frozen=True, slots=True)
class FindAsked(Asked):
    """A page of a search. `empty`: only empty files and directories, or only what is not; `settled` likewise, where it is known."""

    limit: int
    after: cursors.FindCursor | None
    wanted: Filter
    empty: bool | None
    settled: bool | None


@dataclass(frozen=True, slots=True)
class RefreshAsked:
    """Have agents look at a path: at all below a directory, or only at what it holds."""

    path: bytes
    recursive: bool


@dataclass(frozen=True, slots=True)
class VerifyAsked:
    """Have agents read again what fusion claims of so many entries of each root, or of all (None)."""

    path: bytes
    sample: int | None


def none(raw: str) -> None:
    """Nothing: this takes no parameters."""
    _Fields(raw, ())


def whole(raw: str) -> Asked:
    """A question about the whole view."""
    fields = _Fields(raw, _DEMANDS)
    return Asked(b"/", *_demands(fields))


def one(raw: str) -> Asked:
    """A question about one path."""
    fields = _Fields(raw, ("path", *_DEMANDS))
    return Asked(fields.path(), *_demands(fields))


def entry(raw: str) -> Asked:
    """A question about one entry."""
    fields = _Fields(raw, ("path", "quiet", *_DEMANDS))
    return Asked(fields.path(), *_demands(fields))


def rest(raw: str) -> RestAsked:
    """A path that is to be there, or to rest."""
    fields = _Fields(raw, ("path", "settled", "quiet", "wait", *_DEMANDS))
    settled = fields.get("settled", _truth)
    return RestAsked(fields.path(), *_demands(fields), settled=settled is not False, wait=fields.wait())


def feed(raw: str) -> ChangesAsked:
    """A page of the feed of changes."""
    fields = _Fields(raw, ("path", "after", "limit", "wait", *_DEMANDS))
    after = fields.get("after", lambda value: NOW if value == NOW.encode() else cursors.decode_changes(value))
    return ChangesAsked(fields.path(), *_demands(fields), limit=fields.limit(), after=after, wait=fields.wait())


def refresh(raw: str) -> RefreshAsked:
    """A path that is to be looked at."""
    fields = _Fields(raw, ("path", "recursive"))
    return RefreshAsked(fields.path(), fields.get("recursive", _truth) or False)


def verify(raw: str) -> VerifyAsked:
    """A path, and how much of it is to be verified."""
    fields = _Fields(raw, ("path", "sample", "all"))
    sample, everything = fields.get("sample", _whole_number), fields.get("all", _truth) or False
    if sample is not None and everything:
        raise MalformedInput("sample: give this or `all`, not both")
    if sample is not None and not 1 <= sample <= HIGHEST_SAMPLE:
        raise MalformedInput(f"sample: {sample:,} is not from 1 to {HIGHEST_SAMPLE:,}; for more, ask for `all`")
    return VerifyAsked(fields.path(), None if everything else sample or DEFAULT_SAMPLE)


def listing(raw: str) -> ListAsked:
    """A page of a directory."""
    fields = _Fields(raw, ("path", "limit", "after", "quiet", *_DEMANDS))
    after = fields.get("after", cursors.decode_list)
    return ListAsked(fields.path(), *_demands(fields), fields.limit(), None if after is None else after.name)


def search(raw: str) -> FindAsked:
    """A page of a search."""
    fields = _Fields(raw, (*_FILTERS, "path", "empty", "settled", "limit", "after", "quiet", *_DEMANDS))
    wanted = Filter(
        name=fields.get("name", bytes),
        iname=fields.get("iname", bytes),
        kinds=fields.get("type", _kinds),
        min_size=fields.get("min_size", _size),
        max_size=fields.get("max_size", _size),
        newer=fields.get("newer", _instant),
        older=fields.get("older", _instant),
        uid=fields.get("uid", _whole_number),
        min_depth=fields.get("min_depth", _whole_number) or 0,
        max_depth=fields.get("max_depth", _whole_number),
    )
    after = fields.get("after", cursors.decode_find)
    sifted = fields.get("empty", _truth), fields.get("settled", _truth)
    return FindAsked(fields.path(), *_demands(fields), fields.limit(), after, wanted, *sifted)


class _Fields:
    """The parameters of one request, by name, still as bytes. Refuses what is not known, and what is given twice."""

    def __init__(self, raw: str, known: tuple[str, ...]) -> None:
        self.given: dict[str, bytes] = {}
        for field in raw.split("&") if raw else ():
            name, _, value = field.partition("=")
            if name not in known:
                raise MalformedInput(_unknown(name, known))
            if name in self.given:
                raise MalformedInput(f"{name} is given twice: give it once")
            self.given[name] = _bytes(name, value)

    def get(self, name: str, parse: Callable[[bytes], _T]) -> _T | None:
        """The value of a parameter, None if it is not given; a ValueError of its parser becomes MalformedInput."""
        value = self.given.get(name)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            raise MalformedInput(f"{name}: {error}") from None

    def path(self) -> bytes:
        return self.given.get("path", b"/")

    def wait(self) -> int:
        wait = self.get("wait", _duration) or 0
        if wait > LONGEST_WAIT:
            raise MalformedInput(f"wait: a request waits for {LONGEST_WAIT // 10**9} s at most; ask again after that")
        return wait

    def limit(self) -> int:
        limit = self.get("limit", _whole_number)
        if limit is None:
            return DEFAULT_LIMIT
        if not 1 <= limit <= HIGHEST_LIMIT:
            raise MalformedInput(f"limit: {limit:,} is not from 1 to {HIGHEST_LIMIT:,}; ask for one page after the other with `after`")
        return limit


def _demands(fields: _Fields) -> tuple[int | None, bool, int | None]:
    return fields.get("max_age", _duration), fields.get("require_complete", _truth) or False, fields.get("quiet", _duration)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    return f"there is no parameter {name!r} here; " + (f"there are {', '.join(sorted(known))}" if known else "this takes none")


def _bytes(name: str, value: str) -> bytes:
    if "%" in value and _STRAY_PERCENT.search(value):
        raise MalformedInput(f"{name}: a `%` that is not followed by two hexadecimal digits; a percent sign itself is `%25`")
    return unquote_to_bytes(value.encode("utf-8", "surrogateescape"))


def _text(value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("should be plain ASCII") from None


def _truth(value: bytes) -> bool:
    if value not in _TRUTH:
        raise ValueError("should be true or false")
    return _TRUTH[value]


def _duration(value: bytes) -> int:
    nanoseconds = parse_duration(_text(value)) * 1e9
    if nanoseconds > _LARGEST:
        raise ValueError("should be less than 292 years")
    return int(nanoseconds)


def _whole_number(value: bytes) -> int:
    if not value.isdigit() or len(value) > 19 or int(value) > _LARGEST:
        raise ValueError(f"should be a whole number from 0 to {_LARGEST}")
    return int(value)


def _size(value: bytes) -> int:
    # Digits alone are read here: parse_size goes through a float, which is not exact above 2^53.
    return _whole_number(value if value.isdigit() else b"%d" % parse_size(_text(value)))


def _instant(value: bytes) -> tuple[int, int]:
    return parse_instant(_text(value))


def _kinds(value: bytes) -> frozenset[Kind]:
    try:
        return frozenset(Kind(kind) for kind in _text(value).split(","))
    except ValueError:
        raise ValueError(f"should be one or more of {', '.join(Kind)}, with commas between them") from None
