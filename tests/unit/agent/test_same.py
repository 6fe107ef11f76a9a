"""What a listing would say, said by a digest."""

from hypothesis import given
from hypothesis import strategies as st

from fustor_agent.audit.same import digested
from fustor_core.digest import listing_digest
from fustor_core.evidence import Entry, Gone, Listing, Same

ENTRIES = {b"%d" % number: Entry(0o100644, number, 512, 0, 0, 1, 7, 0, 0, 0, 0) for number in range(7)}


def test_a_listing_becomes_its_digest_and_everything_else_stays() -> None:
    gone = Gone(b"d/x", 3)
    assert list(digested([Listing(b"d", 1, ENTRIES), gone])) == [Same(b"d", 1, listing_digest(ENTRIES)), gone]
    assert list(digested([Listing(b"", 1, {})])) == [Same(b"", 1, listing_digest({}))]


@given(st.integers(1, 7), st.booleans())
def test_a_listing_in_parts_has_the_digest_of_the_whole(size: int, between: bool) -> None:
    items = list(ENTRIES.items())
    cuts = range(0, len(items), size)
    parts = [Listing(b"d", 1, dict(items[cut : cut + size]), part, cut + size >= len(items)) for part, cut in enumerate(cuts)]
    other = [Listing(b"e", 2, {})] if between else []
    found = list(digested([parts[0], *other, *parts[1:]]))
    assert Same(b"d", 1, listing_digest(ENTRIES)) in found
    assert len(found) == 1 + len(other)
