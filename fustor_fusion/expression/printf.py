"""-printf: formats parsed once, then filled in for each entry, byte for byte as GNU find fills them in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fustor_fusion.expression import moments
from fustor_fusion.expression.modes import ALL_BITS, mode_string, type_letter
from fustor_fusion.expression.visit import Surroundings, Visit
from fustor_fusion.query import Instant

UNKNOWN: Final = b"?"
"""What is printed for an attribute that fusion does not know (yet)."""


@dataclass(frozen=True, slots=True)
class Directive:
    """`%[flags][width][.precision]name`; `kind` is the letter behind `%T` and `%C`."""

    name: str
    kind: str = ""
    flags: frozenset[str] = frozenset()
    width: int = 0
    precision: int | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """Literal bytes and directives, in order."""

    parts: tuple[bytes | Directive, ...]


_PIECE = re.compile(
    rb"\\(?P<octal>[0-7]{1,3})|\\(?P<escape>.)"
    rb"|%(?P<flags>[-+ #0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?(?P<name>.)|(?P<end>[\\%].*)",
    re.DOTALL,
)
_ESCAPES: Final = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\"}
_NOT_KNOWN: Final = {
    "a": "times of access are not indexed",
    "A": "times of access are not indexed",
    "B": "times of birth are not indexed",
    "D": "device numbers are not indexed",
    "F": "types of file systems are not indexed",
    "l": "targets of symbolic links are not indexed",
    "Y": "targets of symbolic links are not indexed; %y is the type itself",
    "Z": "security contexts are not indexed",
}
_WIDEST: Final = 4096


def parse_format(text: bytes) -> Format:
    """The format that `text` is. Raises ValueError, in words, for what find would warn of or what has no meaning here."""
    parts: list[bytes | Directive] = []
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            end = min((i for i in (text.find(b"\\", at), text.find(b"%", at)) if i >= 0), default=len(text))
            parts.append(text[at:end])
            at = end
        elif piece["end"] is not None:
            raise ValueError(f"the format ends in `{piece['end'].decode('utf-8', 'replace')}`; double it to print it")
        elif piece["escape"] == b"c":
            break
        else:
            part, at = _part(piece, text)
            parts.append(part)
    return Format(tuple(parts))


def _part(piece: re.Match[bytes], text: bytes) -> tuple[bytes | Directive, int]:
    """What one escape or directive stands for, and where it ends."""
    if piece["octal"] is not None:
        return bytes((int(piece["octal"], 8) & 0xFF,)), piece.end()
    if piece["escape"] is not None:
        if piece["escape"] not in _ESCAPES:
            raise ValueError(f"there is no escape `\\{piece['escape'].decode('utf-8', 'replace')}`; write `\\\\` for a backslash")
        return _ESCAPES[piece["escape"]], piece.end()
    name, end = piece["name"].decode("latin-1"), piece.end()
    if name == "%" and end - piece.start() == 2:
        return b"%", end
    kind = ""
    if name in ("T", "C"):
        kind, end = text[end : end + 1].decode("latin-1"), end + 1
        if not kind or kind not in moments.KINDS:
            raise ValueError(
                f"`%{name}{kind}` is no form of a time; %{name}@ has seconds, %{name}+ date and time, others are as in strftime(3)"
            )
    elif name in _NOT_KNOWN:
        raise ValueError(f"`%{name}` is not taken: {_NOT_KNOWN[name]}")
    elif name not in FIELDS:
        raise ValueError(f"there is no directive `%{piece['name'].decode('utf-8', 'replace')}`")
    return _directive(piece, name, kind), end


def _directive(piece: re.Match[bytes], name: str, kind: str) -> Directive:
    width = int(piece["width"] or 0)
    precision = None if piece["precision"] is None else int(piece["precision"] or 0)
    if width > _WIDEST or (precision or 0) > _WIDEST:
        raise ValueError(f"a field wider than {_WIDEST:,} characters")
    return Directive(name, kind, frozenset(piece["flags"].decode()), width, precision)


def fill(form: Format, visit: Visit, surroundings: Surroundings) -> bytes:
    """The format, filled in for one entry."""
    return b"".join(
        [part if isinstance(part, bytes) else field(part, FIELDS[part.name](visit, surroundings, part.kind)) for part in form.parts]
    )


def field(directive: Directive, value: "bytes | int | float | None") -> bytes:
    """A value in the width and precision of its directive, as C's printf does it: text, whole numbers, an octal mode, a `double`."""
    if value is None:
        value = UNKNOWN
    if isinstance(value, bytes):
        text = value if directive.precision is None else value[: directive.precision]
        return text.ljust(directive.width) if "-" in directive.flags else text.rjust(directive.width)
    flags = directive.flags - {"+", " "} if directive.name == "m" else directive.flags
    precision = "" if directive.precision is None else f".{directive.precision}"
    conversion = {"m": "o", "d": "d", "S": "g"}[directive.name]
    if directive.name == "m" and "#" in flags:
        # Python's # writes 0o; C's writes a leading zero, which counts as a digit.
        digits = f"{value:o}".rjust(directive.precision or 0, "0")
        digits = digits if digits.startswith("0") else "0" + digits
        if "0" in flags and "-" not in flags and directive.precision is None:
            digits = digits.rjust(directive.width, "0")
        return (digits.ljust(directive.width) if "-" in flags else digits.rjust(directive.width)).encode()
    if directive.precision is not None and conversion in "do":
        flags = flags - {"0"}
    return (f"%{''.join(sorted(flags))}{directive.width or ''}{precision}{conversion}" % value).encode()


def base_name(path: bytes) -> bytes:
    """%f: the last component, with one slash at its end if it has any there."""
    stripped = path.rstrip(b"/")
    if not stripped:
        return b"/"
    return stripped.rpartition(b"/")[2] + (b"/" if len(stripped) < len(path) else b"")


def directory_name(path: bytes) -> bytes:
    """%h: what is before the last slash, slashes at the end aside (but find keeps those behind a name of one letter); `.` if there is
    none."""
    stripped = path.rstrip(b"/")
    before, slash, _ = (stripped if len(stripped) > 1 else path).rpartition(b"/")
    return before if slash else b"."


def _number(value: int | str | None) -> bytes | None:
    return None if value is None else str(value).encode()


def _blocks(allocated: int | None, size: int) -> bytes | None:
    return None if allocated is None else b"%d" % -(-allocated // size)


def _named(number: int | None, name_of: Callable[[int], str | None]) -> bytes | None:
    if number is None:
        return None
    name = name_of(number)
    return b"%d" % number if name is None else name.encode("utf-8", "surrogateescape")


def _time(instant: Instant | None, kind: str) -> bytes | None:
    if instant is None:
        return None
    return (moments.formatted(instant, kind) if kind else moments.as_ctime(instant)).encode("utf-8", "surrogateescape")


def _below_start(visit: Visit) -> bytes:
    return visit.path[len(visit.start) :].lstrip(b"/") if visit.depth else b""


def _sparseness(visit: Visit) -> float | None:
    size, allocated = visit.entry.size, visit.entry.allocated
    if size is None or allocated is None:
        return None
    return allocated / size if size else float("inf") if allocated else 1.0


Value = bytes | int | float | None
FIELDS: Final[Mapping[str, Callable[[Visit, Surroundings, str], Value]]] = {
    "p": lambda visit, around, _: around.shown(visit.path),
    "f": lambda visit, around, _: around.shown(base_name(visit.path)),
    "h": lambda visit, around, _: around.shown(directory_name(visit.path)),
    "H": lambda visit, around, _: visit.start,
    "P": lambda visit, around, _: around.shown(_below_start(visit)),
    "d": lambda visit, around, _: visit.depth,
    "s": lambda visit, around, _: _number(visit.entry.size),
    "b": lambda visit, around, _: _blocks(visit.entry.allocated, 512),
    "k": lambda visit, around, _: _blocks(visit.entry.allocated, 1024),
    "m": lambda visit, around, _: None if visit.entry.mode is None else visit.entry.mode & ALL_BITS,
    "M": lambda visit, around, _: None if visit.entry.mode is None else mode_string(visit.entry.mode).encode(),
    "u": lambda visit, around, _: _named(visit.entry.uid, around.user),
    "U": lambda visit, around, _: _number(visit.entry.uid),
    "g": lambda visit, around, _: _named(visit.entry.gid, around.group),
    "G": lambda visit, around, _: _number(visit.entry.gid),
    "i": lambda visit, around, _: _number(visit.entry.inode),
    "n": lambda visit, around, _: _number(visit.entry.nlink),
    "y": lambda visit, around, _: type_letter(visit.entry.full_mode).encode(),
    "S": lambda visit, around, _: _sparseness(visit),
    "t": lambda visit, around, _: _time(visit.entry.modified, ""),
    "c": lambda visit, around, _: _time(visit.entry.status_changed, ""),
    "T": lambda visit, around, kind: _time(visit.entry.modified, kind),
    "C": lambda visit, around, kind: _time(visit.entry.status_changed, kind),
}
"""What each directive prints."""
