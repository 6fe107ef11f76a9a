"""Opens a source, which may hang, for a pipe that may be stopped meanwhile."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from fustor_agent.patience import Patience
from fustor_agent.reading.readers import Readers
from fustor_agent.sources import Source
from fustor_core.wire import Identity


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
