"""A listing that travels in several batches: nothing says that older evidence is over before all of it is on its way."""

from fustor_agent.outbox import Outbox
from fustor_agent.outbox.work import Priority
from fustor_agent.session.outgoing import MOST_IN_BATCH, Outgoing, size_of
from fustor_core.clock import Stamper
from fustor_core.evidence import Entry, Listing
from fustor_core.wire import Batch

ENTRY = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0)


def test_low_stays_below_a_listing_until_its_last_part() -> None:
    outbox, stamper = Outbox(), Stamper(lambda: 1_000_000, slot=1, above=0)
    outgoing = Outgoing(outbox, stamper, window=10)
    outbox.walk(Priority.SNAPSHOT, [b"big"])
    work = outbox.take_walk(1)
    assert work is not None
    at = stamper.take()
    entries = {b"%0200d" % number: ENTRY for number in range(8_000)}
    parts = [Listing(b"big", at, entries, part, part == 2) for part in range(3)]
    assert size_of(parts[0]) * 2 > MOST_IN_BATCH
    outgoing.add([*parts], work, work)
    lows = []
    while (batch := outgoing.next(lambda: 0, list, list)) is not None:
        assert isinstance(batch, Batch)
        lows.append(batch.low)
        outgoing.acknowledge(batch.sequence)
    assert len(lows) == 3
    assert lows[0] < at
    assert lows[1] < at
    assert lows[2] >= at
