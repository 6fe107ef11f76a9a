"""The pure parts of the query commands: typed paths, totals, sizes, names in quotes, and the lamp of a pipe."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.errors import ConfigurationError
from fustor_core.evidence import Kind
from fustor_core.pipe import PipeState
from fustor_fusion.client import checked_url
from fustor_fusion.commands.names import human_size
from fustor_fusion.commands.options import DEFAULT_URL, address
from fustor_fusion.commands.totals import parse_threshold
from fustor_fusion.commands.tree import Tree, post_order
from fustor_fusion.commands.typed import Place, Source, normal, readings
from fustor_fusion.lamp import lamp
from fustor_fusion.pipe_replies import Pipe
from fustor_fusion.replies import Entry

SRV = [Source(b"/srv/data", b"/data")]


@pytest.mark.parametrize(
    ("typed", "here", "sources", "expected"),
    [
        (b"/data/a", b"/", SRV, [b"/data/a"]),
        (b"/srv/data/a", b"/", SRV, [b"/data/a", b"/srv/data/a"]),
        (b"/srv/data", b"/", SRV, [b"/data", b"/srv/data"]),
        (b"/srv/database", b"/", SRV, [b"/srv/database"]),
        (b"//srv/data/a", b"/", SRV, [b"/srv/data/a"]),
        (b".", b"/srv/data", SRV, [b"/data"]),
        (b"a/../b/", b"/srv/data/x", SRV, [b"/data/x/b"]),
        (b"..", b"/srv/data/x", SRV, [b"/data"]),
        (b"../..", b"/srv/data/x", SRV, []),
        (b"a", b"/home", SRV, []),
        (b"", b"/srv/data", SRV, []),
        (b"/usr/lib", b"/", [Source(b"/usr", b"/usr")], [b"/usr/lib"]),
        (b"/root/a", b"/", [Source(b"/", b"/root")], [b"/root/root/a", b"/root/a"]),
        (b"/srv/data/in/a", b"/", [*SRV, Source(b"/srv/data/in", b"/in")], [b"/in/a", b"/data/in/a", b"/srv/data/in/a"]),
        (b"/srv/data/\xff\n", b"/", SRV, [b"/data/\xff\n", b"/srv/data/\xff\n"]),
        (b"/srv/data/a", b"/", [Source(b"/srv/data/", b"/")], [b"/a", b"/srv/data/a"]),
    ],
)
def test_typed_paths(typed: bytes, here: bytes, sources: list[Source], expected: list[bytes]) -> None:
    assert readings(typed, [here], sources) == expected


def test_the_directory_that_the_shell_names_comes_before_the_real_one() -> None:
    assert readings(b"a", [b"/link", b"/srv/data/x"], SRV) == [b"/data/x/a"]
    assert readings(b"a", [b"/srv/data/l", b"/mnt/real"], SRV) == [b"/data/l/a"]


@given(st.lists(st.sampled_from([b"a", b"b", b".", b"..", b""])))
def test_a_normal_path_has_only_names(names: list[bytes]) -> None:
    path = normal(b"/" + b"/".join(names))
    assert path == b"/" or all(name in (b"a", b"b") for name in path[1:].split(b"/"))
    assert normal(path) == path


@pytest.mark.parametrize(
    ("typed", "view", "path", "shown", "depth"),
    [
        (b".", b"/data", b"/data", b".", 0),
        (b".", b"/data", b"/data/a/b", b"./a/b", 2),
        (b"/srv/data/", b"/data", b"/data/a", b"/srv/data/a", 1),
        (b"x//", b"/data/x", b"/data/x/a", b"x//a", 1),
        (b"/", b"/", b"/data", b"/data", 1),
        (b"/", b"/", b"/data/a", b"/data/a", 2),
    ],
)
def test_what_is_found_is_shown_with_what_was_typed(typed: bytes, view: bytes, path: bytes, shown: bytes, depth: int) -> None:
    assert Place(typed, view).locate(path) == (shown, depth)


def entry(path: str, size: int | None = None) -> Entry:
    kind = Kind.DIRECTORY if size is None else Kind.FILE
    return Entry(
        path, path.rpartition("/")[2], kind, size=4096 if size is None else size, allocated=512, mtime="2024-01-01T00:00:00.000000000Z"
    )


def test_totals_do_not_depend_on_the_order_of_entries() -> None:
    entries = [entry("/d"), entry("/d/a", 1), entry("/d/s"), entry("/d/s/b", 20), entry("/d/s/t"), entry("/d/s/t/c", 300), entry("/d/e")]
    for order in (entries, entries[::-1]):
        tree = Tree(b"/d", with_files=False)
        for each in order:
            tree.add(each)
        assert {path: amount.bytes for path, amount in tree.amounts.items()} == {b"/d": 321, b"/d/s": 320, b"/d/s/t": 300, b"/d/e": 0}
        assert tree.amounts[b"/d"].allocated == 7 * 512


def test_totals_of_the_top_of_a_view() -> None:
    tree = Tree(b"/", with_files=True)
    for each in (entry("/"), entry("/d"), entry("/d/a", 5)):
        tree.add(each)
    assert {path: amount.bytes for path, amount in tree.amounts.items()} == {b"/": 5, b"/d": 5, b"/d/a": 5}


def test_a_directory_comes_behind_what_it_holds() -> None:
    paths = [b"/d", b"/d/a", b"/d/a/x", b"/d/a-b", b"/d/a/x/y", b"/d/b"]
    assert post_order(paths, b"/d") == [b"/d/a/x/y", b"/d/a/x", b"/d/a", b"/d/a-b", b"/d/b", b"/d"]
    assert post_order([b"/", b"/d", b"/d/a"], b"/") == [b"/d/a", b"/d", b"/"]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, b"0"),
        (1023, b"1023"),
        (1024, b"1.0K"),
        (1025, b"1.1K"),
        (10 * 1024 - 1, b"10K"),
        (10 * 1024 + 1, b"11K"),
        (1023 * 1024 + 1, b"1.0M"),
        (1024**2, b"1.0M"),
        (1024**2 - 1, b"1.0M"),
        (1024**2 * 999, b"999M"),
        (1024**3 - 1, b"1.0G"),
        (int(1.5 * 1024**4), b"1.5T"),
        (2**64 - 1, b"16E"),
    ],
)
def test_sizes_for_people(size: int, shown: bytes) -> None:
    assert human_size(size) == shown


@pytest.mark.parametrize(("text", "size"), [("1", 1), ("1K", 1024), ("2KB", 2000), ("3MiB", 3 << 20), ("-1g", -(1 << 30)), ("0", 0)])
def test_thresholds(text: str, size: int) -> None:
    assert parse_threshold(text) == size


@pytest.mark.parametrize("text", ["", "K", "1X", "-0", "1.5K", "+1", "9" * 5000])
def test_thresholds_that_are_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match="threshold"):
        parse_threshold(text)


@pytest.mark.parametrize("url", ["http://h", "http://127.0.0.1:8102/", "https://fusion.example/base", "http://[::1]:8102"])
def test_addresses(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["", "h", "h:8102", "ftp://h", "http://", "http://h:x", "http://h:99999", "http://u:p@h", "http://h/?a", "http://h/#a", "http://h\n"],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no address of fusion"):
        checked_url(url)


def test_without_anything_the_usual_address_is_asked(tmp_path: Any) -> None:
    assert address(None, None, {"XDG_CONFIG_HOME": str(tmp_path)}) == (DEFAULT_URL, None)
    assert address(None, "k", {"XDG_CONFIG_HOME": str(tmp_path), "FUSTOR_URL": "http://e"}) == ("http://e", "k")
    assert address("http://o", None, {"XDG_CONFIG_HOME": str(tmp_path), "FUSTOR_KEY": "e"}) == ("http://o", "e")


RUNNING, MESSAGE, SNAPSHOT = PipeState.RUNNING, PipeState.MESSAGE_SYNC, PipeState.SNAPSHOT_SYNC


def pipe(shown_value: int, *, why: str = "", **others: object) -> Pipe:
    conditions = [{"type": "t", "since": None, "message": why, "remedy": "r"}] if why else []
    layers: dict[str, object] = {"lifecycle": "Active", "operational": "Running", "health": "Healthy", "desired": "running", "phase": ""}
    rest = {"since": "2024", "version": 1, "last_heartbeat": None, "counters": {}, "conditions": conditions}
    shown: dict[str, object] = {"id": "a:p", "side": "agent", "pipe_state": str(PipeState(shown_value)), "value": int(shown_value)}
    return msgspec.convert({**shown, **layers, **rest, **others}, Pipe)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (pipe(0, desired="stopped"), "stopped"),
        (pipe(0), "stopped: should be running"),
        (pipe(1), "starting"),
        (pipe(RUNNING), "ready"),
        (pipe(RUNNING, side="fusion"), "live"),
        (pipe(RUNNING | MESSAGE), "live"),
        (pipe(RUNNING | MESSAGE, why="3 directories are not watched"), "live: 3 directories are not watched"),
        (pipe(RUNNING | SNAPSHOT), "snapshot"),
        (pipe(RUNNING | SNAPSHOT, counters={"walk_entries": 43, "walk_entries_expected": 100}), "snapshot 43 %"),
        (pipe(RUNNING | SNAPSHOT, counters={"walk_entries": 101, "walk_entries_expected": 100}), "snapshot 99 %"),
        (pipe(RUNNING | SNAPSHOT, counters={"walk_entries": 12345, "walk_entries_expected": 0}), "snapshot 12,345 entries so far"),
        (pipe(RUNNING | MESSAGE | PipeState.AUDIT_PHASE), "auditing"),
        (pipe(RUNNING | MESSAGE | PipeState.CONF_OUTDATED), "live: the settings have changed: restart it to apply them"),
        (pipe(RUNNING | PipeState.RECONNECTING, why="connection refused by f:1"), "reconnecting: connection refused by f:1"),
        (pipe(PipeState.PAUSED, desired="paused"), "paused: held by operator"),
        (pipe(PipeState.PAUSED), "paused"),
        (pipe(PipeState.ERROR, why="the root is gone"), "failed: the root is gone"),
        (pipe(PipeState.STOPPING), "stopping"),
        (pipe(PipeState.DRAINING), "stopping"),
        (pipe(RUNNING | MESSAGE, pipe_state="UNKNOWN", value=None, last_heartbeat="2024-01-01"), "unknown: no heartbeat since 2024-01-01"),
    ],
)
def test_one_word_and_one_cause(shown: Pipe, expected: str) -> None:
    assert str(lamp(shown)) == expected
