"""Listings and searches, a page at a time."""

from urllib.parse import quote_from_bytes

import pytest

from fustor_core.evidence import Seen
from fustor_core.wire import Via
from fustor_fusion.stores import Contribution
from tests.integration.api.serving import ENTRY_FIELDS, ODD, Served, entry


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 25, 1000])
async def test_a_listing_gives_every_entry_once_in_byte_order(served: Served, limit: int) -> None:
    found = await served.pages(f"/v1/views/default/list?path=/data/a&limit={limit}")
    assert [each["name"] for each in found] == [f"{i:03}.py" for i in range(25)]
    tops = await served.pages(f"/v1/views/default/list?limit={limit}")
    assert [each["name"] for each in tops] == ["data", "other"]
    odd = await served.pages(f"/v1/views/default/list?path=/data&limit={limit}")
    assert len(odd) == len({each["path"] for each in odd}) == 7


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 1000])
@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("path=/", 1 + (1 + 7 + 25) + 2),
        ("path=/data", 1 + 7 + 25),
        ("path=/data/a", 26),
        ("path=/data/a/001.py", 1),
        ("type=dir", 5),
        ("type=symlink,other", 2),
        ("max_depth=0", 1),
        ("max_depth=1", 3),
        ("min_depth=1&max_depth=2", 10),
        ("min_depth=3", 25),
        ("path=/data&min_depth=1&max_depth=1", 7),
        ("name=data", 1),
        ("name=a", 1),
        ("iname=DATA", 1),
        ("name=%2F", 1),
        ("name=0*.py", 25),
        ("name=" + quote_from_bytes(b"*\xff*"), 1),
        ("min_size=5000000000", 1),
        ("type=file&max_size=0", 2),
        ("uid=0", 1),
        ("newer=2100-01-01T00:00:00Z", 1),
        ("older=1970-01-01T00:00:00Z", 1),
        ("newer=1600000000.000000004&older=1600000000.000000006&type=file", 28),
        ("empty=true", 3),
        ("empty=true&type=file", 2),
        ("empty=true&type=dir", 1),
        ("empty=true&type=symlink", 0),
        ("empty=false", 33),
        ("name=no-such-thing", 0),
    ],
)
async def test_a_search_gives_every_match_once(served: Served, query: str, paths: int, limit: int) -> None:
    found = await served.pages(f"/v1/views/default/find?{query}&limit={limit}")
    assert len(found) == paths
    assert len({each["path"] for each in found}) == paths
    assert all(set(each) - {"path_b64"} == ENTRY_FIELDS for each in found)


@pytest.mark.parametrize("limit", [1, 4, 1000])
async def test_a_search_over_nested_mounts(served: Served, limit: int) -> None:
    found = {each["path"] for each in await served.pages(f"/v1/views/research/find?limit={limit}&max_depth=3")}
    assert {"/", "/lab", "/lab/one", "/lab/two", "/lab/one/a"} < found
    assert "/lab/one/a/001.py" not in found
    named = await served.pages(f"/v1/views/research/find?limit={limit}&path=/lab&name=o*")
    assert {each["name"] for each in named} == {"one", ODD.decode("utf-8", "replace")}


async def test_a_page_says_nothing_twice_when_entries_come_between(served: Served) -> None:
    route = "/v1/views/default/list?path=/data/a&limit=10"
    first = await served.ask(route)
    frame = Contribution("nas-1", "run", "s", 4, Via.LIVE, [Seen(b"a/000a.py", 4_000, entry()), Seen(b"a/020a.py", 4_001, entry())])
    served.roots.held["data"].store.commit([frame], now=5_000, drop_to=0)
    rest = await served.pages(route, first["meta"]["next"])
    names = [each["name"] for each in first["data"] + rest]
    assert names == sorted(names)
    assert "020a.py" in names
    assert "000a.py" not in names
