"""-ls: one line an entry, as `ls -dils` shows it. Columns widen where a value needs it, and stay wide."""

import time
from typing import Final

from fustor_fusion.expression.modes import mode_string
from fustor_fusion.expression.moments import local
from fustor_fusion.expression.visit import Surroundings, Visit
from fustor_fusion.query import Instant

_ESCAPES: Final = {
    ord("\\"): b"\\\\",
    ord("\n"): b"\\n",
    ord("\b"): b"\\b",
    ord("\r"): b"\\r",
    ord("\t"): b"\\t",
    ord("\f"): b"\\f",
    ord(" "): b"\\ ",
    ord('"'): b'\\"',
}
_HALF_YEAR: Final = 6 * 30 * 24 * 60 * 60
_WIDTHS: Final = {"inode": 9, "blocks": 6, "links": 3, "user": 8, "group": 8, "size": 8}


class Columns:
    """The lines of one -ls."""

    def __init__(self) -> None:
        self._widths = dict(_WIDTHS)

    def line(self, visit: Visit, around: Surroundings) -> bytes:
        entry = visit.entry
        blocks = None if entry.allocated is None else -(-entry.allocated // 1024)
        fields = [
            self._right("inode", entry.inode),
            self._right("blocks", blocks),
            mode_string(entry.full_mode),
            self._right("links", entry.nlink),
            self._left("user", None if entry.uid is None else around.user(entry.uid) or str(entry.uid)),
            self._left("group", None if entry.gid is None else around.group(entry.gid) or str(entry.gid)),
            self._right("size", entry.size),
            "?".rjust(12) if entry.modified is None else short_time(entry.modified, around.now),
        ]
        return " ".join(fields).encode("utf-8", "surrogateescape") + b" " + escaped_name(visit.path) + b"\n"

    def _right(self, column: str, value: int | str | None) -> str:
        text = "?" if value is None else str(value)
        self._widths[column] = max(self._widths[column], len(text))
        return text.rjust(self._widths[column])

    def _left(self, column: str, value: str | None) -> str:
        text = value or "?"
        self._widths[column] = max(self._widths[column], len(text))
        return text.ljust(self._widths[column])


def short_time(instant: Instant, now: Instant) -> str:
    """The time as find's -ls shows it: the hour if it is in the last half year (or at most an hour ahead), else the year."""
    recent = now[0] - _HALF_YEAR <= instant[0] <= now[0] + 3600
    at = local(instant[0])
    return (str(instant[0]) if at is None else time.strftime("%b %e %H:%M" if recent else "%b %e  %Y", at)).rjust(12)


def escaped_name(name: bytes) -> bytes:
    """The name in printable ASCII without white space, escaped as C does."""
    return b"".join(_ESCAPES.get(c) or (bytes((c,)) if 0o40 < c < 0o177 else b"\\%03o" % c) for c in name)
