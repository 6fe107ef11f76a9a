"""One machine: a state that many threads change and read."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

from fustor_core.state.deadlines import Deadlines
from fustor_core.state.errors import ConcurrentUpdateError, InvalidPayloadError, InvalidTransitionError, LockedError
from fustor_core.state.graph import Node, node_of
from fustor_core.state.guards import Guards, Lock, check_layer
from fustor_core.state.notices import DEPTH, Listener, Notices
from fustor_core.state.orders import PLAIN, Event, Payload, Request, Unreadable, read, read_all
from fustor_core.state.planning import Refused, plan
from fustor_core.state.records import Rejection, Snapshot, Transition, run_id
from fustor_core.state.saver import Entry, Saver
from fustor_core.state.step import Refusal, allowed_events
from fustor_core.state.vocabulary import EventType, Layer, MachineState

_Row = TypeVar("_Row")

INITIAL: Final = "initial state"
"""The reason of the first row of a history, which is no step."""
URGENT: Final = frozenset({EventType.EMERGENCY_STOP, EventType.FAULT})
"""What takes effect before it is saved, whatever the policy."""


class Machine:
    """A state that changes only by events that the tables allow, one atomic step at a time.

    Thread-safe. The lock is held to validate, to commit and to put the notice in its queue: microseconds, and never while a listener
    runs or a store is asked. `snapshot` and `history` take no lock. A signal handler must not send events itself, because it may have
    interrupted a step: let the event loop do it.
    """

    def __init__(
        self,
        machine: str,
        initial: MachineState,
        clock: Callable[[], int],
        sizes: tuple[int, int],
        guards: Guards,
        run: str | None,
    ) -> None:
        if min(sizes) < 1:
            raise ValueError("a history keeps at least one row")
        self.id: Final = machine
        self.run: Final = run_id() if run is None else run
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._guards = guards
        self._notices: Final = Notices(machine)
        self._saver: Saver | None = None
        self._deadlines: Deadlines | None = None
        self._node = node_of(initial)
        now = clock()
        first = Transition(machine, self.run, 0, now, (), self._node.state, self._node.state, False, INITIAL)
        self._history: deque[Transition] = deque([first], maxlen=sizes[0])
        self._refusals: Final[deque[Rejection]] = deque(maxlen=sizes[1])
        self._snapshot = Snapshot(machine, self.run, 0, self._node.state, self._node.pipe_state, first.reason, now)

    def handle_event(self, event: EventType, payload: Payload | None = None) -> Transition:
        """Take one step; raises `InvalidTransitionError` where it is refused, and then nothing has changed."""
        outcome = self._submit(read(event, payload))
        if isinstance(outcome, Rejection):
            raise outcome.error()
        return outcome

    def handle_events(self, events: Iterable[Event]) -> Transition:
        """Take all events as one step that nobody sees the middle of; raises where one is refused, and then nothing has changed."""
        outcome = self._submit(read_all(events))
        if isinstance(outcome, Rejection):
            raise outcome.error()
        return outcome

    def try_event(self, event: EventType, payload: Payload | None = None) -> Transition | Rejection:
        """Take one step, or say why not; a `Rejection` is false."""
        return self._submit(read(event, payload))

    def try_events(self, events: Iterable[Event]) -> Transition | Rejection:
        """Take all events as one step, or say why not."""
        return self._submit(read_all(events))

    def can(self, event: EventType, payload: Payload | None = None) -> bool:
        """Would this event be accepted? Another thread may change the answer before it is used."""
        request = read(event, payload)
        if isinstance(request, Unreadable):
            return False
        return isinstance(plan(self._node, request.orders, self._guards), Node)

    def allowed_events(self) -> tuple[EventType, ...]:
        """The events that would be accepted without a payload, where the machine stands and with the locks that are set."""
        return self._allowed(self._node)

    @property
    def snapshot(self) -> Snapshot:
        """Where the machine stands; immutable, and read without a lock."""
        return self._snapshot

    def history(self) -> tuple[Transition, ...]:
        """The last steps, oldest first, versions without gaps; the first row of a machine is its initial state."""
        return _copied(self._history)

    def refusals(self) -> tuple[Rejection, ...]:
        """The last refusals, oldest first."""
        return _copied(self._refusals)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of every step from here on, in version order, and return what ends that.

        A function is called outside all locks, by the thread that made the step or by another that was telling already. A coroutine
        function runs on the event loop that subscribes it, one call after the other. What it raises is logged and counted. After
        unsubscribing no call begins. Behind one that hangs 10,000 notices wait; then the oldest go (`notices_lost`).
        """
        return self._notices.subscribe(listener)

    @property
    def listener_failures(self) -> int:
        """How many calls of listeners raised."""
        return self._notices.failures

    @property
    def notices_lost(self) -> int:
        """How many notices went untold, because the listener that they were for was too far behind."""
        return self._notices.lost

    @property
    def locks(self) -> Mapping[Layer, Lock]:
        return self._guards.locks

    def lock(self, layer: str, *, owner: str, reason: str) -> None:
        """Refuse the events that speak to a layer until it is unlocked; `LockedError` where another owner has it locked."""
        with self._lock:
            name = check_layer(layer)
            self._check_owner(name, owner)
            self._guards = self._guards.locked(name, Lock(owner, reason))

    def unlock(self, layer: str, *, owner: str | None = None) -> None:
        """Take a lock away, whoever's it is unless `owner` is given; without a lock nothing happens."""
        with self._lock:
            name = check_layer(layer)
            if owner is not None:
                self._check_owner(name, owner)
            self._guards = self._guards.unlocked(name)

    def _check_owner(self, layer: Layer, owner: str) -> None:
        lock = self._guards.locks.get(layer)
        if lock is not None and lock.owner != owner:
            raise LockedError(self._node.state, None, f"{layer} is locked by {lock}")

    def _submit(self, request: Request | Unreadable) -> Transition | Rejection:
        saver, notices = self._saver, self._notices
        if isinstance(request, Unreadable):
            refused = Refused(self._node, request.event, Refusal(InvalidPayloadError, request.why))
            return self._reject(refused, request.events, self._snapshot)
        if notices.telling and notices.too_deep and not _urgent(request):
            why = f"a listener has answered {DEPTH} notices in a row with an event"
            refused = Refused(self._node, request.orders[-1].event, Refusal(InvalidTransitionError, why))
            return self._reject(refused, request.events, self._snapshot)
        if saver is not None and saver.required and not _urgent(request):
            return self._submit_saved(saver, request)
        if not self._lock.acquire(blocking=False):
            self._take_lock()
        try:
            stood = self._snapshot
            planned = plan(self._node, request.orders, self._guards)
            outcome = self._commit(planned, request) if isinstance(planned, Node) else planned
        finally:
            self._lock.release()
        if isinstance(outcome, Refused):
            return self._reject(outcome, request.events, stood)
        if saver is not None:
            saver.wake()
        if notices.heard:
            notices.deliver()
        return outcome

    def _submit_saved(self, saver: Saver, request: Request) -> Transition | Rejection:
        """Plan, save, and commit if nothing came between; what did come had no need to wait for the store."""
        with saver.writing:
            stood, guards = self._snapshot, self._guards
            node = node_of(stood.state)
            planned = plan(node, request.orders, guards)
            if isinstance(planned, Refused):
                return self._reject(planned, request.events, stood)
            change, snapshot = self._step(node, planned, stood, request)
            saver.save(Entry(snapshot, change, change.at))
            self._take_lock()
            try:
                locked = self._guards is not guards and isinstance(plan(node, request.orders, self._guards), Refused)
                overtaken = self._snapshot is not stood or locked
                if not overtaken:
                    self._install(planned, change, snapshot)
                elif self._snapshot is stood:
                    # Nothing else will be saved that replaces the step which a lock has just forbidden.
                    saver.behind(Entry(stood, None, change.at))
            finally:
                self._lock.release()
        self._tell()
        if overtaken:
            raise ConcurrentUpdateError(f"{self.id} took another step, or was locked, meanwhile; look at it and decide again")
        return change

    def _commit(self, after: Node, request: Request) -> Transition:
        """Make the step; the lock is held."""
        change, snapshot = self._step(self._node, after, self._snapshot, request)
        self._install(after, change, snapshot)
        if self._saver is not None:
            self._saver.behind(Entry(snapshot, change, change.at))
        return change

    def _step(self, before: Node, after: Node, last: Snapshot, request: Request) -> tuple[Transition, Snapshot]:
        at, version, changed = self._clock(), last.version + 1, after is not before
        change = Transition(self.id, self.run, version, at, request.events, before.state, after.state, changed, request.reason)
        since, reason = (at, request.reason) if changed else (last.since, last.reason)
        return change, Snapshot(self.id, self.run, version, after.state, after.pipe_state, reason, since)

    def _install(self, after: Node, change: Transition, snapshot: Snapshot) -> None:
        """The step is taken; the lock is held. The history goes first, so that no reader sees a version that it does not have."""
        self._history.append(change)
        self._node = after
        self._snapshot = snapshot
        if self._deadlines is not None:
            self._deadlines.enter(after.state.lifecycle)
        if self._notices.heard:
            self._notices.publish(change, snapshot)

    def _tell(self) -> None:
        if self._saver is not None:
            self._saver.wake()
        if self._notices.heard:
            self._notices.deliver()

    def _take_lock(self) -> None:
        # Not a blocking acquire: that hands the lock to a thread which then waits for the interpreter, while everyone else waits for
        # that thread. Under writers and busy readers such a convoy is thirty times slower than giving up the turn and trying again.
        while not self._lock.acquire(blocking=False):
            time.sleep(0)

    def _reject(self, refused: Refused, events: tuple[Event, ...], stood: Snapshot) -> Rejection:
        (node, event, (kind, reason, already)), at = refused, self._clock()
        allowed = self._allowed(node)
        rejection = Rejection(self.id, self.run, stood.version, at, events, event, node.state, kind, reason, allowed, already)
        self._refusals.append(rejection)
        return rejection

    def _allowed(self, node: Node) -> tuple[EventType, ...]:
        guards, allowed = self._guards, allowed_events(node.state)
        if not guards.locks and not guards.latched:
            return allowed
        return tuple(event for event in allowed if isinstance(plan(node, PLAIN[event].orders, guards), Node))


def _urgent(request: Request) -> bool:
    return any(order.event in URGENT for order in request.orders)


def _copied(rows: deque[_Row]) -> tuple[_Row, ...]:
    """The rows as they are at one moment, without the lock."""
    while True:
        try:
            return tuple(rows)
        # A row came in between. One copy takes microseconds, so the next one or the one after it succeeds.
        except RuntimeError:
            continue
