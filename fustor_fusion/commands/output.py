"""Standard output as bytes: names are printed as they are on disk, except on a terminal, where what is not printable is escaped."""

import sys
from typing import IO, Final

from fustor_core.cli import printing
from fustor_core.paths import show

_ENOUGH: Final = 1 << 16


class Output:
    """Gathers what is printed, and writes it in pieces that are worth a system call. On a terminal nothing waits."""

    def __init__(self, stream: IO[bytes] | None = None) -> None:
        self._stream = stream or sys.stdout.buffer
        self.is_terminal = self._stream.isatty()
        self._waiting: list[bytes] = []
        self._size = 0

    def write(self, text: bytes) -> None:
        self._waiting.append(text)
        self._size += len(text)
        if self._size >= _ENOUGH or self.is_terminal:
            self.flush()

    def flush(self) -> None:
        """Write all that waits. Raises BrokenPipeError where nobody reads any more, ConfigurationError where there is no room."""
        text, self._waiting, self._size = b"".join(self._waiting), [], 0
        with printing():
            self._stream.write(text)
            self._stream.flush()

    def name(self, name: bytes) -> bytes:
        """The name or path as it is printed here."""
        return show(name).encode("utf-8", "surrogateescape") if self.is_terminal else name
