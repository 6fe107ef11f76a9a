"""The sending half of a session, as plain decisions: what goes into the next batch, what is in flight, what is lost if the session
breaks."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Checks, Priority, Work
from fustor_core.clock import Stamper
from fustor_core.evidence import Evidence, Listing
from fustor_core.paths import split
from fustor_core.wire import Batch, Mark, Via

FULL_BATCH = 256 * 1024
"""Estimated bytes from which a batch is sent although others are in flight: large enough that its costs are shared by thousands of
entries."""
MOST_IN_BATCH = 512 * 1024
ROOM = 2 * 1024 * 1024
MOST_CHANGES = 128
"""Pieces of evidence about changes, or of what was asked for, in a batch: what fusion commits together, others wait for."""
CHANGES_AHEAD = 256
"""So many of these are read ahead, and so many are in flight: what waits in the outbox is read when it is its turn, once for many changes.
Of those that go first, so many more."""
Writing = list[tuple[bytes, bool | None]]
MOST_FLYING = 1 * 1024 * 1024
"""Estimated bytes in flight from which only changes are sent: they wait for all that fusion has been sent before."""
MOST_OVERTAKING = 8
"""So many batches overtake others before it is their turn: where changes never end, these would stand still for ever."""
_PER_EVIDENCE = 96
_PER_ENTRY = 64


def size_of(evidence: Evidence) -> int:
    """About how many bytes this takes on the wire, rather too many."""
    size = _PER_EVIDENCE + len(evidence.path)
    if isinstance(evidence, Listing):
        size += _PER_ENTRY * len(evidence.entries) + sum(map(len, evidence.entries))
    return size


@dataclass(slots=True)
class _Ready:
    """Evidence that waits for its batch. `work` is what was read (None for all but its last piece), `redo` what to read again if it is
    lost."""

    evidence: Evidence | None
    size: int
    via: Via
    work: Work | None = None
    redo: Work | None = None
    mark: tuple[Via, bool, int] | None = None


@dataclass(frozen=True, slots=True)
class _Flying:
    """A frame that was not acknowledged yet. `changes` counts what it says of changes, or of what was asked for, by directory; `works` find
    again what is in it."""

    sequence: int
    works: Sequence[Work] = ()
    changes: Counter[bytes] = field(default_factory=Counter)
    size: int = 0


class Outgoing:
    """What one session sends. Changes of directories that have few go first; the others and what was asked for take turns, and overtake
    walks: the order of evidence has no meaning, only the marks keep their place among walks."""

    def __init__(self, outbox: Outbox, stamper: Stamper, window: int, sequence: int = 0) -> None:
        self._outbox = outbox
        self._stamper = stamper
        self._window = window
        self.sequence = sequence
        self._first: deque[_Ready] = deque()
        self._changes: deque[_Ready] = deque()
        self._asked: deque[_Ready] = deque()
        self._walked: deque[_Ready] = deque()
        self._size = 0
        self._overtaken = 0
        self._first_in_a_row = 0
        self._asked_is_next = False
        self._flying: deque[_Flying] = deque()
        self._changes_flying = 0
        self._flying_of: Counter[bytes] = Counter()
        self._size_flying = 0
        self._looks: list[int] = []

    # From the readers

    def add(self, evidence: list[Evidence], work: Work, redo: Work, vias: Sequence[Via] = ()) -> None:
        """All that reading `work` found; if it is lost, `redo` finds it again. `vias` label each piece where the work does not."""
        queue = {Priority.LIVE: self._changes, Priority.ASKED: self._asked}.get(work.priority, self._walked)
        if isinstance(work, Checks) and work.first:
            queue = self._first
        via = work.priority.via
        items = [_Ready(one, size_of(one), label) for one, label in zip(evidence, vias or [via] * len(evidence), strict=True)]
        items = items or [_Ready(None, 0, via)]
        items[-1].work, items[-1].redo = work, redo
        queue.extend(items)
        self._size += sum(item.size for item in items)

    def add_mark(self, phase: Via, ends: bool, at: int) -> None:
        """A walk begins or ends behind all that was added of it so far."""
        self._walked.append(_Ready(None, 0, phase, mark=(phase, ends, at)))

    @property
    def has_room(self) -> bool:
        """Whether the readers should go on: what waits here waits in memory."""
        return self._size < ROOM

    def flying_of(self, directory: bytes) -> int:
        """How much of what is not acknowledged yet is about names in this directory."""
        return self._flying_of[directory]

    @property
    def has_room_for_first(self) -> bool:
        """Whether changes that go first should be read."""
        return self._outbox.checking < 2 * CHANGES_AHEAD

    @property
    def has_room_for_changes(self) -> bool:
        """Whether more changes should be read: what has been read of them grows old here."""
        return self._outbox.checking < CHANGES_AHEAD

    @property
    def has_room_for_asked(self) -> bool:
        """Whether what was asked for should be read: it waits for others of its kind, and not for walks."""
        return not self._asked or self.has_room

    # To the wire

    def next(self, clean_to: Callable[[], int], pending: Callable[[], list[bytes]], writing: Callable[[], Writing]) -> Batch | Mark | None:
        """The next frame that may be sent at this moment, if any: at once when nothing is in flight, full ones while something is."""
        queue = self._next_queue()
        if not queue or len(self._flying) >= self._window or (self._flying and not self._is_worth_it(queue)):
            return None
        self.sequence += 1
        if mark := queue[0].mark:
            queue.popleft()
            self._flying.append(_Flying(self.sequence))
            return Mark(self.sequence, *mark)
        self._overtaken = self._overtaken + 1 if queue is not self._walked and self._walked else 0
        self._first_in_a_row = self._first_in_a_row + 1 if queue is self._first else 0
        if queue is not self._first:
            self._asked_is_next = queue is not self._asked
        via, walked, size = queue[0].via, queue is self._walked, self._size
        evidence, works = self._collect(queue, None if walked else MOST_CHANGES)
        changes = Counter(split(one.path)[0] for one in evidence) if not walked else Counter()
        self._flying.append(_Flying(self.sequence, works, changes, size - self._size))
        self._changes_flying += changes.total()
        self._flying_of.update(changes)
        self._size_flying += self._flying[-1].size
        self._looks += self._outbox.answered()
        looks, self._looks = self._looks, []
        folded = self._outbox.folded_below()
        return Batch(self.sequence, via, self._stamper.low(), clean_to(), looks, pending(), evidence, writing(), folded)

    def _is_worth_it(self, queue: deque[_Ready]) -> bool:
        """Whether to send something although a frame is in flight."""
        if queue is self._first:
            return self._changes_flying < 2 * CHANGES_AHEAD
        # Where either of the two is many, their turns follow one another.
        if queue is not self._walked and max(len(self._changes), len(self._asked)) >= MOST_CHANGES:
            return self._changes_flying < CHANGES_AHEAD
        return self._size >= FULL_BATCH or queue[0].mark is not None or self._first_in_a_row >= MOST_OVERTAKING

    def _next_queue(self) -> deque[_Ready]:
        others = self._next_of_others()
        return self._first if self._first and (not others or self._first_in_a_row < MOST_OVERTAKING) else others

    def _next_of_others(self) -> deque[_Ready]:
        if self._size_flying >= MOST_FLYING:
            return self._changes
        if self._walked and (not (self._changes or self._asked) or self._overtaken >= MOST_OVERTAKING):
            return self._walked
        if self._asked and (self._asked_is_next or not self._changes):
            return self._asked
        return self._changes

    def idle(self, clean_to: int, pending: list[bytes], writing: Writing) -> Batch:
        """A batch without evidence, that brings `low` and `clean_to` forward."""
        looks = self._outbox.answered()
        folded = self._outbox.folded_below()
        return Batch(self.sequence, Via.LIVE, self._stamper.low(), clean_to, looks, pending, [], writing, folded)

    def _collect(self, queue: deque[_Ready], most: int | None) -> tuple[list[Evidence], list[Work]]:
        """What goes into one batch: `most` pieces of evidence, if that is given."""
        evidence: list[Evidence] = []
        works: list[Work] = []
        size, via = 0, queue[0].via
        while queue and queue[0].mark is None and queue[0].via is via and (not evidence or size + queue[0].size <= MOST_IN_BATCH):
            if len(evidence) == most:
                break
            item = queue.popleft()
            size += item.size
            if item.evidence is not None:
                evidence.append(item.evidence)
                if not isinstance(item.evidence, Listing) or item.evidence.last:
                    # Until its last part is on its way, a listing holds `low` back: the whole of it is as old as its stamp.
                    self._stamper.drop(item.evidence.at)
            if item.work is not None and item.redo is not None:
                self._outbox.done(item.work)
                works.append(item.redo)
        self._size -= size
        return evidence, works

    # From the wire

    def acknowledge(self, sequence: int) -> None:
        """Everything up to `sequence` is committed."""
        while self._flying and self._flying[0].sequence <= sequence:
            done = self._flying.popleft()
            self._changes_flying -= done.changes.total()
            self._flying_of -= done.changes
            self._size_flying -= done.size

    @property
    def quiet(self) -> bool:
        """Nothing waits, and all that was sent is committed."""
        return not (self._flying or self._first or self._changes or self._asked or self._walked)

    @property
    def walked_all(self) -> bool:
        """Nothing of a walk waits here."""
        return not self._walked

    def lost(self) -> None:
        """The session broke: whatever was not acknowledged is to be read again."""
        for flying in self._flying:
            for redo in flying.works:
                self._outbox.put_back(redo, was_done=True)
        for item in (*self._first, *self._changes, *self._asked, *self._walked):
            if item.work is not None and item.redo is not None:
                self._outbox.done(item.work)
                self._outbox.put_back(item.redo, was_done=True)
        self._flying.clear()
        self._changes_flying = self._size_flying = 0
        self._flying_of.clear()
        self._first.clear()
        self._changes.clear()
        self._asked.clear()
        self._walked.clear()
