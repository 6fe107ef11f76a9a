"""The two processes of `fustor up`: started one after the other, watched, and ended in the order in which nothing is lost."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from fustor_core.errors import Unreachable
from fustor_core.up.plan import HOST

READY_WITHIN: Final = 60.0
KILLED: Final = 130
_POLL: Final = 0.05


@dataclass(frozen=True)
class Part:
    """What runs in one process: its name, its command line, and the port on which it says that it lives."""

    name: str
    command: Sequence[str]
    port: int


@dataclass
class _Child:
    part: Part
    process: asyncio.subprocess.Process
    ready: bool = False

    @property
    def code(self) -> int | None:
        """The exit code as a shell has it; None while it runs."""
        code = self.process.returncode
        if code is not None and code < 0:
            return 128 - code
        return code

    @property
    def ended_well(self) -> bool:
        """Whether it ended as it was told. Before it is ready it may not know better than to die of SIGTERM, and nothing is lost by it."""
        return self.code == 0 or (not self.ready and self.process.returncode == -signal.SIGTERM)


class _Wishes:
    """What signals ask for: the first, to stop; the second, not to wait for it."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.kill = asyncio.Event()

    def signalled(self) -> None:
        (self.kill if self.stop.is_set() else self.stop).set()

    @contextmanager
    def heard(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in heard:
            loop.add_signal_handler(number, self.signalled)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)


async def run_parts(
    parts: Sequence[Part], *, lock: int, on_ready: Callable[[], None], say: Callable[[str], None], ready_within: float = READY_WITHIN
) -> int:
    """Run all parts until a signal, or until one of them ends; the exit code of `fustor up`. Each inherits the descriptor `lock`.

    Each is started when the one before it is ready, and they are stopped in the opposite order, each when the one before it has ended: so
    what the agent still has to send finds fusion there. A part that ends before it is ready has said why, and its exit code is the result.
    Raises Unreachable for one that never gets ready.
    """
    children: list[_Child] = []
    wishes = _Wishes()
    with wishes.heard():
        try:
            for part in parts:
                children.append(_Child(part, await _start(part, lock)))
                await _until_ready(children[-1], wishes, ready_within)
                if not children[-1].ready:
                    break
            else:
                on_ready()
            await _until_first_end(children, wishes)
            fallen = [child for child in children if child.code is not None]
            if fallen and fallen[0].ready and not wishes.stop.is_set():
                say(f"{fallen[0].part.name} ended with exit code {fallen[0].code}; stopping the rest")
            await _stop(children, wishes, say)
        finally:
            await _kill(children)
    return _result(children, fallen, wishes)


def _result(children: Sequence[_Child], fallen: Sequence[_Child], wishes: _Wishes) -> int:
    if wishes.kill.is_set():
        return KILLED
    if not wishes.stop.is_set() and fallen:
        return 1 if fallen[0].ready else fallen[0].code or 1
    return next((child.code or 1 for child in children if not child.ended_well), 0)


async def _start(part: Part, lock: int) -> asyncio.subprocess.Process:
    """The part in a process of its own, which Ctrl-C does not reach: the order in which they end is decided here."""
    return await asyncio.create_subprocess_exec(*part.command, stdin=asyncio.subprocess.DEVNULL, pass_fds=(lock,), process_group=0)


async def _until_ready(child: _Child, wishes: _Wishes, within: float) -> None:
    """Return when it is ready, when it has ended, or when a signal came."""

    async def poll() -> None:
        while not await _lives(child.part.port):  # noqa: ASYNC110 (another process can set no event here)
            await asyncio.sleep(_POLL)
        child.ready = True

    try:
        async with asyncio.timeout(within):
            await _first(poll(), _wait(child), wishes.stop.wait())
    except TimeoutError:
        message = f"{child.part.name} does not answer on port {child.part.port} after {within:g} s; see what it says above"
        raise Unreachable(message) from None
    if child.code is not None:
        # Then it was another program that answered on the port.
        child.ready = False


async def _lives(port: int) -> bool:
    """Whether `GET /livez` is answered with 200."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(f"GET /livez HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.split()[1:2] == [b"200"]


async def _until_first_end(children: Sequence[_Child], wishes: _Wishes) -> None:
    await _first(wishes.stop.wait(), *(_wait(child) for child in children))


async def _stop(children: Sequence[_Child], wishes: _Wishes, say: Callable[[str], None]) -> None:
    """End them, the last that was started first, each in its own time; at once if a second signal comes."""
    if wishes.stop.is_set():
        say("Stopping; what was seen is still sent. Ctrl-C again ends at once.")
    for child in reversed(children):
        if child.code is None and not wishes.kill.is_set():
            child.process.terminate()
            await _first(_wait(child), wishes.kill.wait())


async def _kill(children: Sequence[_Child]) -> None:
    for child in children:
        if child.code is None:
            child.process.kill()
            await child.process.wait()


async def _wait(child: _Child) -> None:
    await child.process.wait()


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when the first of them does, and give up the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
