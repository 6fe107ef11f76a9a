"""Listeners, told of each step once and in order, by whichever thread is free to do it."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from fustor_core.state.records import Transition

_log = logging.getLogger(__name__)

Listener: TypeAlias = Callable[[Transition], object]


class _Subscription:
    """One listener's place; `active` ends with its unsubscribing, also for notices that wait already."""

    __slots__ = ("active", "listener")

    def __init__(self, listener: Listener) -> None:
        self.listener: Final = listener
        self.active = True


class Notices:
    """Tells listeners of every step since they subscribed, in version order.

    `publish` is called under the machine's lock and only appends; `deliver` is called without it. One thread at a time delivers. A
    thread that finds another one delivering leaves its notice to it and goes on, so a listener may send events, or wait for a
    thread that does, and nothing stands still.
    """

    def __init__(self, machine: str) -> None:
        self._machine: Final = machine
        self._subscriptions: tuple[_Subscription, ...] = ()
        self._changing: Final = threading.Lock()
        self._waiting: Final[deque[tuple[Transition, tuple[_Subscription, ...]]]] = deque()
        self._delivering: Final = threading.Lock()
        self.failures = 0

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        subscription = _Subscription(listener)
        with self._changing:
            self._subscriptions += (subscription,)

        def unsubscribe() -> None:
            subscription.active = False
            with self._changing:
                self._subscriptions = tuple(other for other in self._subscriptions if other is not subscription)

        return unsubscribe

    def publish(self, change: Transition) -> None:
        # A notice goes to those that listened when its step was taken, however late it is delivered.
        if self._subscriptions:
            self._waiting.append((change, self._subscriptions))

    def deliver(self) -> None:
        """Pass on what waits, unless another thread does."""
        # Asked again after each round: a notice that came between the last look and the release would wait for the next event.
        while self._waiting and self._delivering.acquire(blocking=False):
            try:
                while self._waiting:
                    self._tell(*self._waiting.popleft())
            finally:
                self._delivering.release()

    def _tell(self, change: Transition, subscriptions: tuple[_Subscription, ...]) -> None:
        for subscription in subscriptions:
            if not subscription.active:
                continue
            try:
                subscription.listener(change)
            # What listeners do is theirs: one that fails must not keep the step from the others, nor from the caller who made it.
            except Exception:  # noqa: BLE001
                self.failures += 1
                _log.exception("A listener failed: machine=%s version=%d", self._machine, change.version)
