"""What a long-running process of either side does with its signals and its data directory."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fustor_core.errors import ConfigurationError
from fustor_core.files import make_private_directory, take_lock

log = logging.getLogger(__name__)


def tune() -> None:
    """Set the interpreter up for a process that runs long, and moves much data between threads. To be called once all is imported."""
    # What is there by now stays for good, and what comes by the hundred thousand (entries) holds no cycles: collecting would be in vain.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    # A thread that computes gives way to the event loop within a millisecond.
    sys.setswitchinterval(0.001)


@contextmanager
def stop_requested() -> Iterator[asyncio.Event]:
    """An event that SIGINT or SIGTERM sets; the second of them ends the process at once, also after the block, while it is cleaned up."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    asked = False

    def ask(name: str) -> None:
        nonlocal asked
        if asked:
            _end_at_once()
        log.info("stopping: %s", name)
        asked = True
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask, signal.Signals(number).name)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            if asked:
                signal.signal(number, _end_at_once)


def _end_at_once(*_: object) -> None:
    log.warning("stopping at once")
    os._exit(1)


@contextmanager
def data_directory(path: Path, owner: str) -> Iterator[Path]:
    """The data directory, for this process alone. Raises ConfigurationError where it cannot be had."""
    make_private_directory(path)
    try:
        descriptor = take_lock(path / f"{owner}.lock")
    except BlockingIOError:
        message = f"{path}: another process of {owner} works on it; stop that one, or choose another directory as `data`"
        raise ConfigurationError(message) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}; correct `data`, its permissions or the disk") from None
    try:
        yield path
    finally:
        os.close(descriptor)
