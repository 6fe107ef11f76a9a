"""Times that are too far away for a date: a tmpfs or btrfs takes any 64 bits, and one such file must not keep others from being shown.

What is expected is what GNU find, ls, stat and du print for such a file.
"""

import pytest

from fustor_fusion.commands import listing
from fustor_fusion.commands.stat_format import zoned
from fustor_fusion.expression.listing import short_time
from fustor_fusion.expression.moments import as_ctime, formatted, local_minute
from fustor_fusion.query import Instant

LAST: Instant = (2**63 - 1, 5)
FIRST: Instant = (-(2**63), 0)
NOW = (1_700_000_000, 0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind, "9223372036854775807") for kind in "aAbBcCdDFHjMYZ"),
        *((kind, "9223372036854775807.0000000050") for kind in "@+STX"),
    ],
)
def test_printf_prints_the_seconds(kind: str, expected: str) -> None:
    assert formatted(LAST, kind) == expected


def test_so_do_the_others() -> None:
    assert as_ctime(FIRST) == "-9223372036854775808.0000000000"
    assert short_time(FIRST, NOW) == "-9223372036854775808"
    assert listing.short_time(LAST[0], NOW[0]) == b"9223372036854775807"
    assert zoned(LAST) == "9223372036854775807.000000005"
    assert local_minute(LAST) == "9223372036854775807"


@pytest.mark.parametrize("seconds", [67_768_036_191_676_799, -67_768_040_609_740_800, 2**55, -(2**55)])
def test_no_time_is_too_far_away_to_be_printed(seconds: int) -> None:
    instant = (seconds, 0)
    for text in (as_ctime(instant), short_time(instant, NOW), zoned(instant), local_minute(instant), formatted(instant, "c")):
        assert text
    assert listing.short_time(seconds, NOW[0])
