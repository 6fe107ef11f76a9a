"""The API, served over each of the embedded stores."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from fustor_core.evidence import Listing
from fustor_core.http.hosts import Hosts
from fustor_core.http.serving import listening
from fustor_fusion.api.application import Parts, Route, build
from fustor_fusion.authorization import PUSH_ANY, Authorizer, Key, hash_key
from fustor_fusion.stores import RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from fustor_fusion.views import Views
from tests.integration.api.serving import (
    KEYS,
    LISTED,
    NOW,
    TREE,
    FakePipes,
    FakeRoot,
    FakeRoots,
    FakeSessions,
    Served,
    broken,
    echo,
    entry,
    filled,
    large,
    whoami,
)


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RootStore, RootStore]]:
    data: RootStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data.sqlite")
    other: RootStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "other.sqlite")
    yield filled(data, TREE), filled(other, [Listing(b"", LISTED, {b"x": entry(size=10)})])
    data.close()
    other.close()


@pytest_asyncio.fixture
async def served(stores: tuple[RootStore, RootStore]) -> AsyncIterator[Served]:
    data, other = stores
    roots = FakeRoots({"data": FakeRoot(data), "other": FakeRoot(other)})
    views = Views({"research": {"data": b"/lab/one", "ghost": b"/lab/two"}, "whole": {"data": b"/"}})
    ready: list[str] = []
    parts = Parts(roots, views, FakePipes(), FakeSessions(), lambda: (not ready, " ".join(ready)), now=lambda: NOW)
    keys = [Key(name, hash_key(name), scopes) for name, scopes in KEYS.items()]
    extra = [
        Route("GET", "/v1/session", whoami, PUSH_ANY),
        Route("GET", "/v1/echo", echo, PUSH_ANY),
        Route("GET", "/broken", broken, None),
        Route("POST", "/large", large, None),
    ]
    application = build(parts, authorizer=Authorizer(keys), hosts=Hosts("127.0.0.1"), extra=extra)
    async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
        yield Served(port, http, roots, ready)
