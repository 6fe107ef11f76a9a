"""Says by a digest what a listing would say: what fusion knows already need not travel. Pure."""

from collections.abc import Iterable, Iterator

from fustor_core.digest import listing_digest
from fustor_core.evidence import Entry, Evidence, Listing, Same


def digested(evidence: Iterable[Evidence]) -> Iterator[Evidence]:
    """The evidence with every whole listing, also one in parts, as a `Same`; everything else as it is.

    The parts of a listing come in order; other evidence may stand between them.
    """
    parts: dict[tuple[bytes, int], dict[bytes, Entry]] = {}
    for one in evidence:
        if not isinstance(one, Listing):
            yield one
        elif one.last and not one.part:
            yield Same(one.path, one.at, listing_digest(one.entries))
        else:
            entries = parts.setdefault((one.path, one.at), {})
            entries.update(one.entries)
            if one.last:
                yield Same(one.path, one.at, listing_digest(parts.pop((one.path, one.at))))
