"""Where the next page begins: `next` of one answer is `after` of the next request, and opaque to who passes it on. Pure.

A cursor names the last thing that was given, never a count, so what comes and goes meanwhile moves nothing else.
"""

import base64
import binascii
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from fustor_core.errors import MalformedInput


class AfterName(Struct, frozen=True, array_like=True, tag=1):
    """A listing goes on behind this name."""

    name: bytes


class AfterDirectory(Struct, frozen=True, array_like=True, tag=2):
    """A search goes on behind this directory of the view itself, by path, and then with what lies in the roots."""

    path: bytes


class Inside(Struct, frozen=True, array_like=True, tag=3):
    """A search goes on in the root mounted at `place`, behind the store's own cursor."""

    place: bytes
    cursor: str


class AfterRoot(Struct, frozen=True, array_like=True, tag=4):
    """A search goes on with the roots mounted behind `place`, by path."""

    place: bytes


class AfterChanges(Struct, frozen=True, array_like=True, tag=5):
    """The feed goes on behind these changes: by root, the clock that its numbers belong to, and the number."""

    places: dict[str, tuple[str, int]]


ListCursor = AfterName
FindCursor = AfterDirectory | Inside | AfterRoot

_T = TypeVar("_T")
_encoder: Final = msgspec.msgpack.Encoder()
_list: Final = msgspec.msgpack.Decoder(ListCursor)
_find: Final[msgspec.msgpack.Decoder[FindCursor]] = msgspec.msgpack.Decoder(FindCursor)


_changes: Final = msgspec.msgpack.Decoder(AfterChanges)


def encode(cursor: ListCursor | FindCursor | AfterChanges) -> str:
    """The cursor as text that needs no escaping in a query."""
    return base64.urlsafe_b64encode(_encoder.encode(cursor)).rstrip(b"=").decode()


def decode_list(text: bytes) -> ListCursor:
    """The cursor of a listing; MalformedInput for anything else."""
    return _decode(_list, text)


def decode_find(text: bytes) -> FindCursor:
    """The cursor of a search; MalformedInput for anything else."""
    return _decode(_find, text)


def decode_changes(text: bytes) -> AfterChanges:
    """The cursor of a feed; MalformedInput for anything else."""
    return _decode(_changes, text)


def _decode(decoder: msgspec.msgpack.Decoder[_T], text: bytes) -> _T:
    try:
        return decoder.decode(base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, msgspec.DecodeError) as error:
        raise MalformedInput("`after` is no place in this list: give `next` of the page before, as it is") from error
