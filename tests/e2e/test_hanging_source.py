"""A directory that hangs: it alone is in doubt, the pipe goes on, and when it answers again everything is as it should be."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from fustor_core.paths import is_below
from tests.disk import on_disk
from tests.e2e.inside import MESSAGE, RECONNECTING, Pipe, running
from tests.e2e.system import System, difference, to_thing
from tests.polling import eventually


@contextmanager
def hanging(pipe: Pipe, place: bytes) -> Iterator[Callable[[], None]]:
    """Whatever reads in `place` or below hangs, until what this gives is called."""
    answers = threading.Event()

    def fault(directory: bytes) -> None:
        if is_below(directory, place):
            answers.wait(60)

    def end() -> None:
        pipe.source.fault_in = None
        answers.set()

    pipe.source.fault_in = fault
    try:
        yield end
    finally:
        end()


@asynccontextmanager
async def here(system: System, *names: str, prepare: Callable[[Pipe], None]) -> AsyncIterator[list[Pipe]]:
    """Pipes of this process that follow, with a fusion in a process of its own."""
    await asyncio.to_thread(system.start_fusion)
    async with running(system.directory, system.url, *names, prepare=prepare) as pipes:
        yield pipes


async def until(probe: Callable[[], Any], within: float = 20.0) -> Any:  # Any: whatever is waited for
    """`eventually`, while the pipes of this process go on."""
    return await asyncio.to_thread(eventually, probe, within=within)


def meta(system: System, path: bytes) -> Any:  # JSON
    return system.query("stat", path)["meta"]


def shown_since(pipe: Pipe, version: int) -> list[str]:
    return [str(change.pipe_state) for change in pipe.machine.history() if change.version > version]


def view_equals_disk(system: System, pipe: Pipe) -> bool:
    mount = b"/" + os.fsencode(pipe.root.name)
    entries = system.query("find", mount, limit=10_000)["data"]
    view = {entry["path"].encode()[len(mount) + 1 :]: to_thing(entry) for entry in entries}
    disk = on_disk(os.fsencode(pipe.root))
    assert disk == view, difference(disk, view)
    return bool(meta(system, mount)["complete"])


def fill(pipe: Pipe) -> None:
    for name in ("good", "bad/below", "other"):
        (pipe.root / name).mkdir(parents=True)
        (pipe.root / name / "file").write_bytes(b"1")


async def test_what_hangs_is_left_behind_and_nothing_else(system: System) -> None:
    async with here(system, "one", "two", prepare=fill) as (one, two):
        await until(lambda: view_equals_disk(system, one))
        with hanging(one, b"bad") as end:
            (one.root / "bad" / "file").write_bytes(b"22")
            assert await one.until(RECONNECTING) < 2.5
            assert one.kinds() == ["source-hangs"]
            (one.root / "good" / "file").write_bytes(b"333")
            await until(lambda: system.query("stat", b"/one/good/file")["data"]["size"] == 3)
            await one.until(MESSAGE)
            await until(lambda: one.kinds() == ["unreadable"])
            [said] = one.pipe.conditions.all()
            assert said.message == "1 directory could not be read, for example /bad: it does not answer"
            assert not (await asyncio.to_thread(meta, system, b"/one"))["complete"]
            await until(lambda: not meta(system, b"/one/bad")["complete"])
            before = await asyncio.to_thread(meta, system, b"/one/good")
            assert before["complete"]
            await until(lambda: meta(system, b"/one/good")["as_of"] > before["as_of"])
            # What hangs is tried again and again: that is no reason to show it as hanging once more.
            (one.root / "other" / "file").write_bytes(b"4444")
            await until(lambda: system.query("stat", b"/one/other/file")["data"]["size"] == 4)
            version = one.machine.snapshot.version
            end()
            await until(lambda: view_equals_disk(system, one))
            await until(lambda: one.kinds() == [])
            assert RECONNECTING not in shown_since(one, version)
        assert one.shows() == MESSAGE
        assert RECONNECTING not in shown_since(two, 0)


async def test_a_snapshot_goes_past_what_hangs(system: System) -> None:
    ends: list[Callable[[], None]] = []
    stack = AsyncExitStack()

    def prepare(pipe: Pipe) -> None:
        for number in range(30):
            (pipe.root / f"d{number}" / "below").mkdir(parents=True)
            (pipe.root / f"d{number}" / "below" / "file").write_bytes(b"1" * number)
        ends.append(stack.enter_context(hanging(pipe, b"d7")))

    async with stack, here(system, "one", prepare=prepare) as (one,):
        await until(lambda: system.query("usage", b"/one")["data"]["files"] == 1 + 29)
        assert not (await asyncio.to_thread(meta, system, b"/one"))["complete"]
        await until(lambda: meta(system, b"/one/d8")["complete"])
        ends[0]()
        await until(lambda: view_equals_disk(system, one))


async def test_a_root_that_hangs_holds_nothing_back_and_is_read_when_it_goes_on(system: System) -> None:
    async with here(system, "one", prepare=fill) as (one,):
        await until(lambda: view_equals_disk(system, one))
        answers = threading.Event()
        one.source.verify_fault = lambda: answers.wait(60)
        try:
            one.touch()
            assert await one.until(RECONNECTING) < 2.5
            life = one.pipe._life
            assert life is not None
            assert life._run is not None
            held = life._run.stamper.low()
            await until(lambda: life._run is not None and life._run.stamper.low() > held + 1_000_000_000)
            assert one.shows() == RECONNECTING
        finally:
            one.source.verify_fault = None
            answers.set()
        await one.until(MESSAGE)
        await until(lambda: view_equals_disk(system, one))


async def test_a_root_that_hangs_is_said_and_the_pipe_can_still_be_stopped(system: System) -> None:
    async with here(system, "one", prepare=fill) as (one,):
        answers = threading.Event()
        one.source.verify_fault = lambda: answers.wait(60)
        try:
            one.touch()
            assert await one.until(RECONNECTING) < 2.5
            assert one.kinds() == ["source-hangs"]
            one.pipe.end("the test stops it")
            await one.until("STOPPED", within=20)
        finally:
            answers.set()
