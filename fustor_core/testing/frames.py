"""Where the frames of a connection end, as far as a proxy has to know: one direction of HTTP that may go over to WebSockets."""

_HEAD_END = b"\r\n\r\n"
_LONGEST_HEAD = 64 * 1024


def frame_size(data: bytes | bytearray) -> int | None:
    """How many bytes the WebSocket frame takes that `data` begins with (RFC 6455, 5.2); None while too few are there to tell."""
    if len(data) < 2:
        return None
    length, masked = data[1] & 0x7F, 4 if data[1] & 0x80 else 0
    extended = {126: 2, 127: 8}.get(length, 0)
    if len(data) < 2 + extended:
        return None
    if extended:
        length = int.from_bytes(data[2 : 2 + extended])
    return 2 + extended + masked + length


class Frames:
    """Cuts a stream into its frames: each head of HTTP, and after an upgrade each WebSocket frame. Bodies pass as they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._upgraded = False
        self._in_body = False

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole with this."""
        self._buffer += data
        whole = []
        while (size := self._next()) is not None:
            whole.append(bytes(self._buffer[:size]))
            del self._buffer[:size]
        return whole

    def rest(self) -> bytes:
        """What was begun when the stream ended."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def _next(self) -> int | None:
        if self._upgraded:
            size = frame_size(self._buffer)
            return size if size is not None and size <= len(self._buffer) else None
        if self._in_body:
            return len(self._buffer) or None
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return _LONGEST_HEAD if len(self._buffer) > _LONGEST_HEAD else None
        self._upgraded = b"\nupgrade: websocket" in self._buffer[:end].lower()
        self._in_body = not self._upgraded
        return end + len(_HEAD_END)
