"""What `fustor doctor` makes of what it sees: which word, and what to do."""

from collections import Counter

import pytest

from fustor_core.host import Limits, OpenFiles, limits, own_processes
from fustor_core.pipe import PipeState
from fustor_fusion import diagnosis
from fustor_fusion.diagnosis import Finding, Word
from fustor_fusion.pipe_replies import Agent, Host, Pipe
from fustor_fusion.replies import Condition, Root

CONDITION = Condition("source-hangs", None, "a read does not come back", "see to the file system")


def host(*agents: Agent, version: str = "1", free: int | None = 500, size: int | None = 1000) -> Host:
    return Host(version, "2026-01-01T00:00:00.000000000Z", "/var/lib/fustor", free, size, list(agents))


def pipe(state: str, value: int | None, health: str = "Healthy", *conditions: Condition, desired: str = "running") -> Pipe:
    return Pipe("nas:data", "agent", state, value, "Active", "Running", health, desired, list(conditions), "message", "then", 7, "now", {})


def root(*conditions: Condition, complete: bool) -> Root:
    return Root("data", "/data", complete, "2026-01-01T00:00:00Z", list(conditions), None, None, 1, 1, ["nas"], "nas")


def words(findings: list[Finding]) -> list[Word]:
    return [finding.word for finding in findings]


def test_versions_that_differ_are_named() -> None:
    assert words(diagnosis.of_versions("1", host(Agent("nas", "1", True, 0.0)))) == [Word.OK]
    [finding] = diagnosis.of_versions("1", host(Agent("nas", "0.9", True, 0.0), version="2"))
    assert finding.word is Word.WARN
    assert finding.what == "agent nas is 0.9, fusion is 2, this command 1"


@pytest.mark.parametrize(
    ("ahead", "error", "word"), [(0.5, 0.01, Word.OK), (-90.0, 0.01, Word.WARN), (90.0, 0.01, Word.WARN), (3.0, 2.0, Word.OK)]
)
def test_clocks_apart_are_said_as_far_as_that_can_be_known(ahead: float, error: float, word: Word) -> None:
    assert diagnosis.of_clock(ahead, error).word is word


@pytest.mark.parametrize(("free", "word"), [(500, Word.OK), (40, Word.WARN), (4, Word.FAIL)])
def test_room_for_the_stores(free: int, word: Word) -> None:
    assert words(diagnosis.of_space(host(free=free))) == [word]


@pytest.mark.parametrize(("free", "word"), [(50 * 10**9, Word.OK), (10 * 10**9, Word.WARN), (10**9 - 1, Word.FAIL)])
def test_on_a_large_disk_a_small_share_is_room_enough(free: int, word: Word) -> None:
    [finding] = diagnosis.of_space(host(free=free, size=10 * 10**12))
    assert finding.word is word
    assert "of 10,000.0 GB are free" in finding.what


def test_the_room_on_a_small_disk_is_told_in_smaller_units() -> None:
    [finding] = diagnosis.of_space(host(free=300_000, size=5_000_000))
    assert finding.what.startswith("0.3 of 5.0 MB are free")


def test_an_agent_that_is_away_or_unsure_of_its_time() -> None:
    agents = [Agent("a", "1", True, 0.001), Agent("b", "1", False, None), Agent("c", "1", True, 3.0), Agent("d", "1", True, None)]
    assert words(diagnosis.of_agents(agents)) == [Word.OK, Word.FAIL, Word.WARN, Word.OK]
    assert words(diagnosis.of_agents([])) == [Word.WARN]


def test_pipes_by_what_they_do_and_every_condition_with_its_remedy() -> None:
    assert words(diagnosis.of_pipe(pipe("RUNNING | MESSAGE_SYNC", 66))) == [Word.OK]
    assert words(diagnosis.of_pipe(pipe("RUNNING | SNAPSHOT_SYNC", 34))) == [Word.OK]
    assert words(diagnosis.of_pipe(pipe("PAUSED", PipeState.PAUSED.value, desired="paused"))) == [Word.WARN]
    assert words(diagnosis.of_pipe(pipe("STOPPED", 0, desired="stopped"))) == [Word.WARN]
    assert words(diagnosis.of_pipe(pipe("ERROR", PipeState.ERROR.value, "Critical"))) == [Word.FAIL]
    assert words(diagnosis.of_pipe(pipe("UNKNOWN", None))) == [Word.FAIL]
    [warned] = diagnosis.of_pipe(pipe("RUNNING | MESSAGE_SYNC", 66, "Warning", CONDITION))
    assert (warned.word, warned.what, warned.remedy) == (Word.WARN, "live: a read does not come back", "see to the file system")
    assert words(diagnosis.of_pipe(pipe("RUNNING | RECONNECTING", 18, "Critical", CONDITION, CONDITION))) == [Word.FAIL, Word.FAIL]


@pytest.mark.parametrize(
    ("shown", "remedy"),
    [
        (pipe("PAUSED", PipeState.PAUSED.value, desired="paused"), "if that is over: fustor pipe resume nas:data"),
        (pipe("STOPPED", 0, desired="stopped"), "if that is over: fustor pipe start nas:data"),
        (pipe("STOPPED", 0), "start its agent, if it does not run, or see what its log says"),
        (pipe("UNKNOWN", None), "start its agent, if it does not run, or see what its log says"),
    ],
)
def test_a_pipe_that_is_not_at_work_has_the_remedy_that_helps(shown: Pipe, remedy: str) -> None:
    [finding] = diagnosis.of_pipe(shown)
    assert finding.remedy == remedy


def test_roots_by_how_far_they_are_to_be_trusted() -> None:
    assert words(diagnosis.of_root(root(complete=True))) == [Word.OK]
    assert words(diagnosis.of_root(root(CONDITION, complete=True))) == [Word.WARN]
    assert words(diagnosis.of_root(root(complete=False))) == [Word.WARN]


@pytest.mark.parametrize(
    ("used", "needed", "word"), [(10, 10, Word.OK), (850, 10, Word.WARN), (10, 850, Word.WARN), (1000, 1001, Word.FAIL)]
)
def test_watches_that_run_out_have_the_line_that_helps(used: int, needed: int, word: Word) -> None:
    [finding] = diagnosis.of_watches(Limits(1000, Counter({7: used, 8: 5}), False), 7, needed)
    assert finding.word is word
    assert finding.remedy == ("" if word is Word.OK else "sysctl fs.inotify.max_user_watches=524288")
    [large] = diagnosis.of_watches(Limits(1000, Counter(), False), 7, 3_000_000)
    assert large.remedy == "sysctl fs.inotify.max_user_watches=8388608"
    [used_up] = diagnosis.of_watches(Limits(1_000_000, Counter({7: 900_000}), False), 7, 10)
    assert used_up.remedy == "sysctl fs.inotify.max_user_watches=2097152"
    assert words(diagnosis.of_watches(None, 7, 1)) == [Word.WARN]


def test_that_not_all_watches_could_be_counted_is_said() -> None:
    [finding] = diagnosis.of_watches(Limits(1000, Counter({7: 3}), True), 7, 10)
    assert "3 in use by processes that this user may see" in finding.what


def test_open_files_near_their_limit() -> None:
    found = diagnosis.of_files([OpenFiles(1, "agent", 0, 10, 100), OpenFiles(2, "fusion", 0, 90, 100)])
    assert words(found) == [Word.OK, Word.WARN]
    assert found[1].remedy == "start it with a higher limit: ulimit -n 400, or LimitNOFILE= in its unit"


def test_what_may_not_be_read_is_named() -> None:
    assert diagnosis.of_permissions("/srv", []).word is Word.OK
    finding = diagnosis.of_permissions("/srv", ["/srv/a", "/srv/b", "/srv/c", "/srv/d"])
    assert (finding.word, finding.what) == (Word.WARN, "this user may not read /srv/a, /srv/b, /srv/c, …")
    absent = diagnosis.of_absence("/srv", "No such file or directory")
    assert (absent.word, absent.what) == (Word.WARN, "/srv cannot be looked into: No such file or directory")


def test_this_machine_can_be_looked_at() -> None:
    found = limits()
    assert found is None or found.watches_allowed > 0
    assert all(each.open <= each.allowed for each in own_processes())
