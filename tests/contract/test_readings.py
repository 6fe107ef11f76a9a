"""What every root store answers: entries as they were seen, in pages, and searches that find each match once."""

import itertools
from collections.abc import Callable

import pytest

from fustor_core.errors import MalformedInput
from fustor_core.evidence import Entry, Gone, Kind, Listing, Seen
from fustor_core.paths import components, is_below, split
from fustor_fusion.query import Filter, Usage
from fustor_fusion.stores.memory import MemoryStore
from tests.contract.root_stores import DIRECTORY, FILE, Agent, names, usage
from tests.oracle import entry_of, every_child


def test_children_come_by_name_in_pages(agent: Agent) -> None:
    listed = {b"%03d" % number: FILE for number in range(50)} | {b"\xff\xfe": FILE, b"a\nb": DIRECTORY}
    agent.says(Listing(b"", 10, listed))
    with agent.store.reading() as reading:
        assert [found.path for found in every_child(reading, b"", 7)] == sorted(listed)
        assert reading.children(b"000", None, 5) == []
        assert reading.children(b"nowhere", None, 5) == []


ATTRIBUTES = Entry(0o100644, 2**63 - 1, 2**63 - 1, 0, 2**32 - 1, 1, -(2**63), -(2**40), 999_999_999, 2**40, 1, -1)


def test_extreme_attributes_and_names_come_back_as_they_were(agent: Agent) -> None:
    """Times before 1970 and beyond 2262, an inode with the top bit, sizes whose sum passes 64 bits, names that are no UTF-8."""
    first, second = b"\xff\x80", b"\xe4/\xc3\x28"
    agent.says(Seen(first, 10, ATTRIBUTES), Seen(second, 11, ATTRIBUTES), Seen(b"\xe4/old", 12, FILE))
    agent.says(Gone(b"\xe4/old", 13))
    with agent.store.reading() as reading:
        for path in (first, second):
            found = reading.find(path)
            assert found is not None
            assert found.entry == ATTRIBUTES
        assert reading.usage(b"") == Usage(2, 2, 0, 2**64 - 2, 2**64 - 2, (-(2**40), 999_999_999))
        assert [found.path for found in reading.search(b"", Filter(name=b"\xff*"), None, 5).entries] == [first]
    agent.says(Seen(first, 20, FILE))
    assert usage(agent.store, b"") == Usage(2, 2, 0, 2**63 - 1 + 6, 2**63 - 1 + 1024, (2, 2))


def grown(agent: Agent) -> dict[bytes, Entry]:
    """A tree of three levels, with names of all sorts."""
    tree: dict[bytes, Entry] = {}
    stamps = itertools.count(10)
    for path in (b"", b"Docs", b"Docs/Sub", b"zoo"):
        below = [name for name in (b"Docs", b"zoo", b"Docs/Sub") if name.rpartition(b"/")[0] == path]
        entries = {name.rpartition(b"/")[2]: entry_of("d", 1) for name in below}
        for number in range(40):
            entries[b"report-%d.TXT" % number if number % 2 else b"image_%d.png" % number] = entry_of("f" if number % 3 else "l", number)
        agent.says(Listing(path, next(stamps), entries))
        tree |= {path + b"/" + name if path else name: entry for name, entry in entries.items()}
    return tree


FILTERS: list[tuple[Filter, Callable[[bytes, int, Entry], bool]]] = [
    (Filter(), lambda name, depth, entry: True),
    (Filter(name=b"*.png"), lambda name, depth, entry: name.endswith(b".png")),
    (Filter(name=b"report-1*"), lambda name, depth, entry: name.startswith(b"report-1")),
    (Filter(name=b"*port-2*"), lambda name, depth, entry: b"port-2" in name),
    (Filter(name=b"image_8.png"), lambda name, depth, entry: name == b"image_8.png"),
    (Filter(iname=b"REPORT*.txt"), lambda name, depth, entry: name.startswith(b"report")),
    (Filter(iname=b"*AGE_1*"), lambda name, depth, entry: b"image_1" in name),
    (Filter(kinds=frozenset({Kind.SYMLINK})), lambda name, depth, entry: entry.kind is Kind.SYMLINK),
    (
        Filter(kinds=frozenset({Kind.DIRECTORY, Kind.FILE}), name=b"[Ddz]*"),
        lambda name, depth, entry: name.startswith((b"D", b"d", b"z")) and entry.kind in (Kind.DIRECTORY, Kind.FILE),
    ),
    (Filter(kinds=frozenset()), lambda name, depth, entry: False),
    (Filter(min_size=30, max_size=60), lambda name, depth, entry: 30 <= entry.size <= 60),
    (Filter(newer=(3, 1)), lambda name, depth, entry: (entry.mtime, entry.mtime_ns) > (3, 1)),
    (Filter(older=(3, 1)), lambda name, depth, entry: (entry.mtime, entry.mtime_ns) < (3, 1)),
    (Filter(uid=1000, min_depth=2), lambda name, depth, entry: depth >= 2),
    (Filter(uid=0), lambda name, depth, entry: False),
    (Filter(max_depth=1), lambda name, depth, entry: depth <= 1),
    (Filter(max_depth=0), lambda name, depth, entry: depth == 0),
]


@pytest.mark.parametrize("number", range(len(FILTERS)))
@pytest.mark.parametrize("base", [b"", b"Docs", b"zoo", b"zoo/image_8.png", b"nowhere"])
def test_a_search_finds_each_match_once(agent: Agent, number: int, base: bytes) -> None:
    wanted, expected = FILTERS[number]
    tree = {b"": entry_of("d", 5), **grown(agent)}
    agent.says(Seen(b"", 100, tree[b""]))
    matches = []
    for path, entry in tree.items():
        if is_below(path, base) and expected(split(path)[1], len(components(path)) - len(components(base)), entry):
            matches.append(path)
    found: list[bytes] = []
    after: str | None = None
    while True:
        with agent.store.reading() as reading:
            page = reading.search(base, wanted, after, 7)
        assert len(page.entries) <= 7
        found += [each.path for each in page.entries]
        if (after := page.next) is None:
            break
    assert sorted(found) == sorted(matches)


@pytest.mark.parametrize("base", [b"", b"Docs/Sub"])
def test_a_cursor_holds_across_commits(agent: Agent, base: bytes) -> None:
    tree = grown(agent)
    lasting = {path for path in tree if path.startswith(base) and path.endswith(b".png")}
    found: list[bytes] = []
    after: str | None = None
    for at in itertools.count(200):
        with agent.store.reading() as reading:
            page = reading.search(base, Filter(name=b"*.*"), after, 5)
        found += [each.path for each in page.entries]
        if (after := page.next) is None:
            break
        if found[-1].endswith(b"TXT"):
            agent.says(Gone(found[-1], at))  # the very place that the cursor names
    assert len(found) == len(set(found))
    assert lasting <= set(found)


@pytest.mark.parametrize("cursor", ["", "x", "####", "é", "kaR3YWxrMsQA", "kqR3YWxrMcQA", "k6VzY2FuMc___________8QBYQ"])
def test_a_cursor_that_is_none_is_refused(agent: Agent, cursor: str) -> None:
    with agent.store.reading() as reading, pytest.raises(MalformedInput):
        reading.search(b"", Filter(), cursor, 5)


def test_a_detached_directory_is_found_by_no_search_before_it_is_purged(agent: Agent) -> None:
    grown(agent)
    agent.says(Gone(b"Docs", 300))
    with agent.store.reading() as reading:
        for base in (b"", b"zoo"):
            page = reading.search(base, Filter(name=b"*"), None, 10_000)
            assert not [found.path for found in page.entries if found.path.startswith(b"Docs")]
    agent.says(Seen(b"Docs/new", 301, FILE))
    while agent.store.purge(7):
        pass
    assert names(agent.store, b"Docs") == [b"Docs/new"]


def test_a_reading_is_one_state_whatever_is_committed_meanwhile(agent: Agent) -> None:
    agent.says(Listing(b"", 10, {b"a": FILE}))
    if isinstance(agent.store, MemoryStore):
        pytest.skip("a reading of the memory store holds commits up")
    with agent.store.reading() as reading:
        agent.says(Gone(b"a", 20))
        assert [found.path for found in reading.children(b"", None, 10)] == [b"a"]
        usage_then = reading.usage(b"")
        assert usage_then is not None
        assert usage_then.files == 1
    assert names(agent.store, b"") == []
