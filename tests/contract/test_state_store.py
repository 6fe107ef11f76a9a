"""What every state store promises, in the words of its port (`fustor_core.state.stores`)."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fustor_core.state import ConcurrentUpdateError, EventType, MachineState, PersistenceError, RestoreError, StateMachine, StateStore
from fustor_core.state.stores import Mark, StoredStep
from fustor_core.state.stores.memory import MemoryStateStore
from fustor_core.state.stores.redis import RedisStateStore
from fustor_core.state.stores.sqlite import SqliteStateStore
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture

KEPT = 20
E = EventType
Opener = Callable[[], StateStore]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens what one process has open: another call is another process that looks at the same place (memory has one only)."""
    opened: list[StateStore] = []
    memory = MemoryStateStore(history=KEPT)

    def open_one() -> StateStore:
        store: StateStore = memory
        if request.param == "sqlite":
            store = SqliteStateStore(tmp_path / "state.db", history=KEPT)
        elif request.param == "redis":
            server: RedisServer = request.getfixturevalue("redis_server")
            store = RedisStateStore(server.url, history=KEPT)
        opened.append(store)
        return store

    if request.param == "redis":
        request.getfixturevalue("redis_server")
    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Opener) -> StateStore:
    return open_store()


def fields(version: int, event: str, epoch: int = 1, **more: str) -> dict[str, str]:
    return {"epoch": str(epoch), "version": str(version), "event": event, **more}


def rows(*versions: int) -> list[StoredStep]:
    return [StoredStep(version, f'{{"step": {version}}}') for version in versions]


def test_nothing_is_stored_at_first(store: StateStore) -> None:
    assert store.load("a:b") is None
    assert store.steps("a:b", 10) == []


def test_a_record_is_there_as_it_was_saved_for_others_too(open_store: Opener) -> None:
    record = fields(1, "e1", reason='no such file: /srv/\udce9t\u00e9 "quoted"\n', desired="")
    open_store().save("a:b", record, rows(1), None)
    other = open_store()
    assert other.load("a:b") == record
    assert other.steps("a:b", 10) == rows(1)
    assert other.load("a:c") is None


def test_a_record_is_replaced_whole(store: StateStore) -> None:
    store.save("a:b", fields(1, "e1", once="there"), rows(1), None)
    store.save("a:b", fields(2, "e2"), rows(2), Mark("1", "1", "e1"))
    assert store.load("a:b") == fields(2, "e2")
    assert store.steps("a:b", 10) == rows(1, 2)
    assert store.steps("a:b", 1) == rows(2)


@pytest.mark.parametrize("expected", [None, Mark("2", "1", "e1"), Mark("1", "2", "e1"), Mark("1", "1", "e2"), Mark("", "", "")])
def test_a_stale_writer_changes_nothing(store: StateStore, expected: Mark | None) -> None:
    store.save("a:b", fields(1, "e1"), rows(1), None)
    with pytest.raises(ConcurrentUpdateError, match="a:b"):
        store.save("a:b", fields(2, "e3"), rows(2), expected)
    assert store.load("a:b") == fields(1, "e1")
    assert store.steps("a:b", 10) == rows(1)


def test_who_expects_something_where_there_is_nothing_is_stale(store: StateStore) -> None:
    with pytest.raises(ConcurrentUpdateError):
        store.save("a:b", fields(2, "e2"), rows(2), Mark("1", "1", "e1"))
    assert store.load("a:b") is None


def test_the_same_save_sent_twice_is_done_once(store: StateStore) -> None:
    store.save("a:b", fields(1, "e1"), rows(1), None)
    store.save("a:b", fields(1, "e1"), rows(1), None)
    assert store.steps("a:b", 10) == rows(1)


def test_steps_that_never_came_to_be_go(store: StateStore) -> None:
    store.save("a:b", fields(3, "e1"), rows(1, 2, 3), None)
    store.save("a:b", fields(4, "e2"), rows(3, 4), Mark("1", "3", "e1"))
    assert store.steps("a:b", 10) == rows(1, 2, 3, 4)
    store.save("a:b", fields(3, "e3"), [], Mark("1", "4", "e2"))
    assert store.steps("a:b", 10) == rows(1, 2, 3)


def test_the_history_is_capped(store: StateStore) -> None:
    mark = None
    # Redis caps by whole blocks of a hundred: it keeps a little more, and never less.
    for first in range(1, 1000, 50):
        record = fields(first + 49, f"e{first}")
        store.save("a:b", record, rows(*range(first, first + 50)), mark)
        mark = Mark.of(record)
    kept = store.steps("a:b", 10_000)
    assert kept == rows(*range(1001 - len(kept), 1001))
    assert KEPT <= len(kept) <= KEPT + 100


def test_of_writers_that_expect_the_same_one_wins(open_store: Opener) -> None:
    open_store().save("a:b", fields(0, "e"), [], None)
    stores = [open_store() for _ in range(4)]
    won: list[str] = []
    begin = threading.Barrier(len(stores))

    def write(number: int) -> None:
        begin.wait(timeout=30)
        try:
            stores[number].save("a:b", fields(1, f"e{number}"), rows(1), Mark("1", "0", "e"))
        except ConcurrentUpdateError:
            return
        won.append(f"e{number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(stores))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [stored["event"] for stored in [stores[0].load("a:b")] if stored] == won
    assert len(won) == 1


# A machine over each of them


def test_a_machine_is_restored_exactly(open_store: Opener) -> None:
    machine = StateMachine("a:b", store=open_store())
    machine.handle_event(E.START, {"reason": "asked"})
    machine.handle_events([(E.INIT_SUCCESS, None), (E.SET_READY, None), (E.TASK_START, {"phase": "SNAPSHOT"})])
    machine.handle_event(E.PRIORITY_OVERRIDE, {"targets": {"health": "Warning"}, "reason": "r\udce9ason"})
    machine.desire("paused")
    again = StateMachine("a:b", store=open_store(), run="later")
    assert again.restore_state()
    assert again.snapshot == machine.snapshot._replace(run="later")
    initial, *steps = machine.history()
    assert again.history() == (initial._replace(at=steps[0].at), *steps)
    assert again.desired == "paused"
    assert again.handle_event(E.TASK_COMPLETE).version == 4


DAMAGES: list[dict[str, str | None]] = [
    {"lifecycle": "Act"},
    {"lifecycle": None},
    {"held": None},
    {"held": "perhaps"},
    {"operational": "Running"},
    {"version": "-1"},
    {"version": ""},
    {"since": "yesterday"},
    {"desired": "rich"},
    {"schema": "2"},
    {"schema": None},
    {"schema": ""},
    {"drain": "1"},
]


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_a_damaged_record_is_a_restore_error_and_the_next_save_replaces_it(store: StateStore, damage: dict[str, str | None]) -> None:
    StateMachine("a:b", store=store).handle_event(E.START)
    whole = store.load("a:b")
    assert whole is not None
    broken = {name: value for name, value in {**whole, "event": "by hand", **damage}.items() if value is not None}
    store.save("a:b", broken, rows(2), Mark.of(whole))
    machine = StateMachine("a:b", store=store)
    stood = machine.snapshot, machine.history()
    with pytest.raises(RestoreError, match="the record"):
        machine.restore_state()
    assert (machine.snapshot, machine.history()) == stood
    machine.handle_event(E.START)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert again.snapshot.version == 1


def test_a_missing_record_is_no_error(store: StateStore) -> None:
    machine = StateMachine("a:b", store=store)
    stood = machine.snapshot
    assert not machine.restore_state()
    assert machine.snapshot is stood


def test_a_history_with_unknown_rows_is_used_from_the_last_of_them_on(store: StateStore) -> None:
    machine = StateMachine("a:b", store=store)
    machine.handle_event(E.START)
    record = store.load("a:b")
    assert record is not None
    store.save("a:b", {**record, "event": "by hand"}, [StoredStep(1, "{}")], Mark.of(record))
    assert machine.restore_state()
    (row,) = machine.history()
    assert (row.version, row.events, row.after) == (1, (), machine.snapshot.state)
    machine.handle_event(E.INIT_SUCCESS)
    again = StateMachine("a:b", store=store)
    assert again.restore_state()
    assert [row.version for row in again.history()] == [2]


# What only one of them can be


def test_a_file_that_is_no_database_is_a_restore_error_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 1000)
    store = SqliteStateStore(path)
    machine = StateMachine("a:b", store=store)
    with pytest.raises(RestoreError, match=r"state\.db"):
        machine.restore_state()
    with pytest.raises(PersistenceError, match=r"state\.db"):
        machine.handle_event(E.START)
    assert machine.snapshot.state == MachineState(*machine.history()[0].after.triple)
    assert path.read_bytes() == b"not a database" * 1000
    store.close()


def test_a_truncated_text_in_the_file_is_a_restore_error(tmp_path: Path) -> None:
    store = SqliteStateStore(tmp_path / "state.db")
    machine = StateMachine("a:b", store=store)
    machine.handle_event(E.START)
    with store._writing() as connection:
        connection.execute("UPDATE machine SET record = substr(record, 1, 40)")
    again = StateMachine("a:b", store=store)
    with pytest.raises(RestoreError, match="truncated"):
        again.restore_state()
    again.handle_event(E.START)
    assert StateMachine("a:b", store=store).restore_state()
    store.close()


def test_a_directory_that_is_not_there_is_a_persistence_error(tmp_path: Path) -> None:
    store = SqliteStateStore(tmp_path / "missing" / "state.db")
    with pytest.raises(PersistenceError, match="missing"):
        store.load("a:b")


def test_a_key_of_another_program_is_a_restore_error(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.set("fustor:state:{a:b}", "something else")
    store = RedisStateStore(redis_server.url)
    with pytest.raises(RestoreError, match="something else"):
        StateMachine("a:b", store=store).restore_state()
    store.close()


def test_redis_publishes_every_change(redis_server: RedisServer) -> None:
    store = RedisStateStore(redis_server.url)
    with redis_server.client() as client, client.pubsub(ignore_subscribe_messages=True) as monitor:
        monitor.subscribe("fustor:state:{a:b}:changes")
        monitor.get_message(timeout=30)
        machine = StateMachine("a:b", store=store)
        machine.handle_event(E.START)
        machine.handle_event(E.INIT_SUCCESS)
        machine.desire("paused")
        told = [message["data"] for message in (monitor.get_message(timeout=30) for _ in range(3)) if message]
        entries = client.xrange("fustor:state:{a:b}:history")
    assert told[:2] == [entry[b"step"] for _, entry in entries]
    assert b'"desired":"paused"' in told[2]
    store.close()
