"""Every root store there is, each new and empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fustor_fusion.stores import RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from tests.contract.root_stores import Agent


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RootStore]:
    made: RootStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "root.db")
    yield made
    made.close()


@pytest.fixture
def agent(store: RootStore) -> Agent:
    return Agent(store)
