"""A thread that works whenever it is woken, ends where nobody wakes it for a while, and comes back when somebody does."""

import threading
import time
from collections.abc import Callable
from typing import Final

IDLE_SECONDS: Final = 5.0
"""How long the thread stays without work."""
RETRY_SECONDS: Final = (0.05, 1.0)
"""The first and the longest wait between attempts that fail."""


class Behind:
    """Calls `attempt` on a thread of its own; one that returns False is made again after a while, also if nobody wakes the thread."""

    def __init__(self, name: str, attempt: Callable[[], bool]) -> None:
        self._name = name
        self._attempt = attempt
        self._closed = False
        self._work = threading.Event()
        self._starting: Final = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is work; returns at once."""
        self._work.set()
        if self._nobody_works():
            with self._starting:
                if self._nobody_works() and not self._closed:
                    self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Let the thread end."""
        self._closed = True
        self._work.set()

    def _run(self) -> None:
        wait = RETRY_SECONDS[0]
        while not self._closed:
            if not self._work.wait(IDLE_SECONDS) and self._may_end():
                return
            self._work.clear()
            if self._attempt():
                wait = RETRY_SECONDS[0]
                continue
            self._work.set()
            time.sleep(wait)
            wait = min(2 * wait, RETRY_SECONDS[1])

    def _nobody_works(self) -> bool:
        return self._thread is None

    def _may_end(self) -> bool:
        """Give the place up, and take it again if work came meanwhile: `wake` sets the work first and looks for a thread then."""
        self._thread = None
        with self._starting:
            if self._nobody_works() and self._work.is_set():
                self._thread = threading.current_thread()
                return False
        return True
