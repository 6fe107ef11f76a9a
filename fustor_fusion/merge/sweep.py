"""A listing of a large directory of which something is known already: applied little by little, so that what else is said waits for no more
than a slice of it.

First the listing is compared with what is known, then the guard is asked about all that would be lost by it, then the differences are
applied; each in as many slices as it takes. Every slice states nothing that the listing does not. What comes meanwhile is merged as always,
but a name that is changed in between has to be dealt with once more (`Sweeps.changed`): where older evidence has changed it, the listing,
of which the time goes for all names when it is done, would else vouch for what it denies; and a directory that newer evidence has made was
none if the listing does not have it. Pure.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from fustor_core.evidence import Entry, Listing
from fustor_core.wire import Via
from fustor_fusion.merge.nodes import Child

LARGE: Final = 20_000
"""Names in a directory, or in its listing, from which that is applied little by little."""
MOST_SWEPT: Final = 4_000_000
"""Names in all listings that are being applied; what is beyond is applied at once, and all wait for it."""


def is_lost(child: Child, entry: Entry | None) -> bool:
    """Whether what is known as `child` goes, or all below it, where a listing has `entry` under its name."""
    return entry is None or (child.directory > 0 and not entry.is_directory)


@dataclass(slots=True, eq=False)
class Sweep:
    """The application of `listing`, said by a contribution with `via`, `watching_since` and `errors`.

    `absent`: directories of the listing that another, older one denied which it took the place of, by the stamp of that. `directory` is the
    id of what the listing is compared with. `after` is the name up to which it has been, None before the first; `met` are the names in
    both, `lost` the children that are not in it; `known` counts all. `waiting` are the names to which it is still to be
    applied, beside those that were not met. `confirmed`: a second look has said that the losses are losses.
    """

    listing: Listing
    via: Via
    watching_since: int | None
    errors: Mapping[int, int]
    clean_to: int
    absent: dict[bytes, int] = field(default_factory=dict)
    directory: int = 0
    after: bytes | None = None
    # No set and no list: these the garbage collector would look through, and all threads wait for that.
    met: dict[bytes, None] = field(default_factory=dict)
    lost: dict[bytes, Child] = field(default_factory=dict)
    known: int = 0
    compared: bool = False
    confirmed: bool = False
    waiting: deque[bytes] = field(default_factory=deque)
    _unmet: Iterator[bytes] | None = None

    def begin(self, directory: int) -> None:
        """Nothing has been compared yet, with the directory that has this id."""
        self.directory, self.after, self.known, self.compared, self.confirmed = directory, None, 0, False, False
        self.met, self.lost = {}, {}
        self.waiting = deque(self.absent)
        # Not all at once: no step of a sweep takes longer for a larger listing.
        self._unmet = (name for name in self.listing.entries if name not in self.met)

    def compare(self, children: Sequence[tuple[bytes, Child]], *, last: bool) -> None:
        """These children follow those that have been compared; `last`: no more do."""
        entries = self.listing.entries
        self.known += len(children)
        for name, child in children:
            entry = entries.get(name)
            if entry is not None:
                self.met[name] = None
            if is_lost(child, entry):
                self.lost[name] = child
                self.waiting.append(name)
            elif child.directory or child.entry != entry:
                self.waiting.append(name)
        if children:
            self.after = children[-1][0]
        if last:
            self.compared = True

    def take(self, limit: int) -> list[bytes]:
        """The next names, each once; none if it is applied to all."""
        taken: dict[bytes, None] = {}
        while self.waiting and len(taken) < limit:
            taken[self.waiting.popleft()] = None
        if self._unmet is not None:
            taken.update(dict.fromkeys(islice(self._unmet, limit - len(taken))))
        return list(taken)

    @property
    def low(self) -> int:
        """The oldest stamp of what it states."""
        return min([self.listing.at, *self.absent.values()])

    def joined(self, other: "Sweep") -> "Sweep":
        """Both of the same directory: the newer of their listings denies all that the other says, but that a directory in it was none."""
        older, newer = sorted((self, other), key=lambda sweep: sweep.listing.at)
        absent = {**older.absent, **newer.absent}
        held = older.listing.entries
        for name, entry in newer.listing.entries.items():
            if entry.is_directory and not (name in held and held[name].is_directory):
                absent[name] = max(older.listing.at, absent.get(name, 0))
        return Sweep(newer.listing, newer.via, newer.watching_since, newer.errors, min(older.clean_to, newer.clean_to), absent)


class Sweeps:
    """All sweeps of a root; one for each directory. `large`: names from which a listing is swept."""

    def __init__(self, large: int = LARGE, standing: Mapping[bytes, Sweep] | None = None) -> None:
        self.large = large
        self._standing = dict(standing or {})

    def copy(self) -> "Sweeps":
        """Of which adding and ending say nothing to this one."""
        return Sweeps(self.large, self._standing)

    def has_room(self, names: int) -> bool:
        """Whether a listing of so many names can wait for its turn."""
        return names + sum(len(sweep.listing.entries) for sweep in self._standing.values()) <= MOST_SWEPT

    def add(self, sweep: Sweep) -> None:
        """It begins; where another of the directory has, together with that."""
        path = sweep.listing.path
        standing = self._standing.get(path)
        self._standing[path] = sweep if standing is None else sweep.joined(standing)

    def next(self) -> Sweep | None:
        """The one that is to go on."""
        return next(iter(self._standing.values()), None)

    def end(self, sweep: Sweep) -> None:
        """It has been applied, or is not to be."""
        self._standing.pop(sweep.listing.path, None)

    def restart(self) -> None:
        """What was done since the last commit is lost."""
        for sweep in self._standing.values():
            sweep.directory = 0

    def changed(self, directory: int, names: Iterable[bytes], at: int) -> None:
        """Evidence of `at` has changed these names in a directory."""
        for sweep in self._standing.values():
            if sweep.directory == directory and at != sweep.listing.at:
                sweep.waiting.extend(names)

    @property
    def low(self) -> int | None:
        """No sweep states anything older than this; None if there is none."""
        return min((sweep.low for sweep in self._standing.values()), default=None)

    @property
    def paths(self) -> Collection[bytes]:
        """The directories of which a listing is being applied."""
        return self._standing.keys()

    def all(self) -> list[Sweep]:
        return list(self._standing.values())

    def __bool__(self) -> bool:
        return bool(self._standing)
