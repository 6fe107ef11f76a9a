"""Numbers as people read them: users and groups by the names that this machine knows, sizes with a unit."""

import grp
import pwd
from functools import cache
from typing import Final

_UNITS: Final = "BKMGTPEZY"


@cache
def name_of_user(uid: int) -> str | None:
    """The name of a user on this machine; None where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


@cache
def name_of_group(gid: int) -> str | None:
    """The name of a group on this machine; None where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return None


def user_id(name: str) -> int | None:
    """The number of a user that this machine knows."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


def group_id(name: str) -> int | None:
    """The number of a group that this machine knows."""
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return None


def user_name(uid: int | None) -> bytes:
    """The user as it is printed: by name, else by number; `?` where it is not known."""
    return b"?" if uid is None else (name_of_user(uid) or str(uid)).encode("utf-8", "surrogateescape")


def group_name(gid: int | None) -> bytes:
    """The group as it is printed."""
    return b"?" if gid is None else (name_of_group(gid) or str(gid)).encode("utf-8", "surrogateescape")


def human_size(size: int) -> bytes:
    """The size as `ls -h` and `du -h` print it: powers of 1024, rounded up, with one decimal below 10."""
    if size < 1024:
        return b"%d" % size
    unit, value = 0, size * 10
    # Each step keeps tenths, rounded up, so that what is printed is never less than what is there.
    power = 1
    while -(-value // power) >= 10 * 1024 and unit < len(_UNITS) - 1:
        unit, power = unit + 1, power * 1024
    tenths = -(-value // power)
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10}{_UNITS[unit]}".encode()
    whole = -(-size // power)
    return f"1.0{_UNITS[unit + 1]}".encode() if whole >= 1024 else f"{whole}{_UNITS[unit]}".encode()
