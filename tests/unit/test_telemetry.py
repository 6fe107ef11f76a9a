"""A log line is a sentence with fields, for a person or for a program, and loses nothing of a name."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from enum import Enum

import pytest

from fustor_core.errors import ConfigurationError
from fustor_core.telemetry import Format, configure

log = logging.getLogger("fustor.test")


class Colour(Enum):
    RED = 1

    def __str__(self) -> str:
        return self.name


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


def written(message: str, extra: dict[str, object], stream: io.StringIO | None = None, form: Format = "auto") -> str:
    stream = stream or io.StringIO()
    configure("info", format=form, stream=stream)
    log.info(message, extra=extra)
    return stream.getvalue()


def test_away_from_a_terminal_a_line_is_json() -> None:
    line = written(
        "Snapshot finished", {"pipe": "nas:data", "entries": 3, "path": b"a\n\xff\\", "state": Colour.RED, "parts": (b"x", None)}
    )
    content = json.loads(line)
    assert line.count("\n") == 1
    assert content.pop("time").endswith("Z")
    assert content == {
        "level": "info",
        "logger": "fustor.test",
        "message": "Snapshot finished",
        "pipe": "nas:data",
        "entries": 3,
        "path": "a\\n\\xff\\\\",
        "state": "RED",
        "parts": ["x", None],
    }


def test_a_field_does_not_take_the_place_of_what_every_line_has() -> None:
    assert json.loads(written("Hello", {"level": "mine", "time": "mine"}))["level"] == "info"


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1", "TERM": "xterm"}, {"NO_COLOR": "", "TERM": "dumb"}])
def test_on_a_terminal_a_line_is_text(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    time, rest = written("Listing", {"path": b"a b\n", "n": 1, "who": 'x"y', "none": "", "live": True}, Terminal()).split(" ", 1)
    assert len(time) == len("14:03:07")
    assert rest == 'INFO    Listing  path="a b\\n" n=1 who="x\\"y" none="" live=true\n'


def test_colours_are_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in written("Hello", {"a": 1}, Terminal(), "text")
    assert "\x1b" not in written("Hello", {"a": 1}, io.StringIO(), "text")


def test_text_in_a_file_has_the_date_in_utc() -> None:
    assert written("Hello", {}, form="text").split()[0][10:].startswith("T")
    assert written("Hello", {}, form="text").split()[0].endswith("Z")


def test_a_sentence_cannot_forge_a_second_line() -> None:
    assert written("Hello\nINFO forged \x1b[2J", {}, form="text").count("\n") == 1


def test_an_exception_comes_with_its_traceback() -> None:
    for form in ("text", "json"):
        stream = io.StringIO()
        configure(format=form, stream=stream)
        try:
            raise ValueError("reason")
        except ValueError:
            log.exception("It failed")
        assert "ValueError: reason" in stream.getvalue()
        assert stream.getvalue().count("\n") == (1 if form == "json" else 5)


def test_the_last_configuration_holds_and_lower_levels_are_silent() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("debug", stream=first)
    configure("warning", stream=second)
    log.info("unheard")
    log.warning("heard")
    assert (first.getvalue(), second.getvalue().count("heard"), second.getvalue().count("\n")) == ("", 1, 1)


def test_warnings_become_log_lines() -> None:
    stream = io.StringIO()
    configure(stream=stream)
    warnings.showwarning("old thing", DeprecationWarning, "module.py", 1)
    assert "old thing" in json.loads(stream.getvalue())["message"]


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r'^no log level is called "loud"; choose one of debug, info, warning, error$'):
        configure("loud")
