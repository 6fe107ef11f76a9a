"""Of several owners of one machine, one writes."""

import subprocess
from pathlib import Path

import pytest

from fustor_core.state import (
    ConcurrentUpdateError,
    MachineState,
    StateMachine,
)
from fustor_core.state.stores.sqlite import SqliteStateStore
from tests.integration.states.parts import READY, E, H, L, O, replayed, writer
from tests.polling import eventually
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture


def test_of_two_owners_one_gets_a_concurrent_update_error(tmp_path: Path) -> None:
    stores = [SqliteStateStore(tmp_path / "state.db") for _ in range(2)]
    first, second = (StateMachine("a:b", store=store, initial=READY, run=f"r{number}") for number, store in enumerate(stores))
    first.handle_event(E.TASK_START)
    with pytest.raises(ConcurrentUpdateError):
        second.handle_event(E.WARN)
    assert second.snapshot.version == 0
    assert second.restore_state()
    second.handle_event(E.WARN)
    with pytest.raises(ConcurrentUpdateError):
        first.handle_event(E.TASK_COMPLETE)
    assert first.saving is not None
    assert first.saving.overtaken
    # It lost its place, not its mind: restored, it owns the machine again.
    assert first.restore_state()
    assert first.handle_event(E.TASK_COMPLETE).version == 3
    assert replayed(first) == MachineState(L.ACTIVE, O.READY, H.WARNING)
    for store in stores:
        store.close()


def test_of_two_processes_one_gets_a_concurrent_update_error(redis_server: RedisServer) -> None:
    with writer(redis_server.url) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready 0\n"
        assert first.stdout.readline() == "1 0\n"
        with writer(redis_server.url) as second:
            # Each takes over when it begins; whoever is refused ends with the error. Reading keeps the pipes from filling up.
            loser = eventually(lambda: next((one for one in (first, second) if read_on(one) and one.poll() is not None), None))
            assert loser is not None
            assert loser.stderr is not None
            assert "ConcurrentUpdateError" in loser.stderr.read()
            other = second if loser is first else first
            assert read_on(other)
            assert other.poll() is None


def read_on(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline() or "ended"
