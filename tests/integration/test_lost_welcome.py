"""A connection that breaks between the session that fusion has stored and the welcome that the agent would have got."""

from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from fustor_core.evidence import Entry, Seen
from fustor_core.supervision import while_running
from fustor_core.wire import Ack, Batch, Hello, Identity, Mark, Via, Welcome
from fustor_fusion.receivers.session import SessionReceiver
from fustor_fusion.roots.root import Root, RootOptions
from fustor_fusion.stores.memory import MemoryStore

HELLO = Hello("nas", "boot", b"/srv", "run", "p", "root", Identity("ext4", "1", 2), [], "", 0, 0.0, False)
FILE = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)


@pytest.fixture
async def root() -> AsyncIterator[Root]:
    made = Root("root", MemoryStore(), RootOptions(window=8, lease=5.0, quiet=10.0), lambda agent, root: "")
    yield made
    await made.close()


async def welcomed(root: Root, hello: Hello, *, frames: int = 0) -> Welcome:
    """The welcome of a session that has ended since, with so many frames committed in it, the first of which begins a snapshot where one is
    wanted."""
    session, welcome, _ = await root.open_session(hello, "test")
    receiver = SessionReceiver(root, session)

    async def send() -> None:
        for sequence in range(1, frames + 1):
            at = (root.clock.now() & ~1023) | welcome.slot
            begins = welcome.snapshot and sequence == 1
            batch = Batch(sequence, Via.LIVE, at, at, [], [], [Seen(b"f", at, FILE)])
            await receiver.take(Mark(sequence, Via.SNAPSHOT, False, at) if begins else batch)
            while not isinstance(frame := await receiver.outgoing.get(), Ack) or frame.sequence < sequence:
                pass

    try:
        await while_running(send(), receiver.commit())
    finally:
        receiver.end()
        root.end_session(session)
    return welcome


async def leading(root: Root) -> Hello:
    """The hello of an agent that has led, and has three frames acknowledged."""
    welcome = await welcomed(root, HELLO, frames=3)
    assert welcome.snapshot
    return structs.replace(HELLO, session=welcome.session, sequence=3)


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_nothing_is_listed_again_because_welcomes_were_lost(root: Root, lost: int) -> None:
    hello = await leading(root)
    for _ in range(lost):
        await welcomed(root, hello)
    again = await welcomed(root, hello, frames=1)
    assert (again.snapshot, again.why) == (False, "")
    then = await welcomed(root, structs.replace(hello, session=again.session, sequence=1))
    assert not then.snapshot
    heard = await welcomed(root, structs.replace(hello, session=then.session, sequence=0))
    assert not heard.snapshot


async def test_what_fusion_has_really_forgotten_is_listed_again_whatever_was_lost(root: Root) -> None:
    hello = await leading(root)
    await welcomed(root, hello)
    assert (await welcomed(root, structs.replace(hello, sequence=4))).snapshot
    assert (await welcomed(root, structs.replace(hello, session="another", sequence=0))).snapshot


async def test_an_agent_that_was_started_anew_is_told_so_also_the_second_time(root: Root) -> None:
    await leading(root)
    anew = structs.replace(HELLO, run="another")
    assert (await welcomed(root, anew)).why == "the agent was started anew, so nobody watched in between"
    assert (await welcomed(root, anew)).why == "the agent was started anew, so nobody watched in between"
