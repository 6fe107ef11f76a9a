"""Several agents of one root: one leads by lease, the others follow, and whoever takes over leaves nothing out."""

import asyncio
import signal

import pytest

from fustor_core.testing.proxy import FaultProxy
from tests.e2e.system import KEY, OtherAgent, System, ask
from tests.polling import eventually

LEASE = 1.5
FOLLOWER = ["STOPPED", "INITIALIZING", "RUNNING", "RUNNING | MESSAGE_SYNC"]


@pytest.fixture
def pair(system: System) -> tuple[System, OtherAgent]:
    """A leader, and an agent that follows it. Where the lease matters, it is short."""
    return together(system, LEASE)


def together(system: System, lease: float) -> tuple[System, OtherAgent]:
    for number in range(200):
        directory = system.root / f"d{number % 7}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number}").write_bytes(b"x" * number)
    system.fusion_extra = {"session": {"lease": lease}}
    system.start()
    system.wait_complete()
    other = system.join("nas-2")
    eventually(lambda: system.state(other.pipe) == "RUNNING | MESSAGE_SYNC")
    return system, other


def leader(system: System) -> str | None:
    """The agent that leads; never are there two."""
    leading = [agent for agent, role in system.roles().items() if role == "leader"]
    assert len(leading) <= 1
    return leading[0] if leading else None


def change(system: System, name: str) -> None:
    (system.root / "d1" / name).write_bytes(b"changed")


def test_a_follower_sets_its_watches_while_running_and_reports_changes(pair: tuple[System, OtherAgent]) -> None:
    system, other = pair
    assert system.roles() == {"nas-1": "leader", "nas-2": "follower"}
    assert other.states() == FOLLOWER
    assert system.root_facts()["agents"] == ["nas-1", "nas-2"]
    assert system.root_facts()["leader"] == "nas-1"
    # What only the follower can tell, for the leader does not look.
    assert system.agent is not None
    system.agent.send(signal.SIGSTOP)
    change(system, "told by the follower")
    eventually(lambda: system.query("stat", system.mount(b"d1/told by the follower"))["data"]["via"] == "live")
    system.agent.send(signal.SIGCONT)
    system.wait_equal()
    assert leader(system) == "nas-1"


def test_the_next_in_line_takes_over_and_the_former_leader_follows(pair: tuple[System, OtherAgent]) -> None:
    system, other = pair
    assert system.agent is not None
    system.agent.kill()
    eventually(lambda: system.root_facts()["leader"] is None)
    change(system, "while nobody led")
    assert system.meta()["complete"] is False
    eventually(lambda: leader(system) == "nas-2")
    system.wait_complete()
    system.wait_equal()
    eventually(lambda: other.states() == [*FOLLOWER, "RUNNING | MESSAGE_SYNC | AUDIT_PHASE", "RUNNING | MESSAGE_SYNC"])
    assert system.root_facts()["audit_at"] is not None
    system.start_agent()
    eventually(lambda: system.roles().get("nas-1") == "follower")
    eventually(lambda: system.state() == "RUNNING | MESSAGE_SYNC")
    assert leader(system) == "nas-2"
    change(system, "afterwards")
    system.wait_equal()


def test_a_leader_that_restarts_within_its_lease_leads_again(system: System) -> None:
    _, other = together(system, 60)
    assert system.agent is not None
    system.agent.kill()
    system.start_agent()
    eventually(lambda: leader(system) == "nas-1")
    system.wait_complete()
    system.wait_equal()
    assert system.roles() == {"nas-1": "leader", "nas-2": "follower"}
    assert other.states() == FOLLOWER


def test_a_loss_that_is_shorter_than_the_lease_changes_nothing(system: System) -> None:
    _, other = together(system, 60)
    assert system.agent is not None
    system.agent.send(signal.SIGSTOP)
    eventually(lambda: "nas-1" not in system.roles(), within=60)
    change(system, "while it was away")
    assert system.meta()["complete"] is False
    system.agent.send(signal.SIGCONT)
    eventually(lambda: system.roles() == {"nas-1": "leader", "nas-2": "follower"}, within=60)
    system.wait_complete()
    system.wait_equal()
    eventually(lambda: system.states()[-2:] == ["RUNNING | RECONNECTING", "RUNNING | MESSAGE_SYNC"])
    assert system.states().count("RUNNING | SNAPSHOT_SYNC") == 1
    assert not [state for state in (*system.states(), *other.states()) if "AUDIT" in state]


def test_a_follower_that_is_paused_does_not_take_over_before_it_goes_on(pair: tuple[System, OtherAgent]) -> None:
    system, other = pair
    ask("POST", system.port, f"/v1/pipes/{other.pipe}/pause", {"Authorization": f"Bearer {KEY}"})
    eventually(lambda: system.get(f"/v1/pipes/{other.pipe}")["data"]["desired"] == "paused")
    third = system.join("nas-3")
    eventually(lambda: system.state(third.pipe) == "RUNNING | MESSAGE_SYNC")
    assert system.agent is not None
    system.agent.kill()
    eventually(lambda: leader(system) == "nas-3", within=60)
    third.running().kill()
    eventually(lambda: leader(system) is None)
    ask("POST", system.port, f"/v1/pipes/{other.pipe}/resume", {"Authorization": f"Bearer {KEY}"})
    eventually(lambda: leader(system) == "nas-2", within=60)
    system.wait_complete()


def test_a_leader_that_is_stopped_for_long_wakes_as_a_follower(pair: tuple[System, OtherAgent]) -> None:
    """Its connection stands all the while, so nothing but its silence tells that it is lost."""
    system, _ = pair
    assert system.agent is not None
    system.agent.send(signal.SIGSTOP)
    change(system, "while it slept")
    eventually(lambda: leader(system) == "nas-2", within=60)
    system.wait_complete()
    system.wait_equal()
    system.agent.send(signal.SIGCONT)
    eventually(lambda: system.roles().get("nas-1") == "follower")
    change(system, "after it woke")
    system.wait_equal()
    assert leader(system) == "nas-2"


def test_an_agent_that_leaves_out_other_things_is_refused_and_told_which(pair: tuple[System, OtherAgent]) -> None:
    system, _ = pair
    source = {"path": str(system.root), "exclude": ["*.tmp"]}
    third = system.join("nas-3", extra={"pipes": {system.name: {"root": system.name, "source": source}}})
    eventually(lambda: system.states(pipe=third.pipe)[-1] == "ERROR")
    [condition] = eventually(lambda: system.get(f"/v1/pipes/{third.pipe}")["data"]["conditions"])
    assert condition["type"] == "refused"
    assert "'*.tmp' is left out by only one of nas-3 and nas-1" in condition["message"]
    assert system.roles() == {"nas-1": "leader", "nas-2": "follower"}
    assert system.root_facts()["agents"] == ["nas-1", "nas-2"]
    system.wait_equal()


def test_a_process_that_comes_by_the_id_of_another_is_refused_and_disturbs_nobody(pair: tuple[System, OtherAgent]) -> None:
    system, _ = pair
    before = system.states()
    session = {each["agent"]: each["session"] for each in system.get("/v1/sessions")["data"]}
    clone = system.join("nas-1")
    port = clone.settings["listen"]["port"]
    eventually(lambda: system.states(port=port, pipe=clone.pipe)[-1] == "ERROR")
    shown = system.get(f"/v1/pipes/{clone.pipe}", port=port, key=None)["data"]["conditions"]
    assert "an agent with the id nas-1 is connected already" in shown[0]["message"]
    assert system.states() == before
    assert {each["agent"]: each["session"] for each in system.get("/v1/sessions")["data"]} == session
    system.wait_equal()


async def test_an_agent_that_was_killed_takes_the_place_of_its_former_self_behind_a_dead_connection(system: System) -> None:
    """Nothing has closed the former connection: as after a power loss, or where a container went with its network."""
    system.start_fusion()
    proxy = FaultProxy(system.port)
    async with proxy.listening() as port:
        agent = system.join("nas-1", extra={"fusion": {"url": f"http://127.0.0.1:{port}", "key": KEY}})
        await asyncio.to_thread(system.wait_complete)
        [before] = system.get("/v1/sessions")["data"]
        agent.running().send(signal.SIGSTOP)
        proxy.half_open(keep_client=False)
        agent.running().kill()
        agent.start()
        assert system.get("/v1/sessions")["data"][0]["session"] == before["session"]

        def replaced() -> bool:
            """Between the two there may be none for a moment."""
            return [each["session"] for each in system.get("/v1/sessions")["data"]] not in ([], [before["session"]])

        await asyncio.to_thread(eventually, replaced, within=60)
        await asyncio.to_thread(system.wait_complete)
        assert leader(system) == "nas-1"
        assert "ERROR" not in agent.states()


def test_another_tree_by_the_name_of_the_root_is_refused_and_nothing_of_it_is_merged(pair: tuple[System, OtherAgent]) -> None:
    system, _ = pair
    elsewhere = system.directory / "elsewhere"
    (elsewhere / "d1").mkdir(parents=True)
    (elsewhere / "d1" / "of another tree").touch()
    third = system.join("nas-3", extra={"pipes": {system.name: {"root": system.name, "source": {"path": str(elsewhere)}}}})
    eventually(lambda: system.state(third.pipe) == "RUNNING | RECONNECTING")
    [condition] = eventually(lambda: system.get(f"/v1/pipes/{third.pipe}")["data"]["conditions"])
    assert "is another tree than that of agent nas-1" in condition["message"]
    (elsewhere / "d1" / "later").touch()
    change(system, "in the tree that is served")
    system.wait_equal()
    assert system.roles() == {"nas-1": "leader", "nas-2": "follower"}
