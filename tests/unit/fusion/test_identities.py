"""Which root an agent may show: the one that it showed before, or one that an operator has confirmed."""

import pytest

from fustor_core.errors import Refused
from fustor_core.wire import Hello, Identity
from fustor_fusion.sessions.identities import Identities
from fustor_fusion.stores import AgentRecord

DISK = Identity("ext4", "1234", 2)
MOUNT_POINT = Identity("xfs", "77", 131)


def hello(identity: Identity, *, agent: str = "nas-1", known: Identity | None = None) -> Hello:
    return Hello(agent, "boot", b"/srv", "r1", "p", "data", identity, [], "", 0, 0.0, False, known)


def record(identity: Identity | None, entries: int = 0) -> AgentRecord:
    return AgentRecord("nas-1", 1, "r0", "s0", 7, 100, 50, identity, entries)


def refused(identities: Identities, greeting: Hello, now: int = 5) -> str:
    with pytest.raises(Refused) as caught:
        identities.check(greeting, now)
    assert caught.value.code == "identity-changed"
    return str(caught.value)


def test_a_root_that_nobody_knows_is_taken_and_then_known() -> None:
    identities = Identities([])
    identities.check(hello(DISK), 1)
    identities.check(hello(DISK), 2)
    refused(identities, hello(MOUNT_POINT))
    identities.check(hello(MOUNT_POINT, agent="nas-2"), 3)  # to another host it may well be another
    assert identities.waiting("nas-2:p") is None


def test_another_than_the_store_remembers_is_refused_and_says_what_both_are() -> None:
    identities = Identities([record(DISK, 12_345)])
    message = refused(identities, hello(MOUNT_POINT))
    assert "xfs 77 inode 131, where ext4 1234 inode 2 was, with 12,345 entries" in message
    assert "\n" not in message
    [condition] = identities.conditions()
    assert (condition.type, condition.since, condition.message) == ("identity-changed", 5, message)
    assert condition.remedy.endswith("fustor pipe confirm nas-1:p")
    refused(identities, hello(MOUNT_POINT), now=9)
    assert identities.conditions() == [condition]


def test_what_only_the_agent_remembers_counts_where_the_store_knows_nothing() -> None:
    assert "ext4 1234 inode 2 was;" in refused(Identities([record(None)]), hello(MOUNT_POINT, known=DISK))
    # What an operator has confirmed is newer than what the agent remembers.
    Identities([record(MOUNT_POINT)]).check(hello(MOUNT_POINT, known=DISK), 1)


def test_the_right_one_ends_the_waiting() -> None:
    identities = Identities([record(DISK)])
    refused(identities, hello(MOUNT_POINT))
    identities.check(hello(DISK), 1)
    assert identities.conditions() == []
    assert identities.waiting("nas-1:p") is None


def test_what_is_accepted_is_the_root_from_then_on() -> None:
    identities = Identities([record(DISK)])
    refused(identities, hello(MOUNT_POINT))
    stranger = identities.waiting("nas-1:p")
    assert stranger is not None
    identities.accept(stranger.agent, stranger.identity)
    assert identities.conditions() == []
    identities.check(hello(MOUNT_POINT), 1)
    refused(identities, hello(DISK))
