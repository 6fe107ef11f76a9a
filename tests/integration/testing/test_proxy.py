"""The fault proxy: what it promises of each weather, with real connections on both sides."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from fustor_core.testing.frames import Frames, frame_size
from fustor_core.testing.proxy import FAIR, Fault, FaultProxy, Weather
from tests.polling import soon

UPGRADE = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"


def frame(payload: bytes, *, masked: bool = False) -> bytes:
    """A WebSocket frame, masked with zeros."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)
    return b"\x82" + (bytes([length[0] | 0x80]) + length[1:] + bytes(4) if masked else length) + payload


class Server:
    """Takes connections, keeps what came by each, and sends it back unless it is `deaf`."""

    def __init__(self) -> None:
        self.received: list[bytearray] = []
        self.ended: list[str] = []
        self.deaf = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = bytearray()
        self.received.append(received)
        try:
            while data := await reader.read(65536):
                received += data
                if not self.deaf:
                    writer.write(data)
                    await writer.drain()
            self.ended.append("end")
        except ConnectionResetError:
            self.ended.append("reset")
        finally:
            writer.close()


class Line:
    """A proxy, the server behind it, and a way to it."""

    def __init__(self, proxy: FaultProxy, server: Server, port: int) -> None:
        self.proxy = proxy
        self.server = server
        self.port = port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection that is a WebSocket already, as far as the proxy can tell."""
        reader, writer = await self.connect()
        try:
            writer.write(UPGRADE)
            assert await reader.readexactly(len(UPGRADE)) == UPGRADE
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    proxy = FaultProxy(listening.sockets[0].getsockname()[1], seed=1)
    async with proxy.listening() as port:
        yield Line(proxy, server, port)
    await soon(lambda: len(server.ended) == len(server.received))
    listening.close()
    await listening.wait_closed()


async def nothing_comes(read: Callable[[], Awaitable[bytes]], for_: float = 0.3) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(for_):
            await read()


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 300_000])
@pytest.mark.parametrize("masked", [True, False])
def test_a_stream_is_cut_into_its_frames_however_it_comes(size: int, masked: bool) -> None:
    whole = frame(bytes(size), masked=masked)
    assert frame_size(whole) == len(whole)
    for step in (1, 7, 10**6) if size < 1000 else (50_001,):
        stream = UPGRADE + whole + frame(b"next")
        frames = Frames()
        found = [each for start in range(0, len(stream), step) for each in frames.feed(stream[start : start + step])]
        assert found == [UPGRADE, whole, frame(b"next")]
        assert frames.rest() == b""


def test_what_is_no_websocket_passes_as_it_comes() -> None:
    frames = Frames()
    head = b"POST / HTTP/1.1\r\n\r\n"
    assert frames.feed(head + b"bo") == [head, b"bo"]
    assert frames.feed(b"dy") == [b"dy"]
    assert Frames().feed(b"GET") == []


async def test_in_fair_weather_everything_passes_and_ends_pass_too(line: Line) -> None:
    reader, writer = await line.connect()
    data = UPGRADE + b"".join(frame(bytes([n]) * (n * 997)) for n in range(100))
    writer.write(data)
    writer.write_eof()
    assert await reader.read(-1) == data
    writer.close()
    await soon(lambda: line.server.ended == ["end"] and not line.proxy.standing)
    assert not line.proxy.done


async def test_a_client_of_which_the_server_is_away_is_reset() -> None:
    async with FaultProxy(1).listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()


async def test_latency_delays_each_frame_and_does_not_add_up(line: Line) -> None:
    async with line.connected() as (reader, writer):
        line.proxy.weather = Weather(latency=0.2)
        began = time.monotonic()
        for _ in range(20):
            writer.write(frame(b"x"))
        assert await reader.readexactly(20 * 3) == 20 * frame(b"x")
        assert 0.4 <= time.monotonic() - began < 6  # and 8 s if it added up


async def test_bandwidth_bounds_what_passes_in_a_second(line: Line) -> None:
    line.server.deaf = True
    _, writer = await line.connect()
    line.proxy.weather = Weather(bandwidth=200_000)
    began = time.monotonic()
    writer.write(UPGRADE + frame(bytes(100_000)))
    await soon(lambda: line.server.received and len(line.server.received[0]) > 100_000)
    assert time.monotonic() - began >= 0.45
    writer.close()


async def test_a_blackhole_takes_all_and_gives_it_back(line: Line) -> None:
    async with line.connected() as (reader, writer):
        line.proxy.weather = Weather(blackhole=True)
        writer.write(frame(b"lost?"))
        await nothing_comes(lambda: reader.read(1))
        assert line.server.received == [UPGRADE]
        other, other_writer = await line.connect()
        other_writer.write(UPGRADE)
        await nothing_comes(lambda: other.read(1))
        line.proxy.weather = FAIR
        assert await reader.readexactly(7) == frame(b"lost?")
        assert await other.readexactly(len(UPGRADE)) == UPGRADE
        other_writer.close()


async def test_a_reset_reaches_both_ends(line: Line) -> None:
    async with line.connected() as (reader, _):
        line.proxy.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        await soon(lambda: line.server.ended == ["reset"])
        assert line.proxy.done == {Fault.RESET: 1}


async def test_a_cut_leaves_half_a_frame(line: Line) -> None:
    line.server.deaf = True
    _, writer = await line.connect()
    writer.write(UPGRADE + frame(b"whole"))
    await soon(lambda: line.server.received and len(line.server.received[0]) == len(UPGRADE) + 7)
    line.proxy.cut()
    writer.write(frame(bytes(98)))
    await soon(lambda: line.server.ended == ["end"])
    assert len(line.server.received[0]) == len(UPGRADE) + 7 + 50
    assert line.proxy.done == {Fault.CUT: 1}
    writer.close()


async def test_half_open_to_the_client_it_is_unheard_and_hears_nothing(line: Line) -> None:
    async with line.connected() as (reader, writer):
        line.proxy.half_open(keep_client=True)
        await soon(lambda: line.server.ended == ["reset"])
        writer.write(frame(b"into the void"))
        await writer.drain()
        await nothing_comes(lambda: reader.read(1))
        assert line.proxy.standing == 1
        writer.close()
        await soon(lambda: not line.proxy.standing)


async def test_half_open_to_the_server_it_knows_of_nothing(line: Line) -> None:
    async with line.connected() as (reader, _):
        line.proxy.half_open(keep_client=False)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert line.proxy.done == {Fault.HALF_OPEN: 1}
        with pytest.raises(AssertionError):
            await soon(lambda: line.server.ended, within=0.2)


async def test_a_duplicate_gets_the_same_bytes_and_its_answers_are_thrown_away(line: Line) -> None:
    line.proxy.weather = Weather(duplicate=1.0)
    async with line.connected() as (reader, writer):
        writer.write(frame(b"twice"))
        assert await reader.readexactly(7) == frame(b"twice")
        await soon(lambda: line.server.received == 2 * [UPGRADE + frame(b"twice")])
        await nothing_comes(lambda: reader.read(1), 0.1)


async def test_chances_follow_a_schedule_that_the_seed_fixes() -> None:
    def schedule(seed: int) -> list[Fault | None]:
        proxy = FaultProxy(1, seed=seed)
        proxy.weather = Weather(reset=0.01, cut=0.02, half_open=0.03)
        return [proxy.dice() for _ in range(10_000)]

    assert schedule(1) == schedule(1) != schedule(2)
    assert 50 < schedule(1).count(Fault.RESET) < 200
    assert 120 < schedule(1).count(Fault.CUT) < 300
    assert 200 < schedule(1).count(Fault.HALF_OPEN) < 400


async def test_frames_are_reset_by_chance(line: Line) -> None:
    line.server.deaf = True
    line.proxy.weather = Weather(reset=0.05)
    for _ in range(30):
        _, writer = await line.connect()
        with suppress(ConnectionError):
            writer.write(UPGRADE + 200 * frame(b"x"))
            writer.write_eof()
        await soon(lambda: not line.proxy.standing)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    assert line.proxy.accepted == 30
    assert 25 <= line.proxy.done[Fault.RESET] <= 30
