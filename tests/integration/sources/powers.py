"""What root may do beyond the rights of an owner, given up for a while: so a test that runs as root meets closed directories too."""

import ctypes
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION_3 = 0x20080522
_PAST_RIGHTS = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def ordinary_rights() -> Iterator[None]:
    """The calling thread, and no other, reads and searches only what modes allow. Nothing changes for an ordinary user."""
    effective, permitted, inheritable, *high = _capabilities()
    _set(effective & ~_PAST_RIGHTS, permitted, inheritable, *high)
    try:
        yield
    finally:
        _set(effective, permitted, inheritable, *high)


def _capabilities() -> tuple[int, ...]:
    data = ctypes.create_string_buffer(24)
    _check(_libc.capget(struct.pack("Ii", _VERSION_3, 0), data))
    return struct.unpack("6I", data.raw)


def _set(*words: int) -> None:
    _check(_libc.capset(struct.pack("Ii", _VERSION_3, 0), struct.pack("6I", *words)))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "the capabilities of this thread cannot be changed")
