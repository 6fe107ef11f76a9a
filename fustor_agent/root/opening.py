"""Opens sources, any of which may hang: nothing else waits for that."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

from fustor_agent.patience import Patience
from fustor_agent.reading.readers import Readers
from fustor_agent.sources import Source
from fustor_core.errors import SourceError
from fustor_core.wire import Identity

log = logging.getLogger(__name__)

ANSWERS_WITHIN: Final = 2.0
"""Seconds after which a source is left to its pipe, which waits for it."""


async def check_sources(sources: Mapping[str, Source], within: float = ANSWERS_WITHIN) -> None:
    """Open the source of each pipe once. Raises ConfigurationError for one that the settings have wrong; what hangs, or fails by itself, is
    left to its pipe, and keeps no other from its work."""
    readers = Readers("check")
    opening = {name: asyncio.ensure_future(readers.run(partial(_open_once, source))) for name, source in sources.items()}
    try:
        if opening:
            await asyncio.wait(opening.values(), timeout=within)
        errors = [one.exception() for one in opening.values() if one.done()]
        for error in errors:
            if error is not None and not isinstance(error, SourceError):
                raise error
        for name, one in opening.items():
            if not one.done():
                log.warning("the source does not answer, and is waited for", extra={"pipe": name})
    finally:
        for one in opening.values():
            one.cancel()
        readers.close()


def _open_once(source: Source) -> None:
    with source.open():
        pass


async def opened(source: Source, held: ExitStack, readers: Readers, patience: Patience, stopping: Callable[[], bool]) -> Identity | None:
    """What the root is, held open until `held` is closed; None if the pipe is to stop before that is known."""
    opening = asyncio.ensure_future(readers.run(lambda: held.enter_context(source.open())))
    try:
        # Opened once, whatever else interrupts the waiting.
        while not opening.done() and not stopping():
            await patience.unless_interrupted(lambda: asyncio.wait([opening]))
        return opening.result() if opening.done() else None
    finally:
        opening.cancel()
