"""What an expression is evaluated on: one entry at a time, and the surroundings that are the same for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fustor_fusion.query import Instant
from fustor_fusion.replies import Entry


@dataclass(slots=True)
class Visit:
    """An entry as find meets it: `path` is as it is printed, with `start` as it was typed. -prune sets `pruned`."""

    entry: Entry
    path: bytes
    start: bytes
    depth: int
    pruned: bool = False

    @property
    def name(self) -> bytes:
        """What -name looks at: the last component, without slashes at the end; `/` where there is nothing else."""
        return self.path.rstrip(b"/").rpartition(b"/")[2] or b"/"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that evaluation needs besides the entry.

    `user`, `group`: the name of a number, None where it has none. `references`: the entries that -newer names, by path as typed.
    `is_empty`: whether a directory holds nothing. `shown`: a name as it is printed (escaped on a terminal). `write` takes the output.
    """

    now: Instant
    write: Callable[[bytes], object]
    user: Callable[[int], str | None]
    group: Callable[[int], str | None]
    references: Mapping[bytes, Entry]
    is_empty: Callable[[Visit], bool]
    shown: Callable[[bytes], bytes] = bytes
    utf8: bool = True


class Quit(Exception):
    """-quit: nothing more is to be done. What was asked to be printed before is printed."""
