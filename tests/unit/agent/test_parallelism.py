"""How many readings run at once, against a simple storage and an interpreter that one thread at a time may use."""

import pytest

from fustor_agent.parallelism import Parallelism


def settled(cpu: float, waits: float, begin: int = 1, most: int = 16) -> list[int]:
    """How many readers are wanted in the end, of readings that each need `cpu` seconds of the interpreter and wait so long for a disk."""
    parallelism = Parallelism(most)
    while parallelism.wanted < begin:
        parallelism.note(1.0, 0.001)
    wanted = []
    for _ in range(300):
        # Whoever waits for the interpreter waits for all others that want it.
        parallelism.note(max(cpu + waits, parallelism.wanted * cpu), cpu)
        wanted.append(parallelism.wanted)
    return wanted[-50:]


@pytest.mark.parametrize("begin", [1, 4, 16])
def test_where_nothing_waits_for_a_disk_one_is_enough_also_after_there_were_more(begin: int) -> None:
    assert set(settled(0.05, 0.0, begin)) == {1}


@pytest.mark.parametrize(("waits", "fewest", "most"), [(0.05, 1, 3), (0.2, 3, 6), (0.45, 7, 11), (5.0, 16, 16)])
def test_where_they_wait_for_a_disk_as_many_as_keep_the_interpreter_busy(waits: float, fewest: int, most: int) -> None:
    for begin in (1, 16):
        assert fewest <= min(settled(0.05, waits, begin)) <= max(settled(0.05, waits, begin)) <= most


def test_never_more_than_allowed() -> None:
    assert max(settled(0.001, 10.0, most=4)) == 4
