"""What the characters of the user's locale are: find matches patterns by them."""

import locale
import os
from contextlib import suppress


def characters_are_utf8() -> bool:
    """Whether find, started by the same user, would take names for UTF-8.

    Asked of the variables that this process was started with: Python itself sets LC_CTYPE to UTF-8 where the user's locale is C.
    """
    environ = _environment_at_start()
    name = next((value for value in (environ.get(each) for each in (b"LC_ALL", b"LC_CTYPE", b"LANG")) if value), b"C")
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, os.fsdecode(name))
        return locale.nl_langinfo(locale.CODESET).upper() in ("UTF-8", "UTF8")
    except locale.Error:
        # A locale that is not installed is C to find.
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _environment_at_start() -> dict[bytes, bytes]:
    with suppress(OSError), open("/proc/self/environ", "rb") as file:
        pairs = [pair.partition(b"=") for pair in file.read().split(b"\0")]
        return {name: value for name, _, value in pairs}
    return dict(os.environb)
