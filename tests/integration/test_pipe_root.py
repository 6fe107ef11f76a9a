"""The root of a pipe, on a real directory: known once it was taken, and looked at while it is held open."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from fustor_agent.patience import Patience
from fustor_agent.reading.readers import Readers
from fustor_agent.root.known_roots import KnownRoots
from fustor_agent.root.pipe_root import PipeRoot
from fustor_agent.sources.fs import FsSource
from fustor_core.errors import AnotherRoot, ConfigurationError, RootGone
from fustor_core.wire import Identity


def pipe_root(tmp_path: Path) -> PipeRoot:
    return PipeRoot("p", "data", FsSource(tmp_path / "root"), Readers("read-p"), KnownRoots(tmp_path / "roots.json"))


async def opened(root: PipeRoot, held: ExitStack) -> Identity:
    identity = await root.open(held, Patience(), lambda: False)
    assert identity is not None
    return identity


async def test_a_root_that_goes_while_nothing_is_read_is_noticed(tmp_path: Path) -> None:
    """A lazy unmount looks like this: no event tells of it."""
    (tmp_path / "root").mkdir()
    root = pipe_root(tmp_path)
    with ExitStack() as held:
        await opened(root, held)
        looking = asyncio.create_task(root.keep_looking())
        (tmp_path / "root").rename(tmp_path / "away")
        (tmp_path / "root").mkdir()
        async with asyncio.timeout(20):
            with pytest.raises(RootGone, match="another directory"):
                await looking


async def test_what_was_never_taken_is_a_mistake_and_what_was_is_gone(tmp_path: Path) -> None:
    root = pipe_root(tmp_path)
    with ExitStack() as held:
        with pytest.raises(ConfigurationError, match="does not exist"):
            await opened(root, held)
        (tmp_path / "root").mkdir()
        identity = await opened(root, held)
        root.recognise(identity)
        await root.taken(identity)
    (tmp_path / "root").rename(tmp_path / "away")
    again = pipe_root(tmp_path)
    with ExitStack() as held:
        with pytest.raises(RootGone, match="does not exist"):
            await opened(again, held)
        (tmp_path / "root").mkdir()
        other = await opened(again, held)
        with pytest.raises(AnotherRoot):
            again.recognise(other)
        await again.taken(other)
        again.recognise(other)
