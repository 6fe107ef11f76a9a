"""Many requests at once, slow ones among them, and starting to serve."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fustor_core.errors import ConfigurationError
from fustor_core.http.hosts import Hosts
from fustor_core.http.serving import listening
from fustor_fusion.api.application import Parts, build
from fustor_fusion.authorization import Authorizer
from fustor_fusion.stores import Reading, RootStore
from fustor_fusion.views import Views
from tests.integration.api.serving import FakePipes, FakeRoots, FakeSessions, Served, whoami


class Slow:
    """A store whose readings wait until they are let go."""

    def __init__(self, store: RootStore) -> None:
        self._store = store
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.open_session: Callable[..., Any] = store.open_session
        self.commit: Callable[..., Any] = store.commit
        self.accept: Callable[..., Any] = store.accept
        self.held = store.held
        self.due_held: Callable[..., Any] = store.due_held
        self.forget_held: Callable[..., Any] = store.forget_held
        self.hurry_held: Callable[..., Any] = store.hurry_held
        self.purge: Callable[..., Any] = store.purge
        self.sweeping = store.sweeping
        self.sweep: Callable[..., Any] = store.sweep
        self.links_noted = False
        self.damage = store.damage
        self.forget_links: Callable[..., Any] = store.forget_links
        self.close: Callable[..., Any] = store.close

    @property
    def last_change(self) -> int:
        return self._store.last_change

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        self.begun.release()
        self.go.wait(60)
        with self._store.reading() as reading:
            yield reading

    def reading(self) -> AbstractContextManager[Reading]:
        return self._reading()


async def test_a_slow_reading_holds_up_nobody_else(served: Served) -> None:
    slow = Slow(served.roots.held["data"].store)
    served.roots.held["data"].store = slow
    waiting = [asyncio.create_task(served.query("list", b"/data")) for _ in range(2)]
    try:
        assert await asyncio.to_thread(slow.begun.acquire, timeout=30)
        began = time.monotonic()
        await served.ask("/livez", key=None)
        await served.ask("/v1/pipes")
        await served.query("stat", b"/other/x")
        assert time.monotonic() - began < 5
        assert not any(task.done() for task in waiting)
    finally:
        slow.go.set()
    assert {len((await task)["data"]) for task in waiting} == {7}


async def test_many_at_once_all_get_their_own_answer(served: Served) -> None:
    async def one(number: int) -> None:
        data = (await served.query("stat", b"/data/a/%03d.py" % (number % 25)))["data"]
        assert data["size"] == number % 25

    await asyncio.gather(*(one(number) for number in range(300)))


async def test_a_port_that_is_taken_is_said(served: Served) -> None:
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{served.port}"):
        async with listening(web.Application(), "127.0.0.1", served.port):
            pass


def test_no_route_is_without_its_needs() -> None:
    """The gate closes a route that somebody adds without saying what it needs."""
    parts = Parts(FakeRoots(), Views({}), FakePipes(), FakeSessions(), lambda: (True, ""))

    async def check() -> None:
        application = build(parts, authorizer=Authorizer.open("127.0.0.1"), hosts=Hosts("127.0.0.1"))
        application.router.add_get("/forgotten", whoami)
        async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/forgotten") as response:
                assert response.status == 500
            async with http.get(f"http://127.0.0.1:{port}/v1/views/default/list") as response:
                answer = await response.json()
                assert (answer["data"], answer["meta"]["complete"]) == ([], False)
                assert answer["meta"]["conditions"][0]["type"] == "no-roots"

    asyncio.run(check())
