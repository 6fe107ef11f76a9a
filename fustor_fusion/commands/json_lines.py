"""Answers as JSON: `{"data": …, "meta": …}`, as the API has them, also where one answer was put together from several."""

import msgspec

from fustor_fusion.replies import Meta

_encoder = msgspec.json.Encoder()


def document(data: object, meta: Meta) -> bytes:
    """The answer, in one line."""
    return b'{"data":' + _encoder.encode(data) + b',"meta":' + _encoder.encode(meta) + b"}\n"


class Stream:
    """An array that is written as it comes: `begin`, `item`…, `end`."""

    def __init__(self) -> None:
        self._items = 0

    def begin(self) -> bytes:
        return b'{"data":['

    def item(self, item: object) -> bytes:
        self._items += 1
        return (b",\n" if self._items > 1 else b"\n") + _encoder.encode(item)

    def end(self, meta: Meta) -> bytes:
        return b'\n],"meta":' + _encoder.encode(meta) + b"}\n"
