"""Calls that may hang because a file system does: made where nobody has to wait for them."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def answers(calls: Sequence[Callable[[], T]], within: float) -> list[T | None]:
    """What each call returns, in their order; None for those that have not returned after so many seconds. They run side by side, and what
    hangs ends with the process. What one raises is raised here."""
    found: dict[int, T] = {}
    raised: dict[int, BaseException] = {}

    def make(number: int, call: Callable[[], T]) -> None:
        try:
            found[number] = call()
        except BaseException as error:  # noqa: BLE001 - handed to whoever asked
            raised[number] = error

    threads = [threading.Thread(target=make, args=numbered, daemon=True) for numbered in enumerate(calls)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + within
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    for error in raised.values():
        raise error
    return [found.get(number) for number in range(len(calls))]
