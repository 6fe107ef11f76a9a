"""Sources are tried out before an agent begins: a mistake in the settings ends it, a source that hangs or fails does not."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fustor_agent.root.opening import check_sources
from fustor_agent.testing.tree import FakeSource, FakeTree
from fustor_core.errors import ConfigurationError, RootGone
from fustor_core.wire import Identity


class Opening(FakeSource):
    """A source of which the opening fails, or hangs until it `answers`."""

    def __init__(self, error: Exception | None = None, *, hangs: bool = False) -> None:
        super().__init__(FakeTree())
        self.answers = threading.Event()
        self.opened = self.closed = 0
        self._error = error
        if not hangs:
            self.answers.set()

    @contextmanager
    def open(self) -> Iterator[Identity]:
        assert self.answers.wait(30)
        if self._error is not None:
            raise self._error
        self.opened += 1
        with super().open() as identity:
            yield identity
        self.closed += 1


async def test_what_can_be_opened_is_closed_again() -> None:
    source = Opening()
    await check_sources({"p": source}, within=30)
    assert (source.opened, source.closed) == (1, 1)
    await check_sources({})


async def test_a_mistake_in_the_settings_is_one_whatever_hangs_beside_it() -> None:
    hanging = Opening(hangs=True)
    with pytest.raises(ConfigurationError, match="does not exist"):
        await check_sources({"a": hanging, "b": Opening(ConfigurationError("/srv/x does not exist"))}, within=0.2)
    hanging.answers.set()


async def test_what_hangs_or_fails_by_itself_is_left_to_its_pipe(caplog: pytest.LogCaptureFixture) -> None:
    hanging, fine = Opening(hangs=True), Opening()
    with caplog.at_level(logging.WARNING):
        await check_sources({"hanging": hanging, "failing": Opening(RootGone("stale file handle")), "fine": fine}, within=0.2)
    assert [(record.getMessage(), record.__dict__["pipe"]) for record in caplog.records] == [
        ("the source does not answer, and is waited for", "hanging")
    ]
    assert fine.closed == 1
    hanging.answers.set()
