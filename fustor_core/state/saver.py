"""What stands between a machine and its store: whose turn it is, what is not saved yet, and who saves it.

Two ways lead to the store. With policy `required` the thread that makes a step saves it before anyone sees it. What is seen first (all
steps under `best_effort`, an EMERGENCY_STOP or a FAULT under `required`) is saved behind, in order, by a thread of its own. Both hold
`writing`, so one save at a time is under way, and each takes with it what still waits.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import uuid4

from fustor_core.state.behind import Behind
from fustor_core.state.errors import ConcurrentUpdateError, PersistenceError, RestoreError
from fustor_core.state.records import Snapshot, Transition
from fustor_core.state.stored import Desired, Record, desired_in, from_fields, from_step, to_fields, to_step
from fustor_core.state.stores import Mark, StateStore

_log = logging.getLogger(__name__)

Policy: TypeAlias = Literal["required", "best_effort"]


class Entry(NamedTuple):
    """Where the machine stands, the step that led there if there was one, and when that was."""

    snapshot: Snapshot
    change: Transition | None
    at: int


class Saving(NamedTuple):
    """How far a machine's store follows it.

    `unsaved` steps are not in the store; `failure` says why the last attempt failed, None where it did not. `overtaken` is true once
    another owner has saved this machine: nothing more is saved until it is restored. `call` is the number of the call that the store has
    not answered yet, None where it has answered all.
    """

    policy: Policy
    unsaved: int
    failure: str | None
    overtaken: bool
    call: int | None = None


class Stored(NamedTuple):
    """What a machine finds in its store."""

    record: Record
    history: tuple[Transition, ...]
    mark: Mark


class Saver:
    """Keeps one machine in a store. `stands` tells where the machine stands, for what is saved without a step."""

    def __init__(self, machine: str, run: str, store: StateStore, policy: Policy, keep: int, stands: Callable[[], Entry]) -> None:
        self.required: Final = policy == "required"
        self.writing: Final = threading.Lock()
        self.desired: Desired | None = None
        self._machine, self._run, self._store, self._policy, self._stands = machine, run, store, policy, stands
        # Whoever commits only appends to `_arrived`; `_unsaved` belongs to who holds `writing`. While a store is away for long, the
        # oldest steps go, as they go from the machine's own history; where it stands is never among them.
        self._arrived: Final[deque[Entry]] = deque()
        self._unsaved: Final[deque[Entry]] = deque(maxlen=keep)
        self._mark: Mark | None = None
        self._epoch: int | None = None
        self._nonce, self._attempts = uuid4().hex[:12], 0
        self._failure: str | None = None
        self._overtaken = self._probing = False
        self._calls = 0
        self._call: int | None = None
        # The store was away when the machine was to be restored from it: what it turns out to hold is the machine's own past.
        self._unasked = False
        self._settled = threading.Condition()
        self._behind: Final = Behind(f"saver of {machine}", self._attempt)

    @property
    def saving(self) -> Saving:
        return Saving(self._policy, len(self._arrived) + len(self._unsaved), self._failure, self._overtaken, self._call)

    def behind(self, entry: Entry) -> None:
        """Let this be saved later; called under the machine's lock, so that the order is that of the versions."""
        self._arrived.append(entry)

    def save(self, entry: Entry) -> None:
        """Save this and what waits, or raise; `writing` is held. Steps that are newer than it have overtaken it."""
        self._drain()
        if self._unsaved and self._unsaved[-1].snapshot.version >= entry.snapshot.version:
            raise ConcurrentUpdateError(f"{self._machine} took another step meanwhile; look at it and decide again")
        self._put([*self._unsaved, entry])
        self._unsaved.clear()

    def desire(self, desired: Desired | None) -> None:
        """Save what an operator wants; `writing` is held."""
        before, self.desired = self.desired, desired
        try:
            self._drain()
            self._put(list(self._unsaved) or [self._stands()])
        except BaseException:
            self.desired = before
            raise
        self._unsaved.clear()

    def load(self, limit: int) -> Stored | None:
        """What the store has; `writing` is held. A record that cannot be read is a `RestoreError`, and the next save replaces it."""
        try:
            fields = self._store.load(self._machine)
        except PersistenceError:
            self._unasked = True
            raise
        self._unasked = False
        if fields is None:
            return None
        try:
            record = from_fields(fields)
        except RestoreError:
            self.follow(Mark.of(fields))
            raise
        return Stored(record, self._history(record, limit), Mark.of(fields))

    def follow(self, mark: Mark, desired: Desired | None = None) -> None:
        """Take over what is stored as `mark`: unless it is ours anyway, the next save begins a new epoch; `writing` is held."""
        if not self._ours(mark):
            self._epoch = None
        self._mark, self.desired, self._overtaken, self._failure = mark, desired, False, None

    def follow_with(self, stored: Stored, entry: Entry) -> None:
        """Take over, and save the first step at once, before anyone sees it; `writing` is held."""
        before = self._mark, self._epoch, self._overtaken, self.desired
        self.follow(stored.mark, stored.record.desired)
        try:
            self._put([entry])
        except BaseException:
            self._mark, self._epoch, self._overtaken, self.desired = before
            raise

    def forget(self) -> None:
        """What waits to be saved is void; called under the machine's lock, and `writing` is held."""
        self._arrived.clear()
        self._unsaved.clear()

    def wake(self) -> None:
        """Let the thread that saves behind look for work; returns at once."""
        if self._arrived or self._unsaved:
            self._behind.wake()

    def probe(self) -> None:
        """Let the thread that saves behind see whether the store answers, if it has nothing to save; returns at once."""
        if self._call is None:
            self._probing = True
            self._behind.wake()

    def flush(self, timeout: float) -> bool:
        """Wait until all is saved; False where that took too long, or another owner saves this machine."""
        self.wake()
        with self._settled:
            self._settled.wait_for(lambda: self._overtaken or not self.saving.unsaved, timeout)
        return not self.saving.unsaved

    def close(self, timeout: float) -> bool:
        """Save what waits, and end the thread; True if nothing remained unsaved. The store stays open: it may serve other machines."""
        done = self.flush(timeout)
        self._behind.close()
        return done

    def _attempt(self) -> bool:
        """Save what waits; False where that is to be tried again."""
        with self.writing:
            self._drain()
            try:
                if self._unsaved and not self._overtaken:
                    self._put(list(self._unsaved))
                    self._unsaved.clear()
                elif self._probing and not self._overtaken:
                    self._look()
                self._probing = False
            except ConcurrentUpdateError:
                _log.error("another process has saved this state; it is not saved here any more", extra={"pipe": self._machine})
            except (PersistenceError, RestoreError):
                return False
            # A defect of a store must not end the saving for good: it is reported, and tried again as if the store were away.
            except Exception as error:  # noqa: BLE001
                self._note(error)
                _log.exception("a store of states failed", extra={"pipe": self._machine})
                return False
        with self._settled:
            self._settled.notify_all()
        return True

    def _look(self) -> None:
        """See whether the store answers."""
        try:
            with self._asking():
                self._store.load(self._machine)
        except (PersistenceError, RestoreError) as error:
            self._probing = False
            self._note(error)
            raise
        self._note(None)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """While the store is asked for something; `writing` is held."""
        self._calls += 1
        self._call = self._calls
        try:
            yield
        finally:
            self._call = None

    def _drain(self) -> None:
        # For a moment an entry is in both: whoever counts what is not saved never counts too few.
        while self._arrived:
            self._unsaved.append(self._arrived[0])
            self._arrived.popleft()

    def _put(self, entries: list[Entry]) -> None:
        """One save of all entries; on return the store has them, and after an error perhaps too."""
        last = entries[-1]
        rows = [to_step(entry.change) for entry in entries if entry.change is not None]
        while True:
            if self._epoch is None:
                self._epoch = 1 + (int(self._mark.epoch) if self._mark is not None and self._mark.epoch.isdecimal() else 0)
            self._attempts += 1
            event = f"{self._run}:{last.snapshot.version}:{self._nonce}:{self._attempts}"
            fields = to_fields(self._record(last, event, self._epoch))
            try:
                with self._asking():
                    self._store.save(self._machine, fields, rows, self._mark)
            except ConcurrentUpdateError as error:
                self._learn(error)
            except (PersistenceError, RestoreError) as error:
                self._note(error)
                raise
            else:
                self._mark = Mark.of(fields)
                self._note(None)
                return

    def _learn(self, error: ConcurrentUpdateError) -> None:
        """Raise unless what is stored is of an attempt of ours whose answer was lost: then go on from there.

        No attempt can arrive so late that it undoes this: each expects the very record that it was to replace.
        """
        stored = self._store.load(self._machine)
        mark = None if stored is None else Mark.of(stored)
        if stored is not None and mark is not None and self._unasked:
            self._unasked = False
            self.follow(mark, self.desired or desired_in(stored))
            return
        if mark is None or mark == self._mark or not self._ours(mark):
            self._overtaken = True
            self._note(error)
            raise error
        self._mark = mark

    def _ours(self, mark: Mark) -> bool:
        return f":{self._nonce}:" in mark.event

    def _record(self, last: Entry, event: str, epoch: int) -> Record:
        stands = last.snapshot
        return Record(self._run, epoch, stands.version, stands.state, self.desired, stands.reason, event, stands.since, last.at)

    def _note(self, error: Exception | None) -> None:
        failure = None if error is None else str(error)
        if failure and self._failure is None:
            _log.warning("the state cannot be saved: %s", failure, extra={"pipe": self._machine})
        elif self._failure and failure is None:
            _log.info("the state is saved again", extra={"pipe": self._machine})
        self._failure = failure

    def _history(self, record: Record, limit: int) -> tuple[Transition, ...]:
        """The stored steps up to the record, without gaps; one made of the record where they do not reach it."""
        rows: list[Transition] = []
        wanted = record.version
        for row in reversed(self._store.steps(self._machine, limit)):
            step = from_step(row)
            if step is None or step.version != wanted:
                break
            rows.append(step)
            wanted -= 1
        first = Transition(self._machine, record.run, record.version, record.at, (), record.state, record.state, False, record.reason)
        return tuple(reversed(rows)) or (first,)
