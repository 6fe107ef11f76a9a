"""A TCP proxy that does to connections what networks do to them: put it between an agent and a fusion, and change the weather."""

import asyncio
import math
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fustor_core.testing.frames import Frames

_SLICE: Final = 16 * 1024
_QUEUED: Final = 64
"""Frames on their way in one direction; who sends more has to wait, as with a full window of TCP."""


class Fault(StrEnum):
    """What happened to a connection; `FaultProxy.done` counts them."""

    RESET = "reset"
    CUT = "cut"
    HALF_OPEN = "half-open"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Weather:
    """What connections have to go through. The chances (0 to 1) are those of a schedule that the seed of the proxy fixes.

    latency: seconds that each frame takes, one way. bandwidth: bytes a second, one way.
    blackhole: nothing passes either way, and nobody is told; it goes on where it stopped.
    reset: for each frame, the chance that the connection is reset in front of it. cut: likewise, in the middle of it.
    half_open: likewise, that one end is reset and the other stands on, unheard.
    duplicate: for each connection, the chance that all that it sends is sent on a second one too.
    """

    latency: float = 0.0
    bandwidth: float = math.inf
    blackhole: bool = False
    reset: float = 0.0
    cut: float = 0.0
    half_open: float = 0.0
    duplicate: float = 0.0


FAIR: Final = Weather()


class FaultProxy:
    """Passes connections on to `port` at `host`. `weather` may be set at any time, and counts at once, also for what stands already."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, seed: int = 0) -> None:
        self._target = host, port
        self._random = random.Random(seed)
        self._weather = FAIR
        self._passable = asyncio.Event()
        self._passable.set()
        self._links: set[_Link] = set()
        self.done: Counter[Fault] = Counter()
        self.accepted = 0

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        self._weather = weather
        if weather.blackhole:
            self._passable.clear()
        else:
            self._passable.set()

    @property
    def standing(self) -> int:
        """How many connections stand at the moment."""
        return len(self._links)

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1") -> AsyncIterator[int]:
        """Serve until the block ends; gives the port."""
        tasks: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:

            def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = group.create_task(self._serve(_End(reader, writer)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            server = await asyncio.start_server(accepted, host, 0)
            try:
                yield server.sockets[0].getsockname()[1]
            finally:
                server.close()
                for task in tasks:
                    task.cancel()

    # At once, to all connections that stand

    def reset(self) -> None:
        """Reset both ends."""
        for link in list(self._links):
            self.done[Fault.RESET] += 1
            link.reset()

    def cut(self) -> None:
        """Break each connection in the middle of the next frame that it carries."""
        for link in self._links:
            link.cut_next = True

    def half_open(self, *, keep_client: bool) -> None:
        """Reset one end and leave the other: what it sends is taken, and it hears nothing more."""
        for link in list(self._links):
            link.leave_open(client=keep_client)

    # Connections

    async def _serve(self, client: "_End") -> None:
        self.accepted += 1
        link = _Link(self, client)
        self._links.add(link)
        try:
            await self._passable.wait()
            link.server = _End(*await asyncio.open_connection(*self._target))
            if self._random.random() < self._weather.duplicate:
                self.done[Fault.DUPLICATE] += 1
                link.second = _End(*await asyncio.open_connection(*self._target), spare=True)
            await link.pump()
        except OSError:
            client.reset()
        finally:
            self._links.discard(link)
            link.close()

    def dice(self) -> Fault | None:
        """What the schedule has for the next frame."""
        weather, thrown = self._weather, self._random.random()
        for fault, chance in ((Fault.RESET, weather.reset), (Fault.CUT, weather.cut), (Fault.HALF_OPEN, weather.half_open)):
            if thrown < chance:
                return fault
            thrown -= chance
        return None

    def coin(self) -> bool:
        """Heads or tails, by the schedule."""
        return self._random.random() < 0.5

    async def passable(self) -> None:
        """Wait for the end of a blackhole."""
        await self._passable.wait()


class _End:
    """One end of a connection. It is `gone` when this proxy has ended it; a `spare` one may break without harm."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, spare: bool = False) -> None:
        self.reader = reader
        self.writer = writer
        self.gone = False
        self._spare = spare

    def reset(self) -> None:
        """End it with a RST, as a peer that has lost its memory does."""
        connection = self.writer.get_extra_info("socket")
        if connection is not None and not self.writer.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
        self.gone = True

    def close(self) -> None:
        """End it behind what was sent."""
        self.gone = True
        self.writer.close()

    async def send(self, data: bytes) -> None:
        if self.gone or self.writer.is_closing():
            return
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ConnectionError:
            if not self._spare:
                raise

    def end(self) -> None:
        """Nothing more comes from the other side."""
        if not self.writer.is_closing() and self.writer.can_write_eof():
            # The end that this is for may have been reset already.
            with suppress(OSError):
                self.writer.write_eof()


class _Broken(Exception):
    """The connection has been broken on purpose."""


_Queue = asyncio.Queue[tuple[float, bytes] | None]


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy, client: _End) -> None:
        self._proxy = proxy
        self.client = client
        self.server: _End | None = None
        self.second: _End | None = None
        self.cut_next = False

    @property
    def _ends(self) -> list[_End]:
        return [end for end in (self.client, self.server, self.second) if end]

    async def pump(self) -> None:
        """Pass both ways until both sides have ended, or it is broken."""
        assert self.server is not None
        to_server = [self.server, self.second] if self.second else [self.server]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(self.client, to_server))
                group.create_task(self._pass(self.server, [self.client]))
                if self.second:
                    group.create_task(self._pass(self.second, []))
        except* (_Broken, ConnectionError):
            self.reset()

    def reset(self) -> None:
        for end in self._ends:
            end.reset()

    def leave_open(self, *, client: bool) -> None:
        """Reset one end; the other stands until its own side ends it."""
        gone = self.server if client else self.client
        if gone and not gone.gone:
            self._proxy.done[Fault.HALF_OPEN] += 1
            gone.reset()

    def close(self) -> None:
        for end in self._ends:
            end.close()

    async def _pass(self, source: _End, to: list[_End]) -> None:
        """Pass what comes from one end on to others, whole frames at a time; what nobody is left to hear is read all the same."""
        queue = _Queue(_QUEUED)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take(source, queue))
            group.create_task(self._give(queue, to))

    async def _take(self, source: _End, queue: _Queue) -> None:
        loop, frames = asyncio.get_running_loop(), Frames()
        try:
            while data := await source.reader.read(64 * 1024):
                for frame in frames.feed(data):
                    await queue.put((loop.time(), frame))
        except ConnectionError:
            if not source.gone:
                raise
        if source.gone and not all(end.gone for end in self._ends):
            # Half-open: the other end is not to hear of it.
            await asyncio.Event().wait()
        if rest := frames.rest():
            await queue.put((loop.time(), rest))
        await queue.put(None)

    async def _give(self, queue: _Queue, to: list[_End]) -> None:
        loop = asyncio.get_running_loop()
        free_at = 0.0
        while item := await queue.get():
            came, frame = item
            await asyncio.sleep(came + self._proxy.weather.latency - loop.time())
            await self._proxy.passable()
            frame, breaks = self._fate(frame)
            for start in range(0, len(frame), _SLICE):
                piece = frame[start : start + _SLICE]
                free_at = max(free_at, loop.time()) + len(piece) / self._proxy.weather.bandwidth
                await asyncio.sleep(free_at - loop.time())
                for end in to:
                    await end.send(piece)
            if breaks:
                for end in to:
                    end.close()
                raise _Broken
        await self._proxy.passable()
        if any(end.gone for end in to):
            raise _Broken
        for end in to:
            end.end()

    def _fate(self, frame: bytes) -> tuple[bytes, bool]:
        """What passes of a frame, and whether the connection breaks behind that."""
        fault = Fault.CUT if self.cut_next else self._proxy.dice()
        match fault:
            case Fault.RESET:
                self._proxy.done[fault] += 1
                self.reset()
                raise _Broken
            case Fault.CUT:
                self._proxy.done[fault] += 1
                return frame[: len(frame) // 2], True
            case Fault.HALF_OPEN:
                self.leave_open(client=self._proxy.coin())
        return frame, False
