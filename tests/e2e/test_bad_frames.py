"""A session that breaks the rules is told why and closed; nothing of it is applied, and nobody else notices."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from fustor_core.clock import boottime
from fustor_core.evidence import Entry, Evidence, Gone, Listing, Seen, Unreadable
from fustor_core.wire import (
    LARGEST_FRAME,
    SUBPROTOCOL,
    Ack,
    Batch,
    FusionSession,
    Hello,
    HelloAgent,
    Identity,
    Mark,
    Ping,
    Pong,
    Refuse,
    Via,
    Welcome,
    decode,
    encode,
    fusion_session,
)
from tests.e2e.system import KEY, System
from tests.polling import eventually

FILE = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)
DIRECTORY = Entry(0o40755, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)


def hello(**changes: object) -> Hello:
    fields: dict[str, object] = {
        "agent": "rogue",
        "boot": "b",
        "path": b"/srv",
        "run": "r1",
        "pipe": "p",
        "root": "victim",
        "identity": Identity("ext4", "1", 2),
        "excludes": [],
        "session": "",
        "sequence": 0,
        "staleness": 0.0,
        "remote_writers": False,
    }
    return Hello(**{**fields, **changes})  # type: ignore[arg-type]  # the fields of a hello, by name


@asynccontextmanager
async def connected(
    system: System, *, key: str = KEY, protocol: str = SUBPROTOCOL, route: str = "session"
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {key}"}
        async with http.ws_connect(f"{system.url}/v1/{route}", protocols=(protocol,), headers=headers, max_msg_size=0) as socket:
            yield socket


async def answer(socket: aiohttp.ClientWebSocketResponse) -> FusionSession:
    async with asyncio.timeout(10):
        message = await socket.receive()
    assert message.type is aiohttp.WSMsgType.BINARY, message
    frame: FusionSession = decode(fusion_session, message.data)
    return frame


async def welcomed(socket: aiohttp.ClientWebSocketResponse, **changes: object) -> Welcome:
    await socket.send_bytes(encode(hello(**changes)))
    welcome = await answer(socket)
    assert isinstance(welcome, Welcome), welcome
    return welcome


async def refusal(socket: aiohttp.ClientWebSocketResponse) -> Refuse:
    """The next frame is a refusal, and then the connection is closed."""
    refused = await answer(socket)
    assert isinstance(refused, Refuse), refused
    assert refused.message
    assert refused.remedy
    async with asyncio.timeout(10):
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)
    return refused


@pytest.fixture
def busy(system: System) -> System:
    """A system with a good agent at work."""
    for number in range(30):
        (system.root / f"f{number}").write_bytes(b"x")
    system.start()
    system.wait_complete()
    return system


def check_unharmed(system: System) -> None:
    """The good agent goes on, and nothing of the rogue's is in its root."""
    (system.root / f"after-{os.urandom(4).hex()}").write_bytes(b"x")
    system.wait_equal()
    assert "RUNNING | RECONNECTING" not in system.states()
    roots = {root["root"]: root["entries"] for root in system.get("/v1/views/default/roots")["data"]}
    assert roots.get("victim", 1) <= 1


def batch(evidence: list[Evidence], *, sequence: int = 1) -> bytes:
    return encode(Batch(sequence, Via.LIVE, 0, 0, [], [], evidence))


def stamp(welcome: Welcome, ahead: int = 0) -> int:
    return ((welcome.now + ahead) & ~1023) | welcome.slot


BAD_EVIDENCE: dict[str, Callable[[int], Evidence]] = {
    "dot-dot": lambda at: Seen(b"../etc/passwd", at, FILE),
    "inner dot-dot": lambda at: Seen(b"a/../../b", at, FILE),
    "absolute": lambda at: Gone(b"/etc", at),
    "NUL": lambda at: Gone(b"a\0b", at),
    "empty component": lambda at: Gone(b"a//b", at),
    "root gone": lambda at: Gone(b"", at),
    "root a file": lambda at: Seen(b"", at, FILE),
    "name with slash": lambda at: Listing(b"", at, {b"a/b": FILE}),
    "name of dots": lambda at: Listing(b"", at, {b"..": DIRECTORY}),
    "empty name": lambda at: Listing(b"", at, {b"": FILE}),
    "endless path": lambda at: Unreadable(b"a/" * 50_000 + b"a", at, "why"),
    "part out of order": lambda at: Listing(b"", at, {b"a": FILE}, part=3),
}


@pytest.mark.parametrize("kind", BAD_EVIDENCE)
async def test_evidence_that_no_root_can_give_is_refused(busy: System, kind: str) -> None:
    async with connected(busy) as socket:
        welcome = await welcomed(socket)
        good = Seen(b"good", stamp(welcome), FILE)
        await socket.send_bytes(batch([good, BAD_EVIDENCE[kind](stamp(welcome, 2048))]))
        await refusal(socket)
    check_unharmed(busy)


async def test_garbage_is_refused_wherever_it_comes(busy: System) -> None:
    for garbage in (b"", b"\xc1", b"\x93\x02\x01", os.urandom(500), encode(Ping(1, 1)) + b"x", b"\xdd\xff\xff\xff\xff"):
        async with connected(busy) as socket:
            await socket.send_bytes(garbage)
            await refusal(socket)
        async with connected(busy) as socket:
            await welcomed(socket)
            await socket.send_bytes(garbage)
            await refusal(socket)
    check_unharmed(busy)


async def test_an_oversized_frame_is_refused(busy: System) -> None:
    async with connected(busy) as socket:
        await welcomed(socket)
        await socket.send_bytes(bytes(LARGEST_FRAME + 1))
        assert "frame" in (await refusal(socket)).message.lower()
    check_unharmed(busy)


async def test_text_is_refused(busy: System) -> None:
    async with connected(busy) as socket:
        await socket.send_str("hello")
        assert "text" in (await refusal(socket)).message


async def test_another_protocol_is_refused(busy: System) -> None:
    async with connected(busy, protocol="fustor.99") as socket:
        refused = await refusal(socket)
    assert SUBPROTOCOL in refused.message
    check_unharmed(busy)


async def test_a_session_that_does_not_begin_with_hello_is_refused(busy: System) -> None:
    async with connected(busy) as socket:
        await socket.send_bytes(encode(Mark(1, Via.SNAPSHOT, False, 1)))
        assert (await refusal(socket)).code == "protocol"
    async with connected(busy, route="agent") as socket:
        await socket.send_bytes(encode(HelloAgent("rogue", "b", "r", "1")))
        assert (await socket.receive()).type is aiohttp.WSMsgType.BINARY
        await socket.send_bytes(encode(hello()))
        async with asyncio.timeout(10):
            assert (await socket.receive()).type is aiohttp.WSMsgType.BINARY


async def test_evidence_from_the_future_or_of_another_slot_is_refused(busy: System) -> None:
    async with connected(busy) as socket:
        welcome = await welcomed(socket)
        await socket.send_bytes(batch([Seen(b"f", stamp(welcome, 3600 * 10**9), FILE)]))
        assert (await refusal(socket)).code == "from-the-future"
    async with connected(busy) as socket:
        welcome = await welcomed(socket)
        await socket.send_bytes(batch([Seen(b"f", stamp(welcome) ^ 1, FILE)]))
        assert (await refusal(socket)).code == "wrong-slot"
    check_unharmed(busy)


async def test_a_batch_out_of_sequence_is_refused(busy: System) -> None:
    async with connected(busy) as socket:
        welcome = await welcomed(socket)
        await socket.send_bytes(batch([Seen(b"f", stamp(welcome), FILE)], sequence=5))
        assert (await refusal(socket)).code == "out-of-sequence"
    check_unharmed(busy)


async def test_a_second_process_with_the_same_agent_id_is_refused(busy: System) -> None:
    async with connected(busy) as socket:
        await socket.send_bytes(encode(hello(agent=busy.agent_id, root=busy.name, run="another")))
        assert (await refusal(socket)).code == "agent-twice"
    check_unharmed(busy)


async def test_it_is_refused_for_another_root_too(busy: System) -> None:
    """A copy of the settings with other pipes: its states would be shown nowhere, because there is one control connection for each id."""
    async with connected(busy) as socket:
        await socket.send_bytes(encode(hello(agent=busy.agent_id, root="elsewhere", run="another")))
        assert (await refusal(socket)).code == "agent-twice"
    check_unharmed(busy)
    assert [each["root"] for each in busy.get("/v1/views/default/roots")["data"]] == [busy.name]


async def test_a_process_whose_connection_hangs_gives_way_to_the_next_by_its_id(busy: System) -> None:
    """As after a power loss of the agent's host: nothing has closed the first connection, and nobody is behind it."""
    async with connected(busy) as hanging, connected(busy) as socket:
        await welcomed(hanging, agent="nas-9", root="elsewhere")
        welcome = await welcomed(socket, agent="nas-9", root="elsewhere", run="another")
    assert welcome.role == "leader"
    check_unharmed(busy)


async def test_what_contradicts_the_leader_within_the_error_of_the_clocks_is_looked_at_again(busy: System) -> None:
    """Its evidence is newer, so it wins; but nobody can be sure of that, and the leader looks."""
    same_tree = Identity("nfs", "1", busy.root.stat().st_ino)
    other = hello(agent="nas-9", root=busy.name, identity=same_tree, excludes=[".snapshot/", ".zfs/"])
    async with connected(busy) as socket:
        await socket.send_bytes(encode(other))
        welcome = await answer(socket)
        assert isinstance(welcome, Welcome)
        await socket.send_bytes(encode(Ping(1, 2 * 10**9)))
        pong = await answer(socket)
        assert isinstance(pong, Pong)
        (busy.root / "f0").write_bytes(b"changed")
        eventually(lambda: busy.query("stat", busy.mount(b"f0"))["data"]["size"] == 7)
        await socket.send_bytes(encode(Ping(2, 2 * 10**9)))
        pong = await answer(socket)
        assert isinstance(pong, Pong)
        at = (pong.now & ~1023) | welcome.slot
        await socket.send_bytes(batch([Seen(b"f0", at, FILE), Gone(b"f1", at + 1024)]))
        assert isinstance(await answer(socket), Ack)
        meta = busy.meta(b"f0")
        assert (meta["complete"], [each["type"] for each in meta["conditions"]]) == (False, ["pending"])
        assert "contradict each other" in meta["conditions"][0]["message"]
        assert busy.query("stat", busy.mount(b"f0"))["data"]["size"] == 1
        busy.wait_equal()
        assert busy.query("stat", busy.mount(b"f0"))["data"]["via"] == "asked"
    busy.wait_complete()


async def test_an_agent_that_leaves_out_other_things_is_refused_and_told_which(busy: System) -> None:
    async with connected(busy) as socket:
        await socket.send_bytes(encode(hello(root=busy.name, excludes=["*.tmp"])))
        refused = await refusal(socket)
    assert refused.code == "excludes-differ"
    assert "*.tmp" in refused.message
    check_unharmed(busy)


async def test_a_root_that_cannot_be_named_so_is_refused(busy: System) -> None:
    for root in ("../evil", "UPPER", "", "a" * 200):
        async with connected(busy) as socket:
            await socket.send_bytes(encode(hello(root=root)))
            assert (await refusal(socket)).code == "root-name"
    check_unharmed(busy)


async def test_without_a_good_key_there_is_no_session(busy: System) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with connected(busy, key="wrong"):
            pass
    assert caught.value.status == 401


async def test_a_good_session_still_works_beside_the_bad_ones(busy: System) -> None:
    async with connected(busy) as socket:
        await welcomed(socket)
        await socket.send_bytes(encode(Ping(boottime(), 0)))
        assert type(await answer(socket)).__name__ == "Pong"
