"""Listeners, told of each step once and in order, by whichever thread is free to do it.

Nobody who is told can hold up an event. Where one hangs, what it still has to hear waits in a bounded queue, from which the oldest go
when it is full: they are counted, a listener sees the gap in the versions, and the machine's history has them.
"""

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from fustor_core.state.mailbox import Mailbox
from fustor_core.state.records import Snapshot, Transition

_log = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[Transition], object]

QUEUE: Final = 10_000
DEPTH: Final = 100
"""How many notices in a row a listener may answer with an event of its own."""


class _Subscription:
    """One listener's place; `active` ends with its unsubscribing, also for notices that wait already."""

    __slots__ = ("active", "listener")

    def __init__(self, listener: Listener) -> None:
        self.listener: Final = listener
        self.active = True


class Notices:
    """Tells listeners of every step since they subscribed, in version order.

    `publish` is called under the machine's lock and only appends; `deliver` is called without it. One thread at a time delivers to
    the listeners that are plain functions. A thread that finds another one delivering leaves its notice to it and goes on, so a
    listener may send events, or wait for a thread that does, and nothing stands still. Coroutines have a mailbox each on their loop,
    which is rung first: no function that hangs delays them.
    """

    def __init__(self, machine: str, *, size: int = QUEUE) -> None:
        self._machine: Final = machine
        self._size: Final = size
        self._subscriptions: tuple[_Subscription, ...] = ()
        self._boxes: tuple[Mailbox, ...] = ()
        self._changing: Final = threading.Lock()
        self._waiting: Final[deque[tuple[Transition, tuple[_Subscription, ...], int]]] = deque()
        self._delivering: Final = threading.Lock()
        self._teller: int | None = None
        self._depth = 0
        self._lost = 0
        self.heard = False
        """Does anybody listen?"""
        self.telling = False
        """Does a thread tell listeners at the moment?"""
        self.failures = 0

    @property
    def lost(self) -> int:
        """How many notices went untold because a queue was full."""
        return self._lost + sum(box.lost for box in self._boxes)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        if inspect.iscoroutinefunction(listener) or inspect.iscoroutinefunction(type(listener).__call__):
            return self._subscribe_coroutine(listener)
        subscription = _Subscription(listener)
        with self._changing:
            self._subscriptions += (subscription,)
            self.heard = True

        def unsubscribe() -> None:
            subscription.active = False
            with self._changing:
                self._subscriptions = tuple(other for other in self._subscriptions if other is not subscription)
                self.heard = bool(self._subscriptions or self._boxes)

        return unsubscribe

    def open_box(self, served: Callable[[Transition], Awaitable[None]] | None = None) -> Mailbox:
        """A mailbox on the loop that runs here, which gets every step from here on; a `RuntimeError` where none runs."""
        box = Mailbox(asyncio.get_running_loop(), self._size, served)
        with self._changing:
            self._boxes += (box,)
            self.heard = True
        return box

    def close_box(self, box: Mailbox) -> None:
        box.active = False
        with self._changing:
            if box in self._boxes:
                self._lost += box.lost
            self._boxes = tuple(other for other in self._boxes if other is not box)
            self.heard = bool(self._subscriptions or self._boxes)

    def publish(self, change: Transition, snapshot: Snapshot) -> None:
        for box in self._boxes:
            box.put(change, snapshot)
        # A notice goes to those that listened when its step was taken, however late it is delivered.
        if self._subscriptions:
            depth = self._depth + 1 if self._teller == threading.get_ident() else 0
            if len(self._waiting) >= self._size:
                self._waiting.popleft()
                self._count_lost()
            self._waiting.append((change, self._subscriptions, depth))

    def deliver(self) -> None:
        """Pass on what waits, unless another thread does."""
        for box in self._boxes:
            if not box.ring():
                self.close_box(box)
        # Asked again after each round: a notice that came between the last look and the release would wait for the next event.
        while self._waiting and self._delivering.acquire(blocking=False):
            try:
                self._teller, self.telling = threading.get_ident(), True
                while self._waiting:
                    self._tell(*self._waiting.popleft())
            finally:
                self._teller, self.telling, self._depth = None, False, 0
                self._delivering.release()

    @property
    def too_deep(self) -> bool:
        """Is this a listener's event that answers an event that answers an event, and so on for too long?"""
        return self._depth >= DEPTH and self._teller == threading.get_ident()

    def _tell(self, change: Transition, subscriptions: tuple[_Subscription, ...], depth: int) -> None:
        self._depth = depth
        for subscription in subscriptions:
            if not subscription.active:
                continue
            try:
                subscription.listener(change)
            # What listeners do is theirs: one that fails must not keep the step from the others, nor from the caller who made it.
            except Exception:  # noqa: BLE001
                self._failed(change)

    def _subscribe_coroutine(self, listener: Listener) -> Callable[[], None]:
        async def served(change: Transition) -> None:
            try:
                answer = listener(change)
                if inspect.isawaitable(answer):
                    await answer
            except Exception:  # noqa: BLE001 - as in `_tell`
                self._failed(change)

        box = self.open_box(served)
        return lambda: self.close_box(box)

    def _failed(self, change: Transition) -> None:
        self.failures += 1
        _log.exception("a listener failed", extra={"pipe": self._machine, "version": change.version})

    def _count_lost(self) -> None:
        self._lost += 1
        if self._lost == 1:
            _log.warning("a listener hangs; the oldest notices for it are dropped", extra={"pipe": self._machine})
