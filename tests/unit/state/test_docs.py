"""docs/states.md says what the program does."""

from docs.generate import STATES, states
from tests.unit.state import expected


def test_it_is_current() -> None:
    assert STATES.read_text("utf-8") == states(), "run `make docs`"


def test_it_has_every_row_of_the_documents() -> None:
    text = states()
    for table in (expected.LIFECYCLE_ROWS, expected.OPERATIONAL_ROWS, expected.HEALTH_ROWS):
        for source, event, target in expected.rows(table):
            assert f"| {source} | {event} | {target} |" in text
            assert f"    {source} --> {target}: {event}\n" in text
