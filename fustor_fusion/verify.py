"""Verifying: what fusion claims, compared with what the agents read when they are asked to look again. Pure.

A file that changes between the claim and the look is no fault of the claim, and nothing tells it for certain from one that fusion had
wrong. So whatever the file system itself says has changed since shortly before the claim is left out, and counted as left out.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fustor_core.evidence import Entry
from fustor_fusion.query import Instant

CONFIDENCE = 0.95
MARGIN = 2.0
"""Seconds by which a change may be older than the claim and still count as made meanwhile: clocks differ, and events take a moment."""
MOST_EXAMPLES = 20

_ASPECTS: Sequence[tuple[str, Sequence[str]]] = (
    ("another file", ("inode", "mount")),
    ("size", ("size",)),
    ("mode", ("mode",)),
    ("owner", ("uid", "gid")),
    ("links", ("nlink",)),
    ("times", ("mtime", "mtime_ns", "ctime", "ctime_ns")),
    ("allocated", ("allocated",)),
)
MISSING = "missing"
GONE = "gone"


@dataclass(frozen=True, slots=True)
class Claim:
    """What fusion says of a path; of a directory that it knows the names in, those too."""

    path: bytes
    entry: Entry
    names: frozenset[bytes] | None = None


@dataclass(slots=True)
class Tally:
    """What comparing has brought so far."""

    compared: int = 0
    left_out: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[bytes, str]] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """How many claims were wrong: entries that are not there or are otherwise, and entries that nobody claimed."""
        return self.kinds.total()

    def right(self) -> None:
        self.compared += 1

    def differs(self, path: bytes, kind: str) -> None:
        self.compared += 1
        self.kinds[kind] += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append((path, kind))

    def leave_out(self) -> None:
        self.left_out += 1

    def add(self, other: "Tally") -> None:
        self.compared += other.compared
        self.left_out += other.left_out
        self.kinds += other.kinds
        self.examples += other.examples[: MOST_EXAMPLES - len(self.examples)]


def kind_of_difference(claimed: Entry, found: Entry) -> str | None:
    """The first thing in which two entries differ, in words; None if they do not."""
    if claimed == found:
        return None
    for kind, names in _ASPECTS:
        if any(getattr(claimed, name) != getattr(found, name) for name in names):
            return kind
    return None


def changed_since(entry: Entry, claimed_at: int) -> bool:
    """Whether the file system says that this was changed after, or shortly before, the wall-clock ns `claimed_at`.

    By the status change time: unlike the others, nobody can set it.
    """
    instant: Instant = (entry.ctime, entry.ctime_ns)
    since = claimed_at - int(MARGIN * 1e9)
    return instant >= (since // 10**9, since % 10**9)


def upper_bound(wrong: int, compared: int, confidence: float = CONFIDENCE) -> float:
    """The share of wrong claims that is not exceeded, by Clopper and Pearson; 1 where nothing was compared.

    If more than this were wrong, a random sample would hold so few wrong ones in fewer than one of twenty cases.
    """
    if wrong >= compared:
        return 1.0
    if not wrong:
        return float(1 - (1 - confidence) ** (1 / compared))
    low, high = wrong / compared, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(wrong, compared, middle) > 1 - confidence else (low, middle)
    return high


def _at_most(wrong: int, compared: int, share: float) -> float:
    """How likely a sample has at most so many wrong ones."""

    def terms() -> Iterator[float]:
        for k in range(wrong + 1):
            ways = math.lgamma(compared + 1) - math.lgamma(k + 1) - math.lgamma(compared - k + 1)
            yield math.exp(ways + k * math.log(share) + (compared - k) * math.log1p(-share)) if share < 1 else 0.0

    return sum(terms())


def statement(tally: Tally, *, exact: bool) -> str:
    """The result in one line."""
    text = f"{tally.wrong:,} of {tally.compared:,} wrong"
    if not tally.compared:
        text = "nothing was compared"
    elif exact:
        text += ": exact" if tally.left_out else ": exact, all entries were compared"
    else:
        text += f": under {_percent(upper_bound(tally.wrong, tally.compared))} at {CONFIDENCE:.0%}".replace("%", " %")
    if tally.left_out:
        text += f"; {tally.left_out:,} left out, which changed meanwhile or could not be read"
    return text


def _percent(share: float) -> str:
    """Rounded up to two digits that mean something: a bound that is rounded down would not be one."""
    percent = share * 100
    digits = max(0, 1 - math.floor(math.log10(percent))) if percent > 0 else 0
    scale = 10**digits
    return f"{math.ceil(percent * scale - 1e-9) / scale:g}%"
