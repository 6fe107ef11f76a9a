"""Times as text are exact, and read back as what they were."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.times import format_instant, format_wall, parse_instant


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ((0, 0), "1970-01-01T00:00:00.000000000Z"),
        ((0, 1), "1970-01-01T00:00:00.000000001Z"),
        ((-1, 999_999_999), "1969-12-31T23:59:59.999999999Z"),
        ((951_782_400, 0), "2000-02-29T00:00:00.000000000Z"),
        ((1_709_208_000, 123_456_789), "2024-02-29T12:00:00.123456789Z"),
        ((9_223_372_036, 854_775_808), "2262-04-11T23:47:16.854775808Z"),
        ((253_402_300_799, 0), "9999-12-31T23:59:59.000000000Z"),
        ((253_402_300_800, 0), "+010000-01-01T00:00:00.000000000Z"),
        ((-62_135_596_800, 0), "0001-01-01T00:00:00.000000000Z"),
        ((-62_167_219_200, 0), "0000-01-01T00:00:00.000000000Z"),
        ((-62_167_219_201, 0), "-000001-12-31T23:59:59.000000000Z"),
        ((2**63 - 1, 0), "+292277026596-12-04T15:30:07.000000000Z"),
        ((-(2**63), 0), "-292277022657-01-27T08:29:52.000000000Z"),
    ],
)
def test_known_instants(instant: tuple[int, int], text: str) -> None:
    assert format_instant(*instant) == text
    assert parse_instant(text) == instant


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 999_999_999))
def test_every_instant_of_a_file_system_reads_back(seconds: int, nanoseconds: int) -> None:
    assert parse_instant(format_instant(seconds, nanoseconds)) == (seconds, nanoseconds)


@given(st.datetimes(min_value=datetime.datetime(1, 1, 1)))  # noqa: DTZ001 - its zone is set below
def test_agrees_with_the_calendar_of_python(moment: datetime.datetime) -> None:
    aware = moment.replace(tzinfo=datetime.UTC)
    since = aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    text = format_instant(since.days * 86_400 + since.seconds, since.microseconds * 1000)
    assert datetime.datetime.fromisoformat(text) == aware


def test_wall_clock_nanoseconds_before_1970_round_down() -> None:
    assert format_wall(-1) == "1969-12-31T23:59:59.999999999Z"
    assert format_wall(1_500_000_000_000_000_007) == "2017-07-14T02:40:00.000000007Z"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1700000000", (1_700_000_000, 0)),
        ("1700000000.5", (1_700_000_000, 500_000_000)),
        ("1700000000.000000001", (1_700_000_000, 1)),
        ("-1.5", (-2, 500_000_000)),
        ("2024-02-29", (1_709_164_800, 0)),
        ("2024-02-29T12:00:00Z", (1_709_208_000, 0)),
        ("2024-02-29t12:00:00z", (1_709_208_000, 0)),
        ("2024-02-29 12:00:00.25+01:30", (1_709_202_600, 250_000_000)),
        ("2024-02-28T22:00:00-02:00", (1_709_164_800, 0)),
        ("2016-12-31T23:59:60Z", (1_483_228_800, 0)),
    ],
)
def test_what_people_write(text: str, instant: tuple[int, int]) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-02-30",
        "2023-02-29T00:00:00Z",
        "2024-13-01",
        "2024-00-10",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00.1234567890Z",
        "1.1234567890",
        "9223372036854775808",
        "٣",
        "1e9",
        "2024-01-01T00:00:00Z\n",
    ],
)
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is "):
        parse_instant(text)
