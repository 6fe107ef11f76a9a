"""Durations, sizes and paths mean what a person means by them."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.units import format_duration, format_size, parse_duration, parse_path, parse_size
from fustor_core.yaml_text import parse_value, write_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("1.5s", 1.5),
        ("2h", 7200),
        ("1d", 86400),
        ("250ms", 0.25),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("7", 7),
        (7, 7),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "10 parsecs", "-1s", -1, True, None, "1e9", float("inf"), float("nan"), ["1s"], "1m1"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="should be a duration such as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("4MiB", 4 * 1024**2), ("1.5KiB", 1536), ("10MB", 10**7), ("2 GiB", 2 * 1024**3), ("0", 0), (17, 17), ("17B", 17)]
)
def test_a_size_is_bytes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4M", "MiB", "-1", -1, True, None, 0.5, "0.3KiB", float("inf"), float("nan"), [1]])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="should be a size such as"):
        parse_size(text)


@given(st.integers(0, 10**9) | st.floats(0, 1e9).map(lambda seconds: round(seconds, 3)))
def test_a_duration_is_written_as_it_is_read(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


@given(st.integers(0, 2**53))
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("path", ["/srv/data", b"/srv/data", Path("/srv/data")])
def test_a_path_is_bytes(path: object) -> None:
    assert parse_path(path) == b"/srv/data"


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_a_path_is_written_as_it_is_read(path: bytes) -> None:
    assert parse_path(parse_value(write_text({"path": os.fsdecode(path)}), "")["path"]) == path


@pytest.mark.parametrize("path", ["", b"", "a\0b", 3, None])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(ValueError, match="should be a path"):
        parse_path(path)
