"""kill -9 of a writer at full rate: what its store has afterwards."""

import os
from pathlib import Path

import pytest

from fustor_core.state import StateMachine
from tests.integration.states.parts import replayed, writer
from tests.integration.states.writer import MACHINE, open_store
from tests.redis_server import RedisServer, running_redis  # noqa: F401 - a fixture

KILLS = int(os.environ.get("FUSTOR_KILLS", "8"))
"""Rounds of kill -9 with Redis; the promise is fifty (FUSTOR_KILLS=50)."""


def kill_at_full_rate(place: str, rounds: int) -> None:
    acknowledged = 0
    for number in range(rounds):
        with writer(place) as process:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready.startswith("ready "), process.stderr and process.stderr.read()
            assert int(ready.split()[1]) in (acknowledged, acknowledged + 1)
            said = [process.stdout.readline() for _ in range(20 + 7 * number % 40)]
            process.kill()
            # What it said before it died counts, also what nobody had read yet.
            said += process.stdout.read().splitlines(keepends=True)
            acknowledged = int(said[-1].split()[0])
            process.wait()
        store = open_store(place)
        machine = StateMachine(MACHINE, store=store)
        assert machine.restore_state()
        assert machine.snapshot.version in (acknowledged, acknowledged + 1)
        assert replayed(machine) == machine.snapshot.state
        acknowledged = machine.snapshot.version
        store.close()


@pytest.mark.timeout(60 + 10 * KILLS)
def test_kill_9_leaves_the_last_acknowledged_step_or_one_more_in_redis(redis_server: RedisServer) -> None:
    kill_at_full_rate(redis_server.url, KILLS)


def test_kill_9_leaves_the_last_acknowledged_step_or_one_more_in_sqlite(tmp_path: Path) -> None:
    kill_at_full_rate(str(tmp_path / "state.db"), 3)


def test_kill_9_under_best_effort_loses_no_more_than_what_was_said_to_be_unsaved(tmp_path: Path) -> None:
    place = str(tmp_path / "state.db")
    for _ in range(3):
        with writer(place, "best_effort") as process:
            assert process.stdout is not None
            ready = int(process.stdout.readline().split()[1])
            # Until something of this run is saved.
            while figures(said := process.stdout.readline())[0] <= ready + 1:
                pass
            process.kill()
            version_saved, version = figures([said, *process.stdout.read().splitlines()][-1])
            process.wait()
        store = open_store(place)
        machine = StateMachine(MACHINE, store=store)
        assert machine.restore_state()
        assert version_saved <= machine.snapshot.version <= version + 1
        stood = machine.snapshot.version
        assert machine.restore_state(mode="interrupted")
        assert (machine.snapshot.version, machine.snapshot.reason) == (stood + 1, "interrupted")
        assert replayed(machine) == machine.snapshot.state
        store.close()


def figures(line: str) -> tuple[int, int]:
    """Up to which version all is saved by the word of the writer, and its own version."""
    version, unsaved = (int(word) for word in line.split())
    return version - unsaved, version
