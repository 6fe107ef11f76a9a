"""Paths inside a root: bytes, relative, components joined by `/`; the root itself is `b""`.

Names come from disks and from the network, so a path is checked once, where it enters.
"""

from collections.abc import Iterable

from fustor_core.errors import MalformedInput
from fustor_core.printable import one_line

ROOT = b""
LONGEST_PATH = 64 * 1024
_NO_NAMES = frozenset((b"", b".", b".."))


def components(path: bytes) -> list[bytes]:
    """The names from the root down to `path`; none for the root itself."""
    return path.split(b"/") if path else []


def join(directory: bytes, name: bytes) -> bytes:
    """The path of `name` in `directory`."""
    return directory + b"/" + name if directory else name


def split(path: bytes) -> tuple[bytes, bytes]:
    """The directory that holds `path`, and its name there; `(b"", b"")` for the root."""
    directory, _, name = path.rpartition(b"/")
    return directory, name


def is_below(path: bytes, directory: bytes) -> bool:
    """Whether `path` is `directory` or lies anywhere below it."""
    return not directory or path == directory or path.startswith(directory + b"/")


def check_path(path: bytes) -> None:
    """Refuse what is no path inside a root: `..`, empty names, NUL, absurd length."""
    if len(path) > LONGEST_PATH:
        raise MalformedInput(f"a path of {len(path):,} bytes is longer than {LONGEST_PATH:,}")
    if path:
        if b"\0" in path:
            raise MalformedInput(f"the path {show(path)} contains a NUL byte")
        if not _NO_NAMES.isdisjoint(path.split(b"/")):
            raise MalformedInput(f"the path {show(path)} is not below the root: it has an empty, `.` or `..` component")


def check_names(names: Iterable[bytes]) -> None:
    """Refuse names that no directory can hold. Works on all names at once: listings are the bulk of what arrives."""
    names = list(names)
    joined = b"/".join(names)
    if b"\0" in joined or joined.count(b"/") != max(len(names) - 1, 0) or not _NO_NAMES.isdisjoint(names):
        raise MalformedInput("a listing holds a name that is empty, `.`, `..`, or contains `/` or NUL")


def show(path: bytes) -> str:
    """The path as one line of text: what is not printable UTF-8 is escaped, so nothing is lost and no terminal is upset."""
    return one_line(path.decode("utf-8", "backslashreplace"))
