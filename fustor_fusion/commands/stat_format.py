"""The directives of `stat --format`, filled in as GNU stat fills them in."""

import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fustor_core.errors import ConfigurationError
from fustor_core.paths import show
from fustor_fusion.commands.names import name_of_group, name_of_user
from fustor_fusion.expression.modes import ALL_BITS, mode_string
from fustor_fusion.expression.moments import local
from fustor_fusion.query import Instant
from fustor_fusion.replies import Entry

_DIRECTIVE: Final = re.compile(rb"%(?P<flags>[-#+ 0']*)(?P<width>\d{0,4})(?P<name>[A-Za-z%])")
_TYPES: Final = {
    stat.S_IFREG: "regular file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character special file",
    stat.S_IFBLK: "block special file",
}
_PLAIN: Final = re.compile(rb"[\x20-\x7e]*")
_ESCAPES: Final = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a format is filled in from: the entry, its name as it is printed, and where its root is mounted."""

    entry: Entry
    name: bytes
    mount: str


def parse_format(layout: bytes) -> Callable[[Facts], bytes]:
    """The function that fills the format in; ConfigurationError for a directive without a meaning here."""
    parts: list[bytes | re.Match[bytes]] = []
    at = 0
    for match in re.finditer(rb"%", layout):
        if match.start() < at:
            continue
        directive = _DIRECTIVE.match(layout, match.start())
        if directive is None or (directive["name"].decode() not in FIELDS and directive[0] != b"%%"):
            told = show(directive[0] if directive else layout[match.start() : match.start() + 2])
            raise ConfigurationError(f"stat: {told} is not taken; these are: {' '.join('%' + name for name in sorted(FIELDS))}")
        parts += [layout[at : match.start()], directive]
        at = directive.end()
    parts.append(layout[at:])
    return lambda facts: b"".join([part if isinstance(part, bytes) else _filled(part, facts) for part in parts])


def _filled(directive: re.Match[bytes], facts: Facts) -> bytes:
    name, flags, width = directive["name"].decode(), directive["flags"], int(directive["width"] or 0)
    if name == "%":
        return b"%"
    value = FIELDS[name](facts)
    if value is None:
        value = b"?"
    elif b"#" in flags and name in _ALTERNATE and value != b"0":
        value = _ALTERNATE[name] + value
    if b"-" in flags:
        return value.ljust(width)
    return value.rjust(width, b"0" if b"0" in flags and name not in _WORDS else b" ")


def type_name(entry: Entry) -> str:
    """The type in words; a regular file without content is told apart, as stat does."""
    kind = stat.S_IFMT(entry.full_mode)
    if kind == stat.S_IFREG and entry.size == 0:
        return "regular empty file"
    return _TYPES.get(kind, "unknown")


def zoned(instant: Instant | None) -> str:
    """The time with nanoseconds and zone, as stat prints it."""
    if instant is None:
        return "unknown"
    at = local(instant[0])
    if at is None:
        return f"{instant[0]}.{instant[1]:09d}"
    date = f"{at.tm_year:04d}-{at.tm_mon:02d}-{at.tm_mday:02d} {at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d}"
    return f"{date}.{instant[1]:09d} {time.strftime('%z', at)}"


def quoted(name: bytes) -> bytes:
    """The name in quotes that a shell reads back, as %N prints it."""
    if _PLAIN.fullmatch(name):
        if b"'" not in name:
            return b"'" + name + b"'"
        if not set(name) & set(b'"$`\\'):
            return b'"' + name + b'"'
    out = b"'"
    special = False
    for c in name:
        # Printable characters beyond ASCII stay as they are only where they are UTF-8.
        if 0x20 <= c < 0x7F or (c >= 0x80 and _is_utf8(name)):
            out += (b"''" if special else b"") + (b"'\\''" if c == 0x27 else bytes((c,)))
            special = False
        else:
            escape = _ESCAPES.get(c)
            out += (b"" if special else b"'$'") + (f"\\{escape}" if escape else f"\\{c:03o}").encode()
            special = True
    return out + b"'"


def _is_utf8(name: bytes) -> bool:
    try:
        return name.decode().isprintable() or "\n" in name.decode()
    except UnicodeDecodeError:
        return False


def _number(value: int | str | None, form: str = "{}") -> bytes | None:
    return None if value is None else form.format(value).encode()


def _named(number: int | None, name: Callable[[int], str | None]) -> bytes | None:
    """The name of a user or group; UNKNOWN for one that has none here."""
    return None if number is None else (name(number) or "UNKNOWN").encode("utf-8", "surrogateescape")


def _seconds(instant: Instant | None) -> bytes | None:
    return None if instant is None else b"%d" % instant[0]


def _time(instant: Instant | None) -> bytes | None:
    return None if instant is None else zoned(instant).encode()


def _mode(entry: Entry, form: str) -> bytes | None:
    return None if entry.mode is None else form.format(entry.mode & ALL_BITS if form == "{:o}" else entry.mode).encode()


FIELDS: Final[Mapping[str, Callable[[Facts], bytes | None]]] = {
    "n": lambda facts: facts.name,
    "N": lambda facts: quoted(facts.name),
    "s": lambda facts: _number(facts.entry.size),
    "b": lambda facts: None if facts.entry.allocated is None else b"%d" % (facts.entry.allocated // 512),
    "B": lambda facts: b"512",
    "f": lambda facts: _mode(facts.entry, "{:x}"),
    "F": lambda facts: type_name(facts.entry).encode(),
    "a": lambda facts: _mode(facts.entry, "{:o}"),
    "A": lambda facts: mode_string(facts.entry.full_mode).encode(),
    "u": lambda facts: _number(facts.entry.uid),
    "U": lambda facts: _named(facts.entry.uid, name_of_user),
    "g": lambda facts: _number(facts.entry.gid),
    "G": lambda facts: _named(facts.entry.gid, name_of_group),
    "h": lambda facts: _number(facts.entry.nlink),
    "i": lambda facts: _number(facts.entry.inode),
    "y": lambda facts: _time(facts.entry.modified),
    "Y": lambda facts: _seconds(facts.entry.modified),
    "z": lambda facts: _time(facts.entry.status_changed),
    "Z": lambda facts: _seconds(facts.entry.status_changed),
    "m": lambda facts: facts.mount.encode(),
}
"""What each directive prints; None where it is not known."""
_WORDS: Final = frozenset("nNFAUGyzm")
_ALTERNATE: Final = {"a": b"0", "f": b"0x"}
