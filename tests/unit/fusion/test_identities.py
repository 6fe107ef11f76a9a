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


@pytest.mark.parametrize(
    "shown",
    [
        DISK,
        pytest.param(Identity("nfs4", "nas:/srv", 2), id="the same export, beside the server itself"),
        pytest.param(Identity("fuse.sshfs", "nas:/srv", 0), id="nobody can tell"),
        pytest.param(Identity("ext4", "", 2), id="without udev"),
    ],
)
def test_another_host_may_see_the_same_tree_by_another_name(shown: Identity) -> None:
    identities = Identities([record(DISK)])
    identities.check(hello(shown, agent="nas-2"), 1)
    assert identities.waiting("nas-2:p") is None


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(Identity("ext4", "1234", 77), id="another directory"),
        pytest.param(Identity("ext4", "5678", 2), id="another disk, whose top has the same inode"),
        pytest.param(Identity("nfs4", "nas:/home", 77), id="another export"),
    ],
)
def test_another_tree_by_the_same_name_is_refused_until_an_operator_confirms_it(shown: Identity) -> None:
    """Two hosts with a `/srv/data` each: merged, they would be a tree that is nowhere."""
    identities = Identities([record(DISK)])
    message = refused(identities, hello(shown, agent="nas-2"))
    assert "is another tree than that of agent nas-1" in message
    assert "ext4 1234 inode 2 is; correct its path, or give the pipe a root of its own" in message
    [condition] = identities.conditions()
    assert condition.remedy.endswith("fustor pipe confirm nas-2:p")
    identities.accept("nas-2", shown)
    identities.check(hello(shown, agent="nas-2"), 1)
    identities.check(hello(shown, agent="nas-3"), 1)  # like one of them
    assert identities.conditions() == []
