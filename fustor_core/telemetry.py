"""Log lines: a plain sentence with fields, as text for a person and as JSON for a program.

`log.info("Snapshot finished", extra={"pipe": pipe, "entries": 200_000})` is all that a caller does.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Final, Literal, TextIO, get_args

from fustor_core.errors import ConfigurationError
from fustor_core.printable import escaped, one_line

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "text", "json"]

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
_COLOURS: Final = {logging.DEBUG: "\x1b[2m", logging.INFO: "\x1b[32m", logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m"}
_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"
# What every record carries; the rest came with `extra`.
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def configure(level: str = "info", *, format: Format = "auto", stream: TextIO | None = None) -> None:  # noqa: A002 (the word of the settings)
    """Send every log line of this process to `stream` (standard error): `auto` is text on a terminal, and JSON lines elsewhere.

    May be called again; the last call holds. Raises ConfigurationError for a level that does not exist.
    """
    if level not in LEVELS:
        raise ConfigurationError(f'no log level is called "{level}"; choose one of {", ".join(LEVELS)}')
    stream = sys.stderr if stream is None else stream
    on_terminal = stream.isatty()
    handler = logging.StreamHandler(stream)
    if format == "json" or (format == "auto" and not on_terminal):
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(TextLines(on_terminal=on_terminal, colours=on_terminal and _wants_colours(os.environ)))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)


class TextLines(logging.Formatter):
    """`14:03:07 INFO    Snapshot finished  pipe=nas:data entries=200000`; away from a terminal with the date, in UTC."""

    def __init__(self, *, on_terminal: bool, colours: bool) -> None:
        super().__init__()
        self._on_terminal = on_terminal
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        time = f"{at.astimezone():%H:%M:%S}" if self._on_terminal else _rfc3339(at)
        fields = " ".join(f"{key}={_quoted(value)}" for key, value in fields_of(record).items())
        level = f"{record.levelname:7}"
        if self._colours:
            time, fields = f"{_DIM}{time}{_PLAIN}", f"{_DIM}{fields}{_PLAIN}" if fields else ""
            level = f"{_COLOURS.get(record.levelno, _COLOURS[logging.ERROR])}{level}{_PLAIN}"
        line = f"{time} {level} {one_line(record.getMessage())}" + (f"  {fields}" if fields else "")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, the fields, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # A field never takes the place of what every line has.
        line = {**line, **fields_of(record), **line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_plain)


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """What the caller gave as `extra`, as plain values; bytes are escaped so that nothing is lost."""
    return {key: _plain(value) for key, value in record.__dict__.items() if key not in _OWN}


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, bytes):
        return escaped(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(held) for held in value]
    return value if isinstance(value, str | int | float) or value is None else str(value)


def _quoted(value: object) -> str:
    """The value as one word, in quotes where it would not be one."""
    if not isinstance(value, str):
        return json.dumps(value)
    text = one_line(value)
    return '"' + text.replace('"', '\\"') + '"' if not text or set(text) & set(' "=') else text


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wants_colours(environ: Mapping[str, str]) -> bool:
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
