"""Audits where no event comes: events that are lost, and a source of which nothing can be watched."""

import asyncio
from pathlib import Path

from fustor_agent.audit.plan import AuditOptions
from fustor_agent.sources import CannotWatch
from fustor_agent.sources.fs.inotify import InotifyQueue, Queue
from fustor_core.wire import Verb
from tests.e2e.inside import MESSAGE, FaultySource, Fusion, Pipe, fusion_here, running
from tests.polling import soon

AUDIT = "RUNNING | MESSAGE_SYNC | AUDIT_PHASE"


class LostEvents(InotifyQueue):
    """A queue whose events never arrive."""

    def read(self) -> list[bytes]:
        super().read()
        return []


def no_queue() -> Queue:
    raise CannotWatch("no more inotify queues are allowed", "sysctl fs.inotify.max_user_instances=1024")


def deaf(pipe: Pipe) -> None:
    pipe.source = FaultySource(pipe.root, queue=LostEvents)
    for directory in ("a/b", "c"):
        (pipe.root / directory).mkdir(parents=True)
        (pipe.root / directory / "f").write_bytes(b"x")


def unwatchable(pipe: Pipe) -> None:
    deaf(pipe)
    pipe.source = FaultySource(pipe.root, queue=no_queue)


def holds(fusion: Fusion, path: bytes) -> bool:
    with fusion.store.reading() as reading:
        return reading.find(path) is not None


def audits(pipe: Pipe) -> int:
    """How many have begun so far."""
    return sum("AUDIT_PHASE" in str(change.pipe_state) for change in pipe.machine.history())


async def audited(pipe: Pipe, *, shallow: bool) -> None:
    """Have everything audited, and wait until that is done."""
    before = audits(pipe)
    await pipe.pipe.act(Verb.AUDIT, shallow=shallow)
    await soon(lambda: audits(pipe) > before and "AUDIT_PHASE" not in pipe.shows())


async def test_a_shallow_audit_finds_what_came_and_went_in_directories(tmp_path: Path) -> None:
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "data", prepare=deaf) as [pipe]:
        await audited(pipe, shallow=True)
        with fusion.store.reading() as reading:
            assert reading.drifts().total.entries == 0
        (pipe.root / "a" / "b" / "new").write_bytes(b"y")
        (pipe.root / "c" / "f").unlink()
        (pipe.root / "c" / "made" / "deep").mkdir(parents=True)
        (pipe.root / "c" / "made" / "deep" / "f").write_bytes(b"z")
        await asyncio.sleep(0)
        assert not holds(fusion, b"a/b/new")
        await audited(pipe, shallow=True)
        assert all(holds(fusion, path) for path in (b"a/b/new", b"c/made/deep/f"))
        assert not holds(fusion, b"c/f")
        with fusion.store.reading() as reading:
            drifts = reading.drifts()
            found = reading.find(b"a/b/new")
        assert found is not None
        assert found.via == "audit"
        assert (drifts.total.missing, drifts.total.extra) == (4, 1)
        assert {path for path, drift in drifts.places.items() if drift.missing} == {b"a/b", b"c", b"c/made", b"c/made/deep"}


async def test_a_directory_that_is_gone_is_found_from_above(tmp_path: Path) -> None:
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "data", prepare=deaf) as [pipe]:
        (pipe.root / "a" / "b" / "f").unlink()
        (pipe.root / "a" / "b").rmdir()
        (pipe.root / "c" / "f").rename(pipe.root / "a" / "b")
        await audited(pipe, shallow=True)
        with fusion.store.reading() as reading:
            found = reading.find(b"a/b")
        assert found is not None
        assert found.kind == "file"
        assert not holds(fusion, b"c/f")


async def test_a_source_of_which_nothing_can_be_watched_is_audited(tmp_path: Path) -> None:
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "data", prepare=unwatchable, state="RUNNING") as [pipe]:
        await soon(lambda: holds(fusion, b"a/b/f") and pipe.shows() == "RUNNING")
        assert pipe.kinds() == ["not-watched"]
        (pipe.root / "a" / "b" / "new").write_bytes(b"y")
        await audited(pipe, shallow=True)
        assert holds(fusion, b"a/b/new")
        await audited(pipe, shallow=False)
        seen = [str(change.pipe_state) for change in pipe.machine.history()]
        assert seen[-6:] == ["RUNNING | SNAPSHOT_SYNC", "RUNNING", "RUNNING | AUDIT_PHASE", "RUNNING", "RUNNING | AUDIT_PHASE", "RUNNING"]


async def test_shallow_audits_come_by_themselves(tmp_path: Path) -> None:
    options = AuditOptions(every=0.0, shallow=0.5)
    async with fusion_here(tmp_path) as fusion, running(tmp_path, fusion.url, "data", prepare=deaf, audit=options) as [pipe]:
        (pipe.root / "c" / "new").write_bytes(b"y")
        await soon(lambda: holds(fusion, b"c/new"))
        assert AUDIT in [str(change.pipe_state) for change in pipe.machine.history()]
        await pipe.until(MESSAGE)
