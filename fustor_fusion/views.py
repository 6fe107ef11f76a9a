"""Views: mount tables that put roots side by side in one tree. Pure: no I/O, and no knowledge of what a root holds.

A path of a view is bytes and begins with `/`. What lies above the mounts exists only in the view: synthetic directories.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fustor_core.errors import ConfigurationError, MalformedInput
from fustor_core.paths import LONGEST_PATH, is_below, join, show

DEFAULT: Final = "default"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*")
_DOTS: Final = frozenset((b".", b".."))


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a view shows a root: `place` has no leading slash, and is empty where the root is the whole view."""

    root: str
    place: bytes

    @property
    def path(self) -> bytes:
        """The place as a path of the view."""
        return b"/" + self.place


@dataclass(frozen=True, slots=True)
class InRoot:
    """A path of a view that lies in a root: `path` is the path there, empty for the root itself."""

    mount: Mount
    path: bytes

    @property
    def view_path(self) -> bytes:
        return view_path(self.mount, self.path)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A directory that only the view has. `names` are what it holds, in byte order."""

    place: bytes
    names: Sequence[bytes]

    @property
    def view_path(self) -> bytes:
        return b"/" + self.place


Place = InRoot | Synthetic


def view_path(mount: Mount, path: bytes) -> bytes:
    """The path in the view of what is at `path` in the mounted root."""
    return b"/" + join(mount.place, path) if path else mount.path


def parse_view_path(path: bytes) -> bytes:
    """The place that a path of a view names, without its leading slash; `b""` is the top of the view.

    Repeated and trailing slashes mean nothing, as everywhere in POSIX. `.` and `..` are refused and not resolved: whether `a/..` is the
    directory that was meant depends on symbolic links, which no index follows. Raises MalformedInput.
    """
    if not path:
        raise MalformedInput("the path is empty: the top of a view is `/`")
    if not path.startswith(b"/"):
        raise MalformedInput(f"the path {show(path)} is relative: a path of a view begins with `/`")
    if len(path) > LONGEST_PATH:
        raise MalformedInput(f"a path of {len(path):,} bytes is longer than {LONGEST_PATH:,}")
    if b"\0" in path:
        raise MalformedInput(f"the path {show(path)} contains a NUL byte, which no name can hold")
    place = path.strip(b"/")
    names = place.split(b"/")
    if not _DOTS.isdisjoint(names):
        raise MalformedInput(f"the path {show(path)} has a `.` or `..` component: give the path that is meant, spelled out")
    return b"/".join(filter(None, names)) if b"//" in place else place


class View:
    """A named mount table. Raises ConfigurationError where a mount overlaps another: every path has one meaning."""

    def __init__(self, name: str, mounts: Mapping[str, bytes]) -> None:
        """`mounts` has a mount path (`/archive/2024`) for the name of each root."""
        _check_name("view", name)
        self.name = name
        self.mounts: tuple[Mount, ...] = tuple(sorted((_mount(name, root, path) for root, path in mounts.items()), key=lambda m: m.path))
        _refuse_overlaps(name, self.mounts)
        self._by_place = {mount.place: mount for mount in self.mounts}
        self._synthetic = _synthetic(self.mounts)

    def resolve(self, path: bytes) -> Place | None:
        """What `path` is in this view: a path in a root, a synthetic directory, or nothing. Raises MalformedInput for what is no path."""
        place = parse_view_path(path)
        held = self._synthetic.get(place)
        if held is not None:
            return Synthetic(place, held)
        end = 0
        while True:
            mount = self._by_place.get(place[:end])
            if mount is not None:
                return InRoot(mount, place[end + 1 :] if mount.place else place)
            if end == len(place):
                return None
            end = place.find(b"/", end + 1)
            if end < 0:
                end = len(place)

    def below(self, place: bytes) -> list[Mount]:
        """The mounts at and below a synthetic directory, by path."""
        return [mount for mount in self.mounts if is_below(mount.place, place)]

    def synthetic_below(self, place: bytes) -> list[Synthetic]:
        """The synthetic directories at and below `place`, by path."""
        return [Synthetic(other, self._synthetic[other]) for other in sorted(self._synthetic) if is_below(other, place)]


class Views:
    """All views: those that are configured, and `default`, which unless configured has every root at `/NAME`, whenever the root appears."""

    def __init__(self, configured: Mapping[str, Mapping[str, bytes]]) -> None:
        self._configured = {name: View(name, mounts) for name, mounts in configured.items()}
        self._default = View(DEFAULT, {})
        self._default_of: tuple[str, ...] = ()

    def names(self) -> list[str]:
        return sorted({DEFAULT, *self._configured})

    def get(self, name: str, roots: Iterable[str]) -> View | None:
        """The view `name`, where `roots` are the names of the roots that there are; None if there is no such view."""
        view = self._configured.get(name)
        if view is not None or name != DEFAULT:
            return view
        known = tuple(roots)
        if known != self._default_of:
            self._default, self._default_of = View(DEFAULT, {root: b"/" + root.encode() for root in known}), known
        return self._default


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} cannot name a {what}: take a lower-case letter, then lower-case letters, digits, `_`, `-`")


def _mount(view: str, root: str, path: bytes) -> Mount:
    _check_name("root", root)
    try:
        place = parse_view_path(path)
    except MalformedInput as error:
        raise ConfigurationError(f"view {view}: the mount of root {root}: {error}") from None
    return Mount(root, place)


def _refuse_overlaps(view: str, mounts: Sequence[Mount]) -> None:
    for upper in mounts:
        for lower in mounts:
            if upper is not lower and is_below(lower.place, upper.place):
                raise ConfigurationError(
                    f"view {view}: root {lower.root} at {show(lower.path)} lies below root {upper.root} at {show(upper.path)}; "
                    "mount them side by side"
                )


def _synthetic(mounts: Iterable[Mount]) -> dict[bytes, tuple[bytes, ...]]:
    """The names in each directory above the mounts. The top of a view without mounts is there too, and empty."""
    names: dict[bytes, set[bytes]] = {b"": set()}
    for mount in mounts:
        place = mount.place
        while place:
            place, _, name = place.rpartition(b"/")
            names.setdefault(place, set()).add(name)
    if any(not mount.place for mount in mounts):
        return {}
    return {place: tuple(sorted(held)) for place, held in names.items()}
