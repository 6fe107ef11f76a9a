"""The SQLite store where things go wrong: a killed process, a damaged file, a full disk, another version, another process."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fustor_core.errors import StoreDamaged, StoreUnavailable
from fustor_core.evidence import Entry, Gone, Listing, Seen
from fustor_core.wire import Identity, Via
from fustor_fusion.merge.changes import KEPT
from fustor_fusion.stores import Contribution, Outcome
from fustor_fusion.stores.sqlite import SqliteStore
from fustor_fusion.stores.sqlite_changes import SKIPPED
from fustor_fusion.stores.sqlite_schema import MIGRATIONS, prepare
from tests.oracle import entry_of, held, totals
from tests.polling import eventually

IDENTITY = Identity("ext4", "0123", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    made.open_session("nas1", "run", "session", IDENTITY, 1)
    yield made
    made.close()


def say(store: SqliteStore, sequence: int, *evidence: Listing | Seen | Gone, drop_to: int = 0) -> Outcome:
    (outcome,) = store.commit([Contribution("nas1", "run", "session", sequence, Via.LIVE, evidence)], 10**6, drop_to)
    assert outcome.problem is None
    return outcome


def directory_of(number: int) -> dict[bytes, Entry]:
    return {b"file-%06d" % each: entry_of("f", each % 10_000) for each in range(number)}


def check(store: SqliteStore) -> int:
    """Every total is what the entries say; the last sequence of the agent."""
    with store.reading() as reading:
        view = held(reading)
        for path, (directory, _) in view.items():
            if directory:
                assert reading.usage(path) == totals(view, path)
        return reading.agents()[0].sequence


STORM = """
import random, sys
sys.path.insert(0, sys.argv[2])
from fustor_fusion.stores import Contribution
from fustor_fusion.stores.sqlite import SqliteStore
from fustor_core.wire import Identity, Via
from tests.oracle import random_evidence
store = SqliteStore(sys.argv[1])
store.open_session("nas1", "run", "session", Identity("ext4", "0123", 2), 1)
rng = random.Random(7)
for sequence in range(1, 1_000_000):
    evidence = [random_evidence(rng, sequence * 10 + each) for each in range(10)]
    store.commit([Contribution("nas1", "run", "session", sequence, Via.LIVE, evidence)], 1, (sequence - 3) * 10)
    print(sequence, flush=True)
"""


def test_a_killed_process_leaves_at_least_what_it_acknowledged(path: Path) -> None:
    for _ in range(3):
        root = str(Path(__file__).parents[2])
        process = subprocess.Popen([sys.executable, "-c", STORM, str(path), root], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        acknowledged = 0
        for line in lines:
            acknowledged = int(line)
            if acknowledged >= 150:
                process.send_signal(signal.SIGKILL)
                break
        acknowledged = max([acknowledged, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        store = SqliteStore(path)
        try:
            assert check(store) in (acknowledged, acknowledged + 1)
        finally:
            store.close()
        for old in path.parent.iterdir():
            old.unlink()


def test_the_state_is_there_when_the_store_is_opened_again(path: Path, store: SqliteStore) -> None:
    say(store, 1, Listing(b"", 10, {b"a": entry_of("d", 1), b"f": entry_of("f", 2)}), Gone(b"g", 12), drop_to=5)
    with store.reading() as reading:
        before = held(reading), reading.record(), reading.agents(), reading.usage(b""), reading.trust(b"")
    store.close()
    again = SqliteStore(path)
    try:
        with again.reading() as reading:
            assert (held(reading), reading.record(), reading.agents(), reading.usage(b""), reading.trust(b"")) == before
        say(again, 2, Seen(b"g", 11, entry_of("f", 1)))  # older than what was remembered of it
        with again.reading() as reading:
            assert reading.find(b"g") is None
    finally:
        again.close()


def test_a_second_process_cannot_open_the_file(path: Path, store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailable, match="in use by another process"):
        SqliteStore(path)
    say(store, 1, Seen(b"a", 10, entry_of("f", 1)))


def test_a_directory_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="see to its directory"):
        SqliteStore(tmp_path / "missing" / "root.db")


def filled_file(path: Path, *, clean: bool) -> None:
    store = SqliteStore(path)
    store.open_session("nas1", "run", "session", IDENTITY, 1)
    say(store, 1, Listing(b"", 10, directory_of(5000)))
    store.close()
    if not clean:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE meta SET clean = 0")
        connection.close()


@pytest.mark.parametrize("clean", [True, False])
def test_a_file_that_is_no_database_is_refused_and_kept(path: Path, clean: bool) -> None:
    filled_file(path, clean=clean)
    with path.open("r+b") as file:
        file.write(b"not a database, whatever the name says")
    size = path.stat().st_size
    with pytest.raises(StoreDamaged, match=r"nothing was deleted.*fustor fusion rebuild") as raised:
        SqliteStore(path)
    assert raised.value.exit_code == 2
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert path.stat().st_size == size


@pytest.mark.parametrize("harm", ["truncated", "overwritten"])
def test_damage_is_found_when_the_store_is_opened_after_a_crash(path: Path, harm: str) -> None:
    filled_file(path, clean=False)
    size = path.stat().st_size
    if harm == "truncated":
        os.truncate(path, size // 2 // 4096 * 4096)
    else:
        with path.open("r+b") as file:
            file.seek(size // 2 // 4096 * 4096)
            file.write(b"\xa5" * 40960)
    with pytest.raises(StoreDamaged, match="nothing was deleted"):
        SqliteStore(path)
    assert path.exists()


def test_damage_that_is_met_later_is_said_by_readings_and_commits(path: Path) -> None:
    filled_file(path, clean=True)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3 // 4096 * 4096)
        file.write(b"\xa5" * (size // 2))
    store = SqliteStore(path)
    try:
        with pytest.raises(StoreDamaged, match="nothing was deleted"), store.reading() as reading:
            reading.children(b"", None, 10_000)
        assert "nothing was deleted" in str(store.damage)
        with pytest.raises(StoreDamaged, match="nothing was deleted"):
            say(store, 2, Listing(b"", 20, {}))
    finally:
        store.close()


def test_another_file_in_its_place_is_neither_read_nor_written(path: Path, store: SqliteStore) -> None:
    """Somebody restores a backup and forgets to stop fusion: the two would be answered from and written to as if they were one."""
    backup = path.with_name("backup")
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(backup)) as copy:
        database.backup(copy)
    say(store, 1, Seen(b"later", 10, entry_of("f", 1)))
    backup.rename(path)
    with pytest.raises(StoreDamaged, match="another file was put in its place"), store.reading():
        pass
    with pytest.raises(StoreDamaged, match="another file was put in its place"):
        say(store, 2, Seen(b"f", 20, entry_of("f", 1)))
    assert "another file was put in its place" in str(store.damage)


def test_a_file_that_was_taken_away_is_waited_for(path: Path, store: SqliteStore) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    with pytest.raises(StoreUnavailable, match="taken away while it was in use"):
        say(store, 1, Seen(b"f", 20, entry_of("f", 1)))
    elsewhere.rename(path)
    say(store, 1, Seen(b"f", 20, entry_of("f", 1)))
    assert store.damage is None
    assert check(store) == 1


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(StoreDamaged, match="something else than Fustor"):
        SqliteStore(path)


def test_a_newer_schema_is_refused_naming_both_versions(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 3}")
    connection.close()
    expected = rf"version {len(MIGRATIONS) + 3} of the schema and this Fustor knows up to {len(MIGRATIONS)}.*newer Fustor"
    with pytest.raises(StoreDamaged, match=expected) as raised:
        SqliteStore(path)
    assert raised.value.exit_code == 2


def test_an_older_schema_is_migrated_step_by_step_and_each_step_is_whole(path: Path) -> None:
    filled_file(path, clean=True)
    steps = (
        *MIGRATIONS,
        ["ALTER TABLE meta ADD COLUMN note TEXT", "UPDATE meta SET note = 'second'"],
        ["UPDATE meta SET note = note || ', third'"],
    )
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        with pytest.raises(sqlite3.OperationalError):
            prepare(connection, str(path), (*steps, ["CREATE TABLE half (x)", "SELECT nonsense"]))
        assert connection.execute("PRAGMA user_version").fetchone() == (len(steps),)
        assert connection.execute("SELECT note FROM meta").fetchone() == ("second, third",)
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
        prepare(connection, str(path), steps)
        assert connection.execute("SELECT note FROM meta").fetchone() == ("second, third",)
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (5001,)
    finally:
        connection.close()


def test_a_full_disk_applies_nothing_and_is_got_over(store: SqliteStore) -> None:
    say(store, 1, Listing(b"", 10, {b"a": entry_of("d", 1)}), Listing(b"a", 11, directory_of(100)))
    with store.reading() as reading:
        before = held(reading), reading.record(), reading.usage(b"")
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count={pages + 3}")
    big = (Seen(b"a/new/f", 20, entry_of("f", 3)), Gone(b"a/file-000001", 21), Listing(b"b", 22, directory_of(3000)))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="full"):
            say(store, 2, *big)
        with store.reading() as reading:
            assert (held(reading), reading.record(), reading.usage(b"")) == before
    say(store, 2, Seen(b"a/small", 19, entry_of("f", 3)))  # what fits is still committed
    store._connection.execute(f"PRAGMA max_page_count={2**30}")
    say(store, 3, *big)
    assert check(store) == 3
    with store.reading() as reading:
        usage = reading.usage(b"")
        assert usage is not None
        assert usage.files == 100 + 1 + 1 - 1 + 3000


def test_a_closed_store_says_so(path: Path) -> None:
    store = SqliteStore(path)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.purge(1)
    with pytest.raises(StoreUnavailable, match="closed"), store.reading():
        pass


def test_readings_go_on_while_a_long_transaction_writes(store: SqliteStore) -> None:
    say(store, 1, Listing(b"", 10, {b"before": entry_of("f", 1)}))
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with store.reading() as reading:
                seen.append(len(reading.children(b"", None, 100_000)))

    readers = [threading.Thread(target=read) for _ in range(3)]
    # The transaction is held open as long as the readers need, whatever the machine: only its end lets `while_writing` be seen.
    with store._transaction():
        store._connection.execute("UPDATE meta SET writes = writes + 1")
        for reader in readers:
            reader.start()
        eventually(lambda: len(seen) >= 50, within=20)
    stop.set()
    for reader in readers:
        reader.join()
    assert set(seen) == {1}


def test_a_hundred_thousand_entries_are_gone_at_once_and_purged_in_steps(store: SqliteStore) -> None:
    listings = [Listing(b"d%d" % number, 20 + number, directory_of(20_000)) for number in range(5)]
    say(store, 1, Listing(b"", 10, {b"keep": entry_of("f", 1), **{b"d%d" % number: entry_of("d", 1) for number in range(5)}}), *listings)
    began = time.monotonic()
    say(store, 2, Listing(b"", 100, {b"keep": entry_of("f", 1)}))
    assert time.monotonic() - began < 1.0
    with store.reading() as reading:
        assert held(reading).keys() == {b"", b"keep"}
    steps = 1
    while store.purge(5000):
        steps += 1
        assert steps < 100
    assert steps >= 20
    for table, left in (("entries", 2), ("dirs", 1), ("detached", 0), ("tombstones", 0)):
        assert store._connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (left,)
    check(store)


def test_tombstones_and_floors_are_gone_when_the_drop_mark_has_passed(store: SqliteStore) -> None:
    say(store, 1, *(Gone(b"gone-%d" % each, 10 + each) for each in range(20_000)))
    say(store, 2, Seen(b"d/f", 50_000, entry_of("f", 1)), Gone(b"d", 40_000))
    assert store._connection.execute("SELECT count(*) FROM dirs WHERE floor IS NOT NULL").fetchone() == (1,)
    say(store, 3, drop_to=60_000)
    while store.purge(3000):
        pass
    assert store._connection.execute("SELECT count(*) FROM tombstones").fetchone() == (0,)
    assert store._connection.execute("SELECT count(*) FROM dirs WHERE floor IS NOT NULL").fetchone() == (0,)


def test_an_entry_takes_less_than_140_bytes(path: Path, store: SqliteStore) -> None:
    """With names of 24 bytes, 25 files in a directory, and numbers as disks have them."""
    stamp, now, count = 10**18, 1_700_000_000, 0
    root: dict[bytes, Entry] = {}
    listings = []
    for directory in range(400):
        root[b"directory-%06d" % directory] = Entry(
            0o40755, 4096, 4096, 1000, 1000, 2, 10**7 + directory, now, 123_456_789, now, 123_456_789
        )
        names = {
            b"measurement-%08d.csv" % each: Entry(
                0o100644, 10**6 + each, 10**6, 1000, 1000, 1, 10**8 + each, now + each, 987_654_321, now + each, 987_654_321
            )
            for each in range(directory * 25, directory * 25 + 25)
        }
        listings.append(Listing(b"directory-%06d" % directory, stamp + 1024 * (directory + 2), names))
        count += 26
    first = Contribution("nas1", "run", "session", 1, Via.SNAPSHOT, [Listing(b"", stamp + 1024, root), *listings])
    assert store.commit([first], 10**6, 0)[0].problem is None
    store.close()
    assert path.stat().st_size / count < 140


def test_the_cache_of_directories_is_bounded(path: Path) -> None:
    store = SqliteStore(path, cached_directories=100)
    try:
        store.open_session("nas1", "run", "session", IDENTITY, 1)
        for sequence in range(1, 100):
            say(store, sequence, *(Seen(b"d%d/f" % (sequence * 20 + each), sequence * 20 + each, entry_of("f", 1)) for each in range(20)))
            assert len(store._tree._young) + len(store._tree._old) <= 100 + 2 * 20
        with store.reading() as reading:
            usage = reading.usage(b"")
            assert usage is not None
            assert (usage.files, usage.directories) == (99 * 20, 99 * 20 + 1)
    finally:
        store.close()


def test_the_example_queries_of_the_documentation_run(store: SqliteStore) -> None:
    say(store, 1, Listing(b"", 10, {b"a": entry_of("d", 1), b"f": entry_of("f", 6)}), Listing(b"a", 11, {b"g\xff": entry_of("f", 2)}))
    text = (Path(__file__).parents[2] / "docs" / "store.md").read_text()
    queries = [block.split("```")[0] for block in text.split("```sql\n")[1:]]
    assert len(queries) >= 5
    connection = sqlite3.connect(f"file:{store._path}?mode=ro", uri=True)
    connection.text_factory = bytes  # as the sqlite3 shell shows names that are no UTF-8
    try:
        assert all(connection.execute(query).fetchall() for query in queries)
    finally:
        connection.close()


def test_numbers_of_changes_that_may_have_been_lost_are_not_given_to_others(path: Path) -> None:
    with closing(SqliteStore(path)) as made:
        made.open_session("nas1", "run", "session", IDENTITY, 1)
        say(made, 1, Seen(b"f", 20, entry_of("f", 3)))
        last = made.last_change
    with closing(SqliteStore(path)) as reopened:
        say(reopened, 2, Seen(b"g", 21, entry_of("f", 3)))
        assert reopened.last_change == last + 1
    for _ in range(2):
        connection = sqlite3.connect(path)
        connection.execute("UPDATE meta SET clean = 0")
        connection.commit()
        connection.close()
        with closing(SqliteStore(path)) as reopened:
            reopened.open_session("nas1", "run", "another", IDENTITY, 1)
    with closing(SqliteStore(path)) as reopened:
        reopened.open_session("nas1", "run", "session", IDENTITY, 1)
        say(reopened, 1, Seen(b"h", 22, entry_of("f", 3)))
        with reopened.reading() as reading:
            kept = [(change.number, change.path) for change in reading.changes(0, 10)]
        assert kept == [(last, b"f"), (last + 1, b"g"), (last + 1 + SKIPPED + 1, b"h")]
        for thousand in range(KEPT // 5000):
            say(reopened, 2 + thousand, *(Seen(b"%d-%d" % (thousand, name), 23 + thousand, entry_of("f", 3)) for name in range(5000)))
        with reopened.reading() as reading:
            assert reading.change_span().first == last + 1 + SKIPPED + 2
