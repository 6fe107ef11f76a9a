"""Stores for machines."""

from collections.abc import Iterator

import pytest

from tests.integration.states.parts import Gated


@pytest.fixture
def gated() -> Iterator[Gated]:
    """A store that hangs, or is away, while the test likes."""
    store = Gated()
    yield store
    store.open.set()
