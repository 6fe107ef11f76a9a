"""One machine: a state that many threads change and read."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from fustor_core.state.errors import InvalidPayloadError, LockedError
from fustor_core.state.graph import Node, node_of
from fustor_core.state.guards import Guards, Lock, check_layer
from fustor_core.state.notices import Listener, Notices
from fustor_core.state.orders import PLAIN, Event, Order, Payload, Request, Unreadable, read, read_all
from fustor_core.state.records import Rejection, Snapshot, Transition, run_id
from fustor_core.state.step import Refusal, allowed_events
from fustor_core.state.vocabulary import NEW, EventType, Layer, MachineState

_Row = TypeVar("_Row")


class _Refused(NamedTuple):
    """Which order of a request was refused, where, and why."""

    node: Node
    event: EventType
    refusal: Refusal


def _plan(node: Node, orders: tuple[Order, ...], guards: Guards) -> Node | _Refused:
    """Where the orders lead, one after the other; changes nothing."""
    guarded = bool(guards.locks) or guards.latched
    for order in orders:
        after = node.after(order)
        if isinstance(after, Refusal):
            return _Refused(node, order.event, after)
        if guarded and after is not node:
            refusal = guards.refusal(node.state, order)
            if refusal is not None:
                return _Refused(node, order.event, refusal)
        node = after
    return node


class StateMachine:
    """A state that changes only by events that the tables allow, one atomic step at a time.

    Thread-safe. The lock is held to validate, to commit and to put the notice in its queue: microseconds, and never while a listener
    runs. `snapshot` and `history` take no lock. A signal handler must not send events itself, because it may have interrupted a step:
    let the event loop do it. `clock` gives nanoseconds UTC since 1970. With `latch_emergency_stop` a machine that
    is Critical needs RECOVER before START. `run` is the id of the run, by default of this process.
    """

    def __init__(
        self,
        machine: str,
        *,
        initial: MachineState = NEW,
        clock: Callable[[], int] = time.time_ns,
        history_size: int = 1000,
        refusals_size: int = 100,
        latch_emergency_stop: bool = False,
        run: str | None = None,
    ) -> None:
        if history_size < 1 or refusals_size < 1:
            raise ValueError("a history keeps at least one row")
        self.id: Final = machine
        self.run: Final = run_id() if run is None else run
        self._clock: Final = clock
        self._lock: Final = threading.Lock()
        self._guards = Guards(latched=latch_emergency_stop)
        self._notices: Final = Notices(machine)
        self._node = node_of(initial)
        now = clock()
        first = Transition(machine, self.run, 0, now, (), self._node.state, self._node.state, False, "initial state")
        self._history: Final = deque([first], maxlen=history_size)
        self._refusals: Final[deque[Rejection]] = deque(maxlen=refusals_size)
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
        return isinstance(_plan(self._node, request.orders, self._guards), Node)

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

        It is called outside all locks, by the thread that made the step or by another that was telling already. What it raises is
        logged and counted. After unsubscribing no call begins.
        """
        return self._notices.subscribe(listener)

    @property
    def listener_failures(self) -> int:
        """How many calls of listeners raised."""
        return self._notices.failures

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
        if isinstance(request, Unreadable):
            stood = self._snapshot
            refused = _Refused(node_of(stood.state), request.event, Refusal(InvalidPayloadError, request.why))
            return self._reject(refused, request.events, stood.version)
        # Not a blocking acquire: that hands the lock to a thread which then waits for the interpreter, while everyone else waits for
        # that thread. Under writers and busy readers such a convoy is thirty times slower than giving up the turn and trying again.
        while not self._lock.acquire(blocking=False):
            time.sleep(0)
        try:
            stood = self._snapshot
            planned = _plan(self._node, request.orders, self._guards)
            outcome = self._commit(planned, request) if isinstance(planned, Node) else planned
        finally:
            self._lock.release()
        if isinstance(outcome, _Refused):
            return self._reject(outcome, request.events, stood.version)
        self._notices.deliver()
        return outcome

    def _commit(self, after: Node, request: Request) -> Transition:
        """Make the step; the lock is held. The history goes first, so that no reader sees a version that it does not have."""
        before, last, at = self._node, self._snapshot, self._clock()
        version, changed = last.version + 1, after is not before
        change = Transition(self.id, self.run, version, at, request.events, before.state, after.state, changed, request.reason)
        since, reason = (at, request.reason) if changed else (last.since, last.reason)
        self._history.append(change)
        self._node = after
        self._snapshot = Snapshot(self.id, self.run, version, after.state, after.pipe_state, reason, since)
        self._notices.publish(change)
        return change

    def _reject(self, refused: _Refused, events: tuple[Event, ...], version: int) -> Rejection:
        (node, event, (kind, reason, already)), at = refused, self._clock()
        allowed = self._allowed(node)
        rejection = Rejection(self.id, self.run, version, at, events, event, node.state, kind, reason, allowed, already)
        self._refusals.append(rejection)
        return rejection

    def _allowed(self, node: Node) -> tuple[EventType, ...]:
        guards, allowed = self._guards, allowed_events(node.state)
        if not guards.locks and not guards.latched:
            return allowed
        return tuple(event for event in allowed if isinstance(_plan(node, PLAIN[event].orders, guards), Node))


def _copied(rows: deque[_Row]) -> tuple[_Row, ...]:
    """The rows as they are at one moment, without the lock."""
    while True:
        try:
            return tuple(rows)
        # A row came in between. One copy takes microseconds, so the next one or the one after it succeeds.
        except RuntimeError:
            continue
