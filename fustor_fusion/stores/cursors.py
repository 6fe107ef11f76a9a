"""Cursors of a search: opaque to whoever holds them, and good across commits, because they name a place and not a position."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from fustor_core.errors import MalformedInput
from fustor_core.evidence import Natural
from fustor_core.paths import check_path


class WalkCursor(msgspec.Struct, frozen=True, array_like=True, tag="walk1"):
    """Behind `path`, in pre-order. The tag has the version of the order that the cursor relies on."""

    path: bytes


class ScanCursor(msgspec.Struct, frozen=True, array_like=True, tag="scan1"):
    """Behind `name` of the directory with this number, in the order of the stored rows."""

    directory: Natural
    name: bytes


Cursor = WalkCursor | ScanCursor
_decoder = msgspec.msgpack.Decoder(Cursor)


def encode(cursor: Cursor) -> str:
    """The cursor as text that needs no quoting in a URL."""
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def decode(text: str) -> Cursor:
    """The cursor that `text` is; MalformedInput if it is none."""
    try:
        cursor: Cursor = _decoder.decode(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)))
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError) as error:
        raise MalformedInput("the cursor `after` is none that this server gave: begin the search again without it") from error
    if isinstance(cursor, WalkCursor):
        check_path(cursor.path)
    return cursor
