"""A fault proxy between the agent and the fusion of a system, on a thread of its own, for tests that are no coroutines."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from fustor_core.testing.proxy import FaultProxy
from tests.e2e.system import KEY, System

T = TypeVar("T")


class Between:
    """Says what is to be done on the thread of the proxy."""

    def __init__(self, loop: asyncio.AbstractEventLoop, proxy: FaultProxy) -> None:
        self._loop = loop
        self._proxy = proxy

    def do(self, what: Callable[[FaultProxy], T]) -> T:
        """What `what` returns."""

        async def done() -> T:
            return what(self._proxy)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)


@contextmanager
def between(system: System, seed: int = 0) -> Iterator[Between]:
    """Have the agent, which is not started yet, reach fusion through a proxy."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = FaultProxy(system.port, seed=seed)
    listening = proxy.listening()
    try:
        port = asyncio.run_coroutine_threadsafe(listening.__aenter__(), loop).result(10)
        system.agent_extra = {**system.agent_extra, "fusion": {"url": f"http://127.0.0.1:{port}", "key": KEY}}
        yield Between(loop, proxy)
    finally:
        asyncio.run_coroutine_threadsafe(listening.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
