"""Mutated frames against all that stands between the wire and a store: whatever is refused is refused in words and has no effect.

100,000 of them with FUSTOR_FUZZ=100000.
"""

import asyncio
import os
import random
from collections.abc import Sequence

import msgspec
import pytest

from fustor_core.errors import MalformedInput, Refused
from fustor_core.evidence import Entry, Evidence, Gone, Listing, Same, Seen, Unreadable
from fustor_core.wire import (
    Batch,
    Bye,
    Condition,
    Done,
    Frame,
    Heartbeat,
    Hello,
    HelloAgent,
    Identity,
    Mark,
    Ping,
    PipeReport,
    States,
    Transition,
    Via,
    agent_control,
    agent_session,
    decode,
    encode,
)
from fustor_fusion.receivers.session import SessionReceiver
from fustor_fusion.roots.root import Root, RootOptions
from fustor_fusion.stores.memory import MemoryStore
from tests.memory import resident
from tests.oracle import every_child

FRAMES = int(os.environ.get("FUSTOR_FUZZ", "6000"))
MOST_GROWTH_KIB = 24 * 1024
"""After a warm-up of a third of the frames; what was taken may add to the store."""
FILE = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)
DIRECTORY = Entry(0o40755, 1, 512, 0, 0, 1, 8, 0, 0, 0, 0)
IDENTITY = Identity("ext4", "1", 2)
HELLO = Hello("nas", "boot", b"/srv", "run", "p", "root", IDENTITY, ["*.tmp"], "", 0, 0.0, False)
CONTROL: Sequence[Frame] = (
    HelloAgent("nas", "boot", "run", "1"),
    States("p", "run", [Transition(1, 5, ["START"], 0, "a", "b", "c", "")]),
    Heartbeat(5, {"p": PipeReport("root", "", "running", [Condition("t", 1, "m", "r")], {"marked": 1})}),
    Done(4, "no"),
)
BYTES = [
    b"",
    b"\x00",
    b"\xff" * 9,
    b"\xdd\xff\xff\xff\xff",
    b"\xc4\xff",
    b"..",
    b"../",
    b"/",
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + b"\0" * 7,
    b"\xc1",
]


def evidence_at(at: int) -> list[Evidence]:
    return [
        Seen(b"a/b", at, FILE),
        Listing(b"a", at, {b"x": FILE, b"d": DIRECTORY}),
        Gone(b"a/c", at),
        Same(b"a", at, b"1234567890abcdef"),
        Unreadable(b"a/d", at, "permission denied"),
    ]


def mutated(random: random.Random, data: bytes) -> bytes:
    """The same bytes, but for a few changes of the kinds that parsers stumble over."""
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(data) + 1)
        match random.randrange(7):
            case 0:
                data = data[:place] + bytes([random.randrange(256)]) + data[place + 1 :]
            case 1:
                data = data[:place]
            case 2:
                data = data[:place] + random.choice(BYTES) + data[place:]
            case 3:
                data = data[:place] + data[random.randrange(len(data) + 1) :]
            case 4:
                data = data[:place] + bytes([data[place] ^ (1 << random.randrange(8))]) + data[place + 1 :] if place < len(data) else data
            case 5:
                data = data + data[: random.randrange(len(data) + 1)]
            case _:
                data = data[:place] + random.randbytes(random.randrange(9)) + data[place + random.randrange(4) :]
    return data


class Target:
    """One session of a root in memory, given a new one when it is refused."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.root = Root("root", self.store, RootOptions(window=8, lease=5.0, quiet=10.0), lambda agent, root: "")
        self.reasons: set[str] = set()
        self.taken = 0

    async def open(self) -> SessionReceiver:
        session, _, _ = await self.root.open_session(HELLO, "test")
        return SessionReceiver(self.root, session)

    def contents(self) -> object:
        with self.store.reading() as reading:
            return [(found.path, found.entry) for found in every_child(reading, b"")], reading.usage(b"")

    async def give(self, receiver: SessionReceiver, data: bytes) -> bool:
        """Whether the frame was taken; one that was not has changed nothing."""
        before = self.contents()
        try:
            frame = decode(agent_session, data)
            if isinstance(frame, Batch | Mark | Ping):
                await receiver.take(frame)
                await self.settle(receiver)
                self.taken += 1
        except (Refused, MalformedInput) as error:
            reason = str(error)
        else:
            return True
        assert self.contents() == before
        assert len(reason) > 10
        assert "\n" not in reason
        self.reasons.add(reason[:30])
        return False

    async def settle(self, receiver: SessionReceiver) -> None:
        """Commit all that waits, as the session would."""
        committing = asyncio.create_task(receiver.commit())
        while receiver._waiting and not committing.done():  # noqa: ASYNC110 - a receiver tells only its peer
            await asyncio.sleep(0)
        committing.cancel()
        try:
            await committing
        except asyncio.CancelledError:
            pass
        except BaseExceptionGroup as group:
            raise Refused(str(group.exceptions[0]), code="refused") from group


def frames_of(receiver: SessionReceiver, root: Root) -> list[bytes]:
    """Every kind of frame, valid at this point of the session."""
    at = (root.clock.now() & ~1023) | receiver.session.slot
    sequence = receiver._last + 1
    evidence = evidence_at(at)
    batches: list[Frame] = [Batch(sequence, via, at - 2048, at, [1], [b"p"], [one]) for via in Via for one in evidence]
    marks: list[Frame] = [Mark(sequence, Via.SNAPSHOT, ends, at) for ends in (False, True)]
    return [
        encode(frame)
        for frame in (*batches, *marks, HELLO, Bye("why", True), Ping(5, 6), Batch(sequence, Via.LIVE, 0, 0, [], [], evidence))
    ]


@pytest.mark.timeout(900)
async def test_a_session_survives_any_frame() -> None:
    rng = random.Random(7)
    target = Target()
    receiver = await target.open()
    before = 0
    for number in range(FRAMES):
        if not await target.give(receiver, mutated(rng, rng.choice(frames_of(receiver, target.root)))):
            target.root.end_session(receiver.session)
            receiver = await target.open()
        if number == FRAMES // 3:
            before = resident()
    assert resident() - before < MOST_GROWTH_KIB
    assert target.taken > FRAMES // 100
    assert len(target.reasons) > 10
    with target.store.reading() as reading:
        record = reading.record()
    assert max(record.drop_mark, record.as_of, record.high_water) < target.root.clock.now() + 10**9, "no frame moved the clock or the marks"
    # And an honest session still works.
    target.root.end_session(receiver.session)
    receiver = await target.open()
    assert await target.give(receiver, frames_of(receiver, target.root)[0])
    await target.root.close()


def test_control_frames_are_read_whole_or_refused() -> None:
    rng = random.Random(11)
    good = [encode(frame) for frame in CONTROL]
    refused = 0
    for _ in range(FRAMES * 3):
        data = mutated(rng, rng.choice(good))
        try:
            frame = decode(agent_control, data)
        except MalformedInput:
            refused += 1
        else:
            assert decode(agent_control, msgspec.msgpack.encode(frame)) == frame
    assert refused > FRAMES
