"""The digest of a listing, by which agent and fusion find out that they know the same without sending it."""

from hashlib import blake2b

import msgspec

from fustor_core.evidence import Entry

DIGEST_SIZE = 16

_encoder = msgspec.msgpack.Encoder()


def listing_digest(entries: dict[bytes, Entry]) -> bytes:
    """16 bytes that differ for listings that differ in a name or an attribute; the order of `entries` does not matter."""
    return sorted_digest(sorted(entries.items()))


def sorted_digest(entries: list[tuple[bytes, Entry]]) -> bytes:
    """`listing_digest` for who has the listing sorted by name already."""
    return blake2b(_encoder.encode(entries), digest_size=DIGEST_SIZE).digest()
