"""Nothing grows for ever, and what is tidied up stalls nobody: on a real SQLite file, with the thread that writes it.

`FUSTOR_PAIRS=1000000` and `FUSTOR_REMOVED=1000000` run it in full; `--log-cli-level=info` prints what was measured.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fustor_core.evidence import Evidence, Gone, Listing, Seen
from fustor_core.wire import Identity, Via
from fustor_fusion.roots.writer import Writer
from fustor_fusion.stores import Contribution
from fustor_fusion.stores.sqlite import SqliteStore
from tests.oracle import entry_of
from tests.polling import soon

log = logging.getLogger(__name__)

PAIRS = int(os.environ.get("FUSTOR_PAIRS", "20000"))
REMOVED = int(os.environ.get("FUSTOR_REMOVED", "50000"))
AT_ONCE = 100
FILE, DIRECTORY = entry_of("f", 1), entry_of("d", 1)
PATIENCE = 10
"""By how much a promise of time may be missed on a machine that has other things to do."""


class Root:
    """A store, its writer, and the one agent that fills it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = SqliteStore(path)
        self.store.open_session("nas", "run", "session", Identity("ext4", "0123", 2), 1)
        self.low = 0
        self._at = 1 << 20
        self._sequence = 0
        self.writer = Writer("root", self.store, lambda: self._at, lambda: self.low, problem=lambda _: None, swept=lambda _: None)

    def stamp(self) -> int:
        self._at += 1024
        return self._at

    async def say(self, *evidence: Evidence) -> float:
        """Commit the evidence; how long that took, in seconds."""
        self._sequence += 1
        began = time.perf_counter()
        [outcome] = await self.writer.commit([Contribution("nas", "run", "session", self._sequence, Via.LIVE, evidence)])
        assert outcome.problem is None
        assert not outcome.stale
        return time.perf_counter() - began

    def count(self, table: str) -> int:
        with self.store.reading() as reading:
            number: int = reading._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[attr-defined]
        return number

    def pages(self) -> int:
        """How large the file is, as far as it is committed."""
        with self.store.reading() as reading:
            number: int = reading._connection.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[attr-defined]
        return number

    def log_size(self) -> int:
        """How large the write-ahead log is, in bytes."""
        return os.path.getsize(f"{self.path}-wal")


@pytest.fixture
async def root(tmp_path: Path) -> AsyncIterator[Root]:
    made = Root(tmp_path / "root.db")
    yield made
    await made.writer.close()
    made.store.close()


async def pairs(root: Root, first: int, count: int) -> None:
    """So many files with names of their own, each made and removed again."""
    for number in range(first, first + count, AT_ONCE):
        names = [b"pair-%d" % each for each in range(number, number + AT_ONCE)]
        await root.say(*(Seen(name, root.stamp(), FILE) for name in names), *(Gone(name, root.stamp()) for name in names))
        # As an agent says it: what is on its way is newer than what is committed.
        root.low = root._at - 10 * AT_ONCE * 1024


async def test_names_that_come_and_go_leave_nothing(root: Root) -> None:
    await pairs(root, 0, PAIRS // 2)
    pages, left = root.pages(), root.count("tombstones")
    await pairs(root, PAIRS // 2, PAIRS // 2)
    assert root.pages() <= pages + 200
    assert root.log_size() <= 64 << 20
    assert root.count("tombstones") <= max(left, 20 * AT_ONCE)
    root.low = root._at
    await root.say()
    await soon(lambda: root.count("tombstones") == 0, within=120)


async def test_a_mark_that_was_held_back_makes_up_without_a_long_commit(root: Root) -> None:
    """A follower that lags holds the mark; when it goes on, all that waited for it is dropped, a little at a time."""
    await root.say(Listing(b"", root.stamp(), {}))
    for number in range(0, REMOVED, 1000):
        names = [b"d-%d" % each for each in range(number, number + 1000)]
        await root.say(*(Seen(name, root.stamp(), DIRECTORY) for name in names[:500]), *(Gone(name, root.stamp()) for name in names[500:]))
    assert root.count("tombstones") == REMOVED // 2
    assert root.count("dirs WHERE floor IS NOT NULL") == REMOVED // 2
    root.low = root._at
    for _ in range(20):
        assert await root.say(Seen(b"other", root.stamp(), FILE)) < 0.1 * PATIENCE
    await soon(lambda: root.count("tombstones") == root.count("dirs WHERE floor IS NOT NULL") == 0, within=120)


async def test_a_large_directory_goes_at_once_and_its_purge_stalls_nobody(root: Root) -> None:
    await root.say(Listing(b"", root.stamp(), {b"big": DIRECTORY, b"small": DIRECTORY}))
    await root.say(Listing(b"big", root.stamp(), {b"file-%07d" % each: FILE for each in range(REMOVED)}))
    assert await root.say(Gone(b"big", root.stamp())) < 0.1 * PATIENCE
    commits: list[float] = []
    queries: list[float] = []
    async with asking(root, queries):
        # Never idle: tidying up must come about all the same.
        while root.count("detached"):
            commits.append(await root.say(Seen(b"small/f", root.stamp(), FILE)))
    assert root.count("entries") == 3
    for what, took in (("commit", commits), ("stat", queries)):
        took.sort()
        log.info("%s: %d, p99 %.1f ms, longest %.1f ms", what, len(took), took[len(took) * 99 // 100] * 1000, took[-1] * 1000)
        assert took[len(took) * 99 // 100] < 0.1 * PATIENCE
    assert not root.store.purge(1)


@asynccontextmanager
async def asking(root: Root, took: list[float]) -> AsyncIterator[None]:
    """Queries on another thread, one after the other, until the block ends."""
    asks = True

    def ask() -> None:
        while asks:
            began = time.perf_counter()
            with root.store.reading() as reading:
                assert reading.find(b"small") is not None
            took.append(time.perf_counter() - began)

    task = asyncio.create_task(asyncio.to_thread(ask))
    try:
        yield
    finally:
        asks = False
        await task
