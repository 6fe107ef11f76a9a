"""What evidence means, computed with no cleverness: all of it is kept, and the newest fact about each path decides (DESIGN §2).

The stores are held against this. Also here: random evidence, and what a store holds, read through its port.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from fustor_core.evidence import Entry, Evidence, Gone, Kind, Listing, Same, Seen, Unreadable
from fustor_core.paths import components, is_below, join, split
from fustor_fusion.query import Found, Usage
from fustor_fusion.stores import Reading

View = dict[bytes, tuple[bool, Entry | None]]
"""Of each path in the view: whether it is a directory, and its attributes."""


@dataclass(frozen=True)
class Fact:
    """At `at` a path was a directory (True), something else (False) or absent (None), perhaps with attributes."""

    at: int
    directory: bool | None
    entry: Entry | None = None


def fact(evidence: Evidence, path: bytes) -> Fact | None:
    """What one piece of evidence says of `path`; None if nothing."""
    if isinstance(evidence, Unreadable | Same):
        return None
    if path != evidence.path and is_below(evidence.path, path):
        return Fact(evidence.at, True)  # an ancestor of what was there, or of what went from it
    if not is_below(path, evidence.path):
        return None
    deeper = components(path)[len(components(evidence.path)) :]
    match evidence:
        case Gone(at=at):
            return Fact(at, None)
        case Seen(at=at, entry=entry):
            return _below(at, entry, deeper)
        case Listing(at=at, entries=entries):
            return _below(at, entries.get(deeper[0]), deeper[1:]) if deeper else Fact(at, True)


def _below(at: int, entry: Entry | None, deeper: list[bytes]) -> Fact | None:
    """What an entry (None: none there) says of itself, and of what is `deeper`."""
    if entry is None:
        return Fact(at, None)
    if not deeper:
        return Fact(at, entry.is_directory, entry)
    return None if entry.is_directory else Fact(at, None)


def meaning(evidence: Iterable[Evidence], paths: Iterable[bytes]) -> View:
    """What the view holds after this evidence, of `paths`, which must have every ancestor of each of them."""
    evidence = list(evidence)
    now: dict[bytes, Fact] = {}
    for path in paths:
        facts = sorted((known for one in evidence if (known := fact(one, path)) is not None), key=lambda known: known.at)
        if path == b"":
            facts.insert(0, Fact(-1, True))
        if not facts:
            continue
        last = facts[-1].directory
        # Attributes hold as long as the path stays what it is.
        since = next((index + 1 for index in range(len(facts) - 1, -1, -1) if facts[index].directory != last), 0)
        stated = [known.entry for known in facts[since:] if known.entry is not None]
        now[path] = Fact(facts[-1].at, last, stated[-1] if stated else None)
    return {
        path: (known.directory, known.entry)
        for path, known in now.items()
        if known.directory is not None and all(above in now and now[above].directory for above in _ancestors(path))
    }


def _ancestors(path: bytes) -> Iterator[bytes]:
    while path:
        path, _ = split(path)
        yield path


def held(reading: Reading) -> View:
    """Everything that a store holds, from one directory to the next."""
    view: View = {}
    waiting = [b""]
    root = reading.find(b"")
    assert root is not None
    view[b""] = (root.kind is Kind.DIRECTORY, root.entry)
    while waiting:
        for found in every_child(reading, waiting.pop()):
            view[found.path] = (found.kind is Kind.DIRECTORY, found.entry)
            if found.kind is Kind.DIRECTORY:
                waiting.append(found.path)
    return view


def every_child(reading: Reading, path: bytes, stride: int = 100) -> Iterator[Found]:
    """The children of a directory, a page at a time."""
    after: bytes | None = None
    while page := reading.children(path, after, stride):
        yield from page
        after = split(page[-1].path)[1]


def totals(view: View, path: bytes) -> Usage:
    """The totals of a path and all below it, counted one by one."""
    below = [(directory, entry) for each, (directory, entry) in view.items() if is_below(each, path)]
    known = [entry for _, entry in below if entry is not None]
    regular = [entry for entry in known if entry.kind is Kind.FILE]
    return Usage(
        files=len(regular),
        directories=sum(directory for directory, _ in below),
        others=sum(not directory for directory, _ in below) - len(regular),
        bytes=sum(entry.size for entry in regular),
        allocated=sum(entry.allocated for entry in known),
        newest=max(((entry.mtime, entry.mtime_ns) for entry in known), default=None),
    )


NAMES = (b"a", b"b", b"c")
PATHS = [b"/".join(names) for depth in range(4) for names in product(NAMES, repeat=depth)]
KINDS = {"d": 0o040755, "f": 0o100644, "l": 0o120777, "p": 0o010600}


def entry_of(kind: str, mark: int = 0, mount: int = 0) -> Entry:
    """Attributes of a kind (`KINDS`) that differ with `mark`."""
    return Entry(KINDS[kind], mark * 3, mark * 512, 1000, 100, 1, mark, mark % 7, mark % 3, mark % 7, mark, mount)


def random_entry(rng: random.Random) -> Entry:
    return entry_of(rng.choice("ddffflp"), rng.randrange(12), rng.choice((0, 0, 0, -1)))


def random_path(rng: random.Random, shortest: int, longest: int) -> bytes:
    return b"/".join(rng.choice(NAMES) for _ in range(rng.randint(shortest, longest)))


def random_evidence(rng: random.Random, at: int) -> Evidence:
    """Something about the few paths of PATHS."""
    which = rng.random()
    if which < 0.4:
        path = random_path(rng, 0, 3)
        return Seen(path, at, random_entry(rng) if path else entry_of("d", rng.randrange(12)))
    if which < 0.6:
        return Gone(random_path(rng, 1, 3), at)
    if which < 0.65:
        return Unreadable(random_path(rng, 0, 2), at, "permission denied")
    return Listing(random_path(rng, 0, 2), at, {name: random_entry(rng) for name in NAMES if rng.random() < 0.5})


def shuffled(rng: random.Random, evidence: Sequence[Evidence]) -> list[Evidence]:
    """The same evidence in another order, some of it twice."""
    order = [*evidence, *rng.sample(evidence, len(evidence) // 2)]
    rng.shuffle(order)
    return order


def as_listing(reading: Reading, path: bytes) -> dict[bytes, Entry] | None:
    """What a listing of a directory would say that holds what the store does; None if the store cannot tell."""
    children = list(every_child(reading, path))
    entries = {found.path[len(join(path, b"")) :]: found.entry for found in children if found.entry is not None}
    return entries if len(entries) == len(children) else None
