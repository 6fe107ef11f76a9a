"""What the root of each pipe was when fusion last took it, so that after a restart a root that is away is known for what it is: a fault of
the source, and no mistake in the settings."""

from pathlib import Path

import msgspec
from msgspec import Struct

from fustor_core.errors import ConfigurationError
from fustor_core.files import read_if_there, write_private
from fustor_core.wire import Identity


class Known(Struct, frozen=True):
    """What stood at `place`, and was served as `root`."""

    root: str
    place: bytes
    identity: Identity


class KnownRoots:
    """The roots that the pipes of one agent have served, in one file that is whole at any moment."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError where the file is there and cannot be read."""
        self._path = path
        text = read_if_there(path)
        try:
            self._known = msgspec.json.decode(text, type=dict[str, Known]) if text is not None else {}
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{path}: what the roots were cannot be read ({error}); correct it, or remove it: fusion still knows what they were"
            ) from None

    def of(self, pipe: str, root: str, place: bytes) -> Identity | None:
        """What stood at `place` when the pipe last served it as `root`; None if it never has."""
        known = self._known.get(pipe)
        return known.identity if known is not None and (known.root, known.place) == (root, place) else None

    def record(self, pipe: str, known: Known) -> None:
        """Remember it, durably. Raises ConfigurationError where it cannot be written; then the old one stays. It waits for the disk, so it
        is called on a thread."""
        after = {**self._known, pipe: known}
        write_private(self._path, msgspec.json.encode(after).decode())
        self._known = after
