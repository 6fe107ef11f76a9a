"""What a session makes of frames: times that no clock can have shown are refused, and what came too late is read again."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from msgspec import structs

from fustor_core.digest import listing_digest
from fustor_core.errors import MalformedInput, Refused
from fustor_core.evidence import Entry, Evidence, Gone, Listing, Same, Seen, Unreadable
from fustor_core.wire import Ack, Batch, Hello, Identity, Look, Mark, Ping, Via
from fustor_fusion.query import Trust
from fustor_fusion.receivers.session import SessionReceiver
from fustor_fusion.roots.root import Root, RootOptions
from fustor_fusion.stores import Swept
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.trust import Reason, Trustworthiness, assess
from tests.oracle import every_child
from tests.polling import soon

HELLO = Hello("nas", "boot", b"/srv", "run", "p", "root", Identity("ext4", "1", 2), [], "", 0, 0.0, False)
FILE = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)
HOUR = 3600 * 10**9


@pytest.fixture
async def root() -> AsyncIterator[Root]:
    made = Root("root", MemoryStore(), RootOptions(window=8, lease=5.0, quiet=10.0), lambda agent, root: "")
    yield made
    await made.close()


@pytest.fixture
async def receiver(root: Root) -> SessionReceiver:
    session, _, _ = await root.open_session(HELLO, "test")
    return SessionReceiver(root, session)


async def test_a_low_or_a_clean_to_from_the_future_is_refused(root: Root, receiver: SessionReceiver) -> None:
    ahead = root.clock.now() + HOUR
    for sequence in (0, 1):  # an idle one, and one that is to be committed
        for low, clean_to in ((ahead, 0), (0, ahead), (2**63 - 1, 0)):
            with pytest.raises(Refused) as caught:
                await receiver.take(Batch(sequence, Via.LIVE, low, clean_to, [], [], []))
            assert caught.value.code == "from-the-future"
    assert receiver.session.low == 0
    assert receiver.session.clean_to == 0


async def test_a_pending_path_that_no_root_can_have_is_refused(receiver: SessionReceiver) -> None:
    with pytest.raises(MalformedInput):
        await receiver.take(Batch(0, Via.LIVE, 0, 0, [], [b"../../etc"], []))


async def test_what_the_agent_folded_is_said_until_it_has_listed_it_again(root: Root, receiver: SessionReceiver) -> None:
    await list_everything(root, receiver)
    assert told(root, b"").complete
    now = root.clock.now()
    await receiver.take(Batch(3, Via.LIVE, now, now, [], [], [], folded=[b"d"]))
    async with committing(receiver):
        assert isinstance(await receiver.outgoing.get(), Ack)
    for path, complete in ((b"", False), (b"d/below", False), (b"e", True)):
        trust = told(root, path)
        assert trust.complete == complete
        assert [each.message for each in trust.conditions] == (
            [] if complete else ["there were more changes than could be kept apart at 1 path (/d), which the agent lists again"]
        )
    with pytest.raises(MalformedInput):
        await receiver.take(Batch(4, Via.LIVE, now, now, [], [], [], folded=[b"/etc"]))


class Large(MemoryStore):
    """A store with directories that are large soon; it applies slices of their listings only when it is let."""

    def __init__(self) -> None:
        super().__init__(large=10)
        self.go = threading.Event()

    def sweep(self, limit: int, now: int) -> Swept:
        self.go.wait(60)
        return super().sweep(limit, now)


async def test_whoever_asked_is_answered_when_a_large_listing_has_been_applied() -> None:
    store = Large()
    root = Root("root", store, RootOptions(window=8, lease=5.0, quiet=10.0), lambda agent, root: "")
    session, _, _ = await root.open_session(HELLO, "test")
    receiver = SessionReceiver(root, session)
    files = {b"f%d" % number: FILE for number in range(30)}
    await receiver.take(Batch(1, Via.SNAPSHOT, 0, 0, [], [], [Listing(b"", stamp(root, receiver), files)]))
    async with committing(receiver):
        assert isinstance(await receiver.outgoing.get(), Ack)
        answered = receiver.ask([], [b""], False)
        assert isinstance(await receiver.outgoing.get(), Look)
        await receiver.take(Batch(2, Via.ASKED, 0, 0, [1], [], [Listing(b"", stamp(root, receiver), {b"f7": FILE})]))
        assert isinstance(await receiver.outgoing.get(), Ack)
        assert not answered.done()
        assert [each.reason for each in root.live().pending] == [Reason.SWEPT]
        store.go.set()
        await answered
        assert root.live().pending == []
        with store.reading() as reading:
            assert [found.path for found in every_child(reading, b"")] == [b"f7"]
    await root.close()


async def test_the_present_is_taken(root: Root, receiver: SessionReceiver) -> None:
    now = root.clock.now()
    await receiver.take(Batch(1, Via.LIVE, now, now, [], [b"a/b"], []))


async def test_a_listing_that_came_too_late_is_listed_again_and_what_was_seen_is_looked_at(root: Root, receiver: SessionReceiver) -> None:
    """To look at a directory tells what it is, and not what it holds."""
    slot = receiver.session.slot
    at = ((root.clock.now() - HOUR) & ~1023) | slot
    await receiver.take(Batch(1, Via.LIVE, at + 10_000, 0, [], [], []))
    async with committing(receiver):
        assert isinstance(await receiver.outgoing.get(), Ack)
        # The mark is raised by the commit after the one that brought `low`.
        await receiver.take(Batch(2, Via.LIVE, at + 10_000, 0, [], [], [Seen(b"new", at + 1024 * 20, FILE)]))
        assert isinstance(await receiver.outgoing.get(), Ack)
        await receiver.take(Batch(3, Via.LIVE, at + 10_000, 0, [], [], [Listing(b"d", at, {b"f": FILE}), Gone(b"gone", at + 1024)]))
        look = await receiver.outgoing.get()
        assert isinstance(await receiver.outgoing.get(), Ack)
    assert isinstance(look, Look)
    assert sorted(look.paths) == [b"d", b"gone"]
    assert look.directories == [b"d"]
    assert receiver.session.refused.keys() == {b"d", b"gone"}


@pytest.mark.parametrize("phase", [Via.SNAPSHOT, Via.AUDIT])
async def test_what_another_leader_listed_counts_only_when_the_new_one_has_read_it_too(
    root: Root, receiver: SessionReceiver, phase: Via
) -> None:
    await list_everything(root, receiver)
    assert root.live().follows
    follower, _, _ = await root.open_session(structs.replace(HELLO, agent="other", run="other"), "test")
    root.end_session(receiver.session)
    root.table.leader_lost_at = 0
    assert root.promote() is follower
    promoted = SessionReceiver(root, follower)
    assert trust_of(root).fresh  # as far as the store knows: it was not told yet
    assert not root.live().follows
    await promoted.take(Mark(1, phase, False, stamp(root, promoted)))
    assert not root.live().follows
    async with committing(promoted):
        assert await promoted.outgoing.get() == Ack(1)
        assert root.live().follows
        assert not trust_of(root).fresh
        same = Same(b"", stamp(root, promoted), listing_digest({b"f": FILE}))
        await promoted.take(Batch(2, phase, 0, 0, [], [], [same]))
        assert await promoted.outgoing.get() == Ack(2)
        assert trust_of(root).fresh
        await promoted.take(Mark(3, Via.AUDIT, False, stamp(root, promoted)))
        assert await promoted.outgoing.get() == Ack(3)
        assert trust_of(root).fresh  # an audit of one that vouches already voids nothing


async def test_what_only_a_follower_may_not_read_spoils_nothing(root: Root, receiver: SessionReceiver) -> None:
    await list_everything(root, receiver)
    session, _, _ = await root.open_session(structs.replace(HELLO, agent="other", run="other"), "test")
    follower = SessionReceiver(root, session)
    evidence: list[Evidence] = [
        Unreadable(b"", stamp(root, follower), "permission denied"),
        Seen(b"new", stamp(root, follower) + 1024, FILE),
    ]
    await follower.take(Batch(1, Via.LIVE, 0, 0, [], [], evidence))
    async with committing(follower):
        assert isinstance(await follower.outgoing.get(), Ack)
    assert trust_of(root).fresh
    with root.store.reading() as reading:
        assert reading.find(b"new") is not None


async def test_where_agents_contradict_each_other_the_leader_is_asked_once(root: Root, receiver: SessionReceiver) -> None:
    error = 20_000_000
    await list_everything(root, receiver)
    session, _, _ = await root.open_session(structs.replace(HELLO, agent="other", run="other"), "test")
    follower = SessionReceiver(root, session)
    for each in (receiver, follower):
        await each.take(Ping(1, error))
    seen = Seen(b"new", stamp(root, receiver), FILE)
    await receiver.take(Batch(3, Via.LIVE, 0, 0, [], [], [seen]))
    async with committing(receiver), committing(follower):
        assert await receiver.outgoing.get() == Ack(3)
        agrees = Seen(b"new", stamp(root, follower), FILE)
        contradicts = Gone(b"f", stamp(root, follower) + 1024)
        await follower.take(Batch(1, Via.LIVE, 0, 0, [], [], [agrees, contradicts]))
        assert await follower.outgoing.get() == Ack(1)
        assert [(each.path, each.reason) for each in root.live().pending] == [(b"f", Reason.CONTRADICTED)]
        await soon(lambda: root.clock.now() > contradicts.at + 4 * error)
        assert receiver.outgoing.empty()
        await receiver.take(Batch(3, Via.LIVE, 0, 0, [], [], []))  # what an agent sends in each pulse
        look = await receiver.outgoing.get()
        assert isinstance(look, Look)
        assert (look.paths, look.directories) == ([b"f"], [])
        await receiver.take(Batch(4, Via.ASKED, 0, 0, [look.number], [], [Seen(b"f", stamp(root, receiver), FILE)]))
        assert await receiver.outgoing.get() == Ack(4)
        await soon(lambda: root.live().pending == [])
        await receiver.take(Batch(4, Via.LIVE, 0, 0, [], [], []))
    assert receiver.outgoing.empty()
    assert follower.outgoing.empty()
    with root.store.reading() as reading:
        assert reading.find(b"f") is not None


async def test_where_others_write_too_only_listings_vouch(root: Root) -> None:
    session, _, _ = await root.open_session(structs.replace(HELLO, remote_writers=True), "test")
    receiver = SessionReceiver(root, session)
    await list_everything(root, receiver)
    began, noticed = stamp(root, receiver), stamp(root, receiver) + 1024
    frames: list[Batch | Mark] = [
        Mark(3, Via.AUDIT, False, began),
        Batch(4, Via.AUDIT, 0, noticed, [], [], [Same(b"", noticed, listing_digest({b"f": FILE}))], [(b"f", False), (b"g", True)]),
        Mark(5, Via.AUDIT, True, noticed + 1024),
    ]
    async with committing(receiver):
        for frame in frames:
            assert vouched(root) < began
            await receiver.take(frame)
            assert await receiver.outgoing.get() == Ack(frame.sequence)
    assert vouched(root) == began
    assert session.writing.now().files == {b"g": True}


def vouched(root: Root) -> int:
    with root.store.reading() as reading:
        return reading.record().as_of


async def list_everything(root: Root, receiver: SessionReceiver) -> None:
    await receiver.take(Mark(1, Via.SNAPSHOT, False, stamp(root, receiver)))
    now = stamp(root, receiver)
    await receiver.take(Batch(2, Via.SNAPSHOT, now - 1, 0, [], [], [Listing(b"", now, {b"f": FILE})]))
    async with committing(receiver):
        while await receiver.outgoing.get() != Ack(2):
            pass


def stamp(root: Root, receiver: SessionReceiver) -> int:
    return (root.clock.now() & ~1023) | receiver.session.slot


def trust_of(root: Root) -> Trust:
    with root.store.reading() as reading:
        return reading.trust(b"")


def told(root: Root, path: bytes) -> Trustworthiness:
    """How far an answer about `path` is to be trusted."""
    with root.store.reading() as reading:
        return assess(path, reading.trust(b""), reading.record(), root.live(), root.clock.to_wall)


@asynccontextmanager
async def committing(receiver: SessionReceiver) -> AsyncIterator[None]:
    task = asyncio.create_task(receiver.commit())
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
