"""The HTTP interface, on a real port, over a real store that evidence was committed to: DESIGN §6 field by field."""

import asyncio
import base64
import io
import re
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

from fustor_core.errors import ConfigurationError, StoreUnavailable
from fustor_core.evidence import Entry, Evidence, Listing, Seen, Unreadable
from fustor_core.http.hosts import Hosts
from fustor_core.http.pipes import PipeView
from fustor_core.http.serving import listening
from fustor_core.wire import Condition, Identity, Transition, Via
from fustor_fusion.api import cursors
from fustor_fusion.api.application import PRINCIPAL, Parts, Route, build
from fustor_fusion.api.ports import RootAccess, RootFacts, SessionView, SourcePath
from fustor_fusion.authorization import PUSH_ANY, Authorizer, Key, hash_key
from fustor_fusion.news import News
from fustor_fusion.stores import Contribution, Reading, RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from fustor_fusion.trust import LiveRoot, Pending, Progress, Reason
from fustor_fusion.views import Views
from fustor_fusion.writing import Writing

EPOCH = 1_700_000_000_000_000_000
NOW = EPOCH + 10_000_000_000
WATCHING, LISTED, CLEAN_TO = 1_000, 2_000, 3_000
ODD = b"odd \xff+%\n&name"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
_FIELDS = "path name type size allocated mode uid gid nlink inode mtime ctime settled writing changed_at via root"
ENTRY_FIELDS = frozenset(_FIELDS.split())


def entry(kind: int = stat.S_IFREG, size: int = 0, inode: int = 1, mtime: tuple[int, int] = (1_600_000_000, 5), uid: int = 1000) -> Entry:
    return Entry(kind | 0o640, size, (size + 511) // 512 * 512, uid, 100, 1, inode, *mtime, 1_600_000_001, 999_999_999)


DIR = entry(stat.S_IFDIR, 4096)
TREE: list[Evidence] = [
    Seen(b"", LISTED, entry(stat.S_IFDIR, 4096, uid=0)),
    Listing(
        b"",
        LISTED + 1,
        {
            b"a": DIR,
            b"empty": entry(stat.S_IFDIR, 4096),
            b"big.iso": entry(size=5_000_000_000, inode=-1, mtime=(-1, 999_999_999)),
            b"nothing": entry(size=0),
            b"link": entry(stat.S_IFLNK, 7, mtime=(253_402_300_800, 0)),
            b"fifo": entry(stat.S_IFIFO),
            ODD: entry(size=3),
        },
    ),
    Listing(b"a", LISTED + 2, {b"%03d.py" % i: entry(size=i, inode=100 + i) for i in range(25)}),
    Listing(b"empty", LISTED + 3, {}),
]


def filled(store: RootStore, evidence: Sequence[Evidence]) -> RootStore:
    """The store, after a whole snapshot by one leader."""
    store.open_session("nas-1", "run", "s", Identity("ext4", "id", 2), now=100)
    frames = [
        Contribution("nas-1", "run", "s", 1, Via.SNAPSHOT, watching_since=WATCHING, begins=Via.SNAPSHOT),
        Contribution("nas-1", "run", "s", 2, Via.SNAPSHOT, evidence, clean_to=WATCHING, watching_since=WATCHING),
        Contribution("nas-1", "run", "s", 3, Via.SNAPSHOT, clean_to=CLEAN_TO, watching_since=WATCHING, ends=Via.SNAPSHOT),
    ]
    assert [outcome.problem for outcome in store.commit(frames, now=CLEAN_TO, drop_to=0)] == [None] * 3
    return store


LIVE = LiveRoot("nas-1", alive=True, clean_to=CLEAN_TO)
FACTS = RootFacts(["nas-1", "nas-2"], "nas-1", [SourcePath("nas-1", "boot-1", b"/srv/d\xff")])


@dataclass
class FakeRoot:
    """A root as the rest of fusion would show it."""

    store: RootStore
    state: LiveRoot = LIVE
    about: RootFacts = FACTS
    news: News = field(default_factory=News)

    def live(self) -> LiveRoot:
        return self.state

    def facts(self) -> RootFacts:
        return self.about

    def to_wall(self, stamp: int) -> int:
        return stamp + EPOCH


@dataclass
class FakeRoots:
    held: dict[str, FakeRoot] = field(default_factory=dict)

    def names(self) -> Sequence[str]:
        return sorted(self.held)

    def get(self, name: str) -> RootAccess | None:
        return self.held.get(name)


PIPE = PipeView(
    id="nas-1:research",
    side="agent",
    pipe_state="RUNNING | MESSAGE_SYNC",
    value=66,
    lifecycle="Active",
    operational="Running",
    health="Healthy",
    desired="running",
    phase="message",
    since=EPOCH,
    version=7,
    last_heartbeat=EPOCH + 1,
    conditions=[Condition("watch-limit", EPOCH, "12 directories are not watched", "sysctl")],
    counters={"sent": 4},
)


class FakePipes:
    def all(self) -> Sequence[PipeView]:
        return [PIPE]

    def get(self, pipe: str) -> PipeView | None:
        return PIPE if pipe == PIPE.id else None

    def history(self, pipe: str) -> Sequence[Transition] | None:
        rows = [
            Transition(0, EPOCH, [], 0, "Offline", "Idle", "Healthy", "initial"),
            Transition(1, EPOCH + 1, ["START"], 1, "Initializing", "Idle", "Healthy", "started"),
        ]
        return rows if pipe == PIPE.id else None


class FakeSessions:
    def all(self) -> Sequence[SessionView]:
        return [SessionView("s1", "nas-1", "research", "data", "leader", "open", EPOCH, EPOCH + 5, 17, "127.0.0.1")]


KEYS = {
    "all": ("*",),
    "default": ("read:default",),
    "research": ("read:research",),
    "ops": ("operate",),
    "pusher": ("push:data",),
}


@dataclass
class Served:
    """A running fusion API and a client of it."""

    port: int
    http: aiohttp.ClientSession
    roots: FakeRoots
    ready: list[str]

    def url(self, route: str) -> URL:
        return URL(f"http://127.0.0.1:{self.port}{route}", encoded=True)

    async def ask(self, route: str, status: int = 200, key: str | None = "all", method: str = "GET", **headers: str) -> Any:
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        async with self.http.request(method, self.url(route), headers=headers) as response:
            body = await response.json(content_type=None) if method != "HEAD" else None
            assert response.status == status, body
            wanted = "application/json" if status < 400 else "application/problem+json"
            assert response.content_type == wanted
            if status >= 400 and body is not None:
                assert body["status"] == status
                assert body["type"].startswith("urn:fustor:problem:")
                assert body["title"]
                assert " " in body["detail"]
            return body

    async def query(self, what: str, path: bytes, more: str = "", **options: Any) -> Any:
        return await self.ask(f"/v1/views/default/{what}?path={quote_from_bytes(path, safe='/')}{more}", **options)

    async def pages(self, route: str, first: str | None = None) -> list[Any]:
        """All entries, page by page."""
        entries: list[Any] = []
        after = "" if first is None else f"&after={first}"
        for _ in range(1000):
            answer = await self.ask(route + after)
            entries += answer["data"]
            if answer["meta"]["next"] is None:
                return entries
            after = f"&after={answer['meta']['next']}"
        raise AssertionError("the pages never end")


async def whoami(request: web.Request) -> web.Response:
    return web.json_response({"name": request[PRINCIPAL].name})


async def broken(_: web.Request) -> web.Response:
    raise RuntimeError("a secret of the inside")


async def large(request: web.Request) -> web.Response:
    return web.json_response({"size": len(await request.read())})


async def echo(request: web.Request) -> web.WebSocketResponse:
    assert request[PRINCIPAL].may("push", "data")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            raise RuntimeError("in the middle of a conversation")
        await socket.send_bytes(message.data)
    return socket


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RootStore, RootStore]]:
    data: RootStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data.sqlite")
    other: RootStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "other.sqlite")
    yield filled(data, TREE), filled(other, [Listing(b"", LISTED, {b"x": entry(size=10)})])
    data.close()
    other.close()


@pytest_asyncio.fixture
async def served(stores: tuple[RootStore, RootStore]) -> AsyncIterator[Served]:
    data, other = stores
    roots = FakeRoots({"data": FakeRoot(data), "other": FakeRoot(other)})
    views = Views({"research": {"data": b"/lab/one", "ghost": b"/lab/two"}, "whole": {"data": b"/"}})
    ready: list[str] = []
    parts = Parts(roots, views, FakePipes(), FakeSessions(), lambda: (not ready, " ".join(ready)), now=lambda: NOW)
    keys = [Key(name, hash_key(name), scopes) for name, scopes in KEYS.items()]
    extra = [
        Route("GET", "/v1/session", whoami, PUSH_ANY),
        Route("GET", "/v1/echo", echo, PUSH_ANY),
        Route("GET", "/broken", broken, None),
        Route("POST", "/large", large, None),
    ]
    application = build(parts, authorizer=Authorizer(keys), hosts=Hosts("127.0.0.1"), extra=extra)
    async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
        yield Served(port, http, roots, ready)


async def test_stat_has_every_field(served: Served) -> None:
    answer = await served.query("stat", b"/data/a/007.py")
    assert answer == {
        "data": {
            "path": "/data/a/007.py",
            "name": "007.py",
            "type": "file",
            "size": 7,
            "allocated": 512,
            "mode": stat.S_IFREG | 0o640,
            "uid": 1000,
            "gid": 100,
            "nlink": 1,
            "inode": "107",
            "mtime": "2020-09-13T12:26:40.000000005Z",
            "ctime": "2020-09-13T12:26:41.999999999Z",
            "settled": False,
            "writing": None,
            "changed_at": answer["data"]["changed_at"],
            "via": "snapshot",
            "root": "data",
        },
        "meta": {"as_of": "2023-11-14T22:13:20.000003000Z", "complete": True, "conditions": [], "next": None},
    }
    assert answer["data"]["changed_at"].startswith("2023-11-14T22:13:20.00000")


async def test_numbers_and_times_at_their_ends(served: Served) -> None:
    big = (await served.query("stat", b"/data/big.iso"))["data"]
    assert (big["inode"], big["mtime"], big["size"]) == (str(2**64 - 1), "1969-12-31T23:59:59.999999999Z", 5_000_000_000)
    link = (await served.query("stat", b"/data/link"))["data"]
    assert (link["type"], link["mtime"]) == ("symlink", "+010000-01-01T00:00:00.000000000Z")
    assert (await served.query("stat", b"/data/fifo"))["data"]["type"] == "other"


async def test_a_name_that_is_not_utf8_has_its_bytes_beside_it(served: Served) -> None:
    path = b"/data/" + ODD
    data = (await served.query("stat", path))["data"]
    assert base64.b64decode(data["path_b64"]) == path
    assert data["path"] == path.decode("utf-8", "replace")
    assert data["name"] == ODD.decode("utf-8", "replace")
    assert set(data) == ENTRY_FIELDS | {"path_b64"}
    for found in (await served.query("list", b"/data"))["data"]:
        assert set(found) - {"path_b64"} == ENTRY_FIELDS
        assert ("path_b64" in found) == (found["name"] == ODD.decode("utf-8", "replace"))


async def test_the_top_of_a_view_and_of_a_root(served: Served) -> None:
    top = (await served.query("stat", b"/"))["data"]
    assert set(top) == ENTRY_FIELDS
    assert {name for name, value in top.items() if value is not None} == {"path", "name", "type"}
    assert (top["path"], top["type"]) == ("/", "dir")
    root = (await served.query("stat", b"/data/"))["data"]
    assert (root["path"], root["name"], root["type"], root["uid"], root["root"]) == ("/data", "data", "dir", 0, "data")
    names = [found["path"] for found in (await served.query("list", b"/"))["data"]]
    assert names == ["/data", "/other"]


async def test_a_root_nobody_saw_is_an_unknown_directory(served: Served) -> None:
    answer = await served.ask("/v1/views/research/list?path=/lab")
    assert [(found["path"], found["uid"], found["root"]) for found in answer["data"]] == [
        ("/lab/one", 0, "data"),
        ("/lab/two", None, "ghost"),
    ]
    assert (answer["meta"]["complete"], answer["meta"]["as_of"]) == (False, None)
    assert [each["type"] for each in answer["meta"]["conditions"]] == ["never-connected"]
    assert (await served.ask("/v1/views/research/list?path=/lab/two"))["data"] == []
    assert (await served.ask("/v1/views/research/stat?path=/lab/one/a/001.py"))["data"]["path"] == "/lab/one/a/001.py"
    await served.ask("/v1/views/research/stat?path=/lab/two/x", 404)
    assert (await served.ask("/v1/views/research/usage?path=/lab/two"))["data"]["directories"] == 1


async def test_a_root_that_is_the_whole_view(served: Served) -> None:
    assert (await served.ask("/v1/views/whole/stat?path=/"))["data"]["uid"] == 0
    assert (await served.ask("/v1/views/whole/stat?path=/a/001.py"))["data"]["path"] == "/a/001.py"
    found = await served.pages("/v1/views/whole/find?limit=7")
    assert len(found) == 1 + 7 + 25
    assert (await served.ask("/v1/views/whole/roots"))["data"][0]["mount"] == "/"


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


async def test_usage(served: Served) -> None:
    data = (await served.query("usage", b"/data"))["data"]
    small = sum(range(25))
    assert (data["path"], data["files"], data["directories"], data["others"]) == ("/data", 28, 3, 2)
    assert data["bytes"] == small + 5_000_000_000 + 3
    assert data["newest_change"] == "+010000-01-01T00:00:00.000000000Z"
    assert set(data) == {"path", "files", "directories", "others", "bytes", "allocated", "newest_change"}
    whole = (await served.query("usage", b"/"))["data"]
    assert (whole["files"], whole["directories"], whole["bytes"]) == (29, 5, data["bytes"] + 10)
    one = (await served.query("usage", b"/data/a/007.py"))["data"]
    assert (one["files"], one["directories"], one["bytes"], one["allocated"]) == (1, 0, 7, 512)


async def test_roots(served: Served) -> None:
    answer = await served.ask("/v1/views/default/roots")
    data = answer["data"][0]
    assert data == {
        "root": "data",
        "mount": "/data",
        "complete": True,
        "as_of": "2023-11-14T22:13:20.000003000Z",
        "conditions": [],
        "snapshot_at": data["snapshot_at"],
        "audit_at": None,
        "entries": 33,
        "bytes": 5_000_000_303,
        "agents": ["nas-1", "nas-2"],
        "leader": "nas-1",
        "paths": [{"agent": "nas-1", "boot": "boot-1", "path": "/srv/d\ufffd", "path_b64": base64.b64encode(b"/srv/d\xff").decode()}],
        "drift": {"missing": 0, "extra": 0, "changed": 0, "places": []},
    }
    assert ISO.fullmatch(data["snapshot_at"])
    ghost = (await served.ask("/v1/views/research/roots"))["data"][1]
    assert (ghost["root"], ghost["mount"], ghost["complete"], ghost["entries"], ghost["agents"]) == ("ghost", "/lab/two", False, 0, [])


async def test_views_are_those_that_the_key_may_read(served: Served) -> None:
    answer = await served.ask("/v1/views")
    assert answer["data"] == [
        {"view": "default", "roots": ["data", "other"]},
        {"view": "research", "roots": ["data", "ghost"]},
        {"view": "whole", "roots": ["data"]},
    ]
    assert [each["view"] for each in (await served.ask("/v1/views", key="research"))["data"]] == ["research"]


async def test_pipes_and_their_history(served: Served) -> None:
    answer = await served.ask("/v1/pipes")
    [data] = answer["data"]
    assert data == {
        "id": "nas-1:research",
        "side": "agent",
        "pipe_state": "RUNNING | MESSAGE_SYNC",
        "value": 66,
        "lifecycle": "Active",
        "operational": "Running",
        "health": "Healthy",
        "desired": "running",
        "conditions": [
            {
                "type": "watch-limit",
                "since": "2023-11-14T22:13:20.000000000Z",
                "message": "12 directories are not watched",
                "remedy": "sysctl",
            }
        ],
        "phase": "message",
        "since": "2023-11-14T22:13:20.000000000Z",
        "version": 7,
        "last_heartbeat": "2023-11-14T22:13:20.000000001Z",
        "counters": {"sent": 4},
    }
    assert answer["meta"]["complete"] is True
    for written in ("nas-1:research", "nas-1%3Aresearch", "%6Eas-1%3aresearch"):
        assert (await served.ask(f"/v1/pipes/{written}"))["data"] == data
        rows = (await served.ask(f"/v1/pipes/{written}/history"))["data"]
        assert [(row["version"], row["pipe_state"], row["value"], row["events"]) for row in rows] == [
            (0, "STOPPED", 0, []),
            (1, "INITIALIZING", 1, ["START"]),
        ]
        assert set(rows[0]) == {"version", "at", "events", "pipe_state", "value", "lifecycle", "operational", "health", "reason"}
    await served.ask("/v1/pipes/nobody:nothing", 404)
    await served.ask("/v1/pipes/nobody:nothing/history", 404)


async def test_sessions(served: Served) -> None:
    [data] = (await served.ask("/v1/sessions"))["data"]
    assert (data["session"], data["agent"], data["root"], data["role"], data["acknowledged"]) == ("s1", "nas-1", "data", "leader", 17)


async def test_probes_need_no_key(served: Served) -> None:
    await served.ask("/livez", key=None)
    await served.ask("/readyz", key=None)
    served.ready.append("the store of data cannot be opened")
    problem = await served.ask("/readyz", 503, key=None)
    assert problem["detail"] == "the store of data cannot be opened"
    await served.ask("/livez", key=None)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/data/..", "`..`"),
        ("/data/%2e%2e/x", "`..`"),
        ("/./data", "`.`"),
        ("/data/a%00b", "NUL"),
        ("data", "relative"),
        ("", "empty"),
        ("/data/%zz", "%25"),
        ("/" + "a" * 65_536, "longer"),
    ],
)
@pytest.mark.parametrize("what", ["stat", "list", "find", "usage"])
async def test_what_is_no_path_is_a_problem_in_words(served: Served, what: str, path: str, words: str) -> None:
    problem = await served.ask(f"/v1/views/default/{what}?path={path}", 400)
    assert words in problem["detail"]


async def test_a_long_path_is_a_path(served: Served) -> None:
    long = b"/data" + b"/\xff\xfe deep" * 7000
    await served.query("stat", long, status=404)


@pytest.mark.parametrize("what", ["stat", "list", "find", "usage"])
async def test_what_is_not_there_is_not_found(served: Served, what: str) -> None:
    problem = await served.query(what, b"/data/no/such", status=404)
    assert problem["type"] == "urn:fustor:problem:no-such-path"
    assert problem["complete"] is True
    assert problem["as_of"] == "2023-11-14T22:13:20.000003000Z"
    await served.query(what, b"/data/a/001.py/below", status=404)
    assert "/data, /other" in (await served.query(what, b"/nowhere", status=404))["detail"]
    assert "there are default, research, whole" in (await served.ask(f"/v1/views/nope/{what}", 404))["detail"]


async def test_a_file_cannot_be_listed(served: Served) -> None:
    problem = await served.query("list", b"/data/a/001.py", status=400)
    assert problem["type"] == "urn:fustor:problem:not-a-directory"


async def test_parameters_that_are_wrong(served: Served) -> None:
    assert "max_age" in (await served.ask("/v1/views/default/stat?path=/&limit=3", 400))["detail"]
    assert "10,000" in (await served.ask("/v1/views/default/list?limit=10001", 400))["detail"]
    await served.ask("/v1/views/default/list?after=xyz", 400)
    await served.ask("/v1/views/default/find?settled=perhaps", 400)
    await served.ask("/v1/views/default/usage?quiet=1s", 400)
    await served.ask("/v1/pipes?x=1", 400)
    answer = await served.ask("/v1/views/default/list?limit=10000&path=/data")
    assert len(answer["data"]) == 7


async def test_what_is_settled_is_told_and_asked_for(served: Served) -> None:
    everything = await served.query("find", b"/data", "&limit=100")
    assert {entry["settled"] for entry in everything["data"]} == {False}
    settled = await served.query("find", b"/data", "&limit=100&quiet=0s&settled=true")
    assert [entry["path"] for entry in settled["data"]] == [entry["path"] for entry in everything["data"]]
    assert {entry["settled"] for entry in settled["data"]} == {True}
    assert (await served.query("find", b"/data", "&quiet=0s&settled=false"))["data"] == []
    served.roots.held["data"].state = replace(LIVE, writing=[Writing({b"a/003.py": True, b"a/004.py": False}, {b"a": 1, b"": 1})])
    unsettled = await served.query("find", b"/data", "&quiet=0s&settled=false&limit=10")
    assert [(entry["path"], entry["writing"]) for entry in unsettled["data"]] == [
        ("/data", True),
        ("/data/a", True),
        ("/data/a/003.py", True),
    ]
    assert (await served.query("stat", b"/data/a/004.py", "&quiet=0s"))["data"]["writing"] is False
    listed = await served.query("list", b"/data", "&quiet=0s")
    assert {entry["name"] for entry in listed["data"] if not entry["settled"]} == {"a"}
    served.roots.held["data"].state = replace(LIVE, alive=False)
    assert (await served.query("stat", b"/data/a/004.py", "&quiet=0s"))["data"]["settled"] is None


async def test_a_cursor_that_no_store_gave(served: Served) -> None:
    forged = cursors.encode(cursors.Inside(b"data", "\u00e9forged"))
    await served.ask(f"/v1/views/default/find?after={forged}", 400)


@pytest.mark.parametrize(
    "route", ["/", "/v1", "/v1/", "/v1/views/", "/v1/views/default", "/v1/views/default/nope", "/v1/pipes/a/b/c", "/%ff"]
)
async def test_unknown_routes(served: Served, route: str) -> None:
    problem = await served.ask(route, 404)
    assert problem["type"] == "urn:fustor:problem:no-such-route"
    await served.ask(route, 404, key=None)


async def test_wrong_methods(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        problem = await served.ask("/v1/views", 405, method=method)
        assert "GET or HEAD" in problem["detail"]
    async with served.http.post(served.url("/v1/views")) as response:
        assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD"}
    await served.ask("/v1/views", method="HEAD")


async def test_keys(served: Served) -> None:
    for route in ("/v1/views", "/v1/views/default/stat", "/v1/pipes", "/v1/pipes/x:y", "/v1/sessions", "/v1/session"):
        for wrong in (None, "wrong", ""):
            await served.ask(route, 401, key=wrong)
    async with served.http.get(served.url("/v1/views")) as response:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_scopes(served: Served) -> None:
    assert "read:research" in (await served.ask("/v1/views/research/stat", 403, key="default"))["detail"]
    await served.ask("/v1/views/nope/stat", 403, key="default")
    await served.ask("/v1/views/default/stat", key="default")
    await served.ask("/v1/views", 403, key="ops")
    await served.ask("/v1/pipes", key="ops")
    await served.ask("/v1/pipes", key="default")
    await served.ask("/v1/pipes", 403, key="pusher")
    await served.ask("/v1/sessions", 403, key="pusher")
    await served.ask("/v1/session", 403, key="default")
    assert await served.ask("/v1/session", key="pusher") == {"name": "pusher"}


async def test_hosts_and_origins(served: Served) -> None:
    await served.ask("/livez", 403, key=None, Host="evil.example.org")
    await served.ask("/v1/views", 403, Host="evil.example.org")
    await served.ask("/v1/session", 403, key="pusher", Origin="http://evil.example.org")
    await served.ask("/nope", 403, Host=f"evil.example.org:{served.port}")
    await served.ask("/v1/views", Host=f"localhost:{served.port}", Origin=f"http://localhost:{served.port}")
    await served.ask("/v1/views", 403, Origin="null")


async def test_a_failure_of_ours_is_a_problem_without_its_inside(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    problem = await served.ask("/broken", 500, key=None)
    assert "secret" not in str(problem)
    assert "a secret of the inside" in caplog.text


async def test_a_body_that_is_too_large(served: Served) -> None:
    async with served.http.post(served.url("/large"), data=io.BytesIO(b"x" * (3 << 20))) as response:
        assert response.status == 413
        assert response.content_type == "application/problem+json"
        assert (await response.json(content_type=None))["status"] == 413


async def test_a_store_that_cannot_be_read_at_the_moment(served: Served) -> None:
    class Away(MemoryStore):
        failing = True

        @contextmanager
        def reading(self) -> Iterator[Reading]:
            if self.failing:
                raise StoreUnavailable("data.sqlite cannot be opened (disk I/O error): see to its disk")
            with super().reading() as reading:
                yield reading

    served.roots.held["data"].store = Away()
    for what in ("stat", "list", "find", "usage"):
        problem = await served.query(what, b"/data", status=503)
        assert "disk I/O error" in problem["detail"]
    await served.query("stat", b"/other/x")


async def test_a_websocket_passes_the_same_gate(served: Served) -> None:
    async with served.http.ws_connect(served.url("/v1/echo"), headers={"Authorization": "Bearer pusher"}) as socket:
        await socket.send_bytes(b"hello")
        assert await socket.receive_bytes() == b"hello"
        await socket.send_str("break")
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING)
    refusals: list[tuple[dict[str, str], int]] = [
        ({}, 401),
        ({"Authorization": "Bearer default"}, 403),
        ({"Authorization": "Bearer pusher", "Origin": "http://evil.example.org"}, 403),
    ]
    for headers, status in refusals:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await served.http.ws_connect(served.url("/v1/echo"), headers=headers)
        assert refusal.value.status == status


@pytest.mark.parametrize(
    "request_line", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost\r\n\r\n", b"GET /" + b"a" * 400_000 + b" HTTP/1.1\r\n\r\n"]
)
async def test_what_is_no_http_is_a_problem_too(served: Served, request_line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request_line)
    answer = await reader.read()
    writer.close()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/problem+json" in answer
    await served.ask("/livez", key=None)


async def test_an_answer_older_than_wanted_is_refused(served: Served) -> None:
    route = "/v1/views/default/stat?path=/data&max_age="
    await served.ask(route + "10s")
    problem = await served.ask(route + "9s", 412)
    assert problem["as_of"] == "2023-11-14T22:13:20.000003000Z"
    assert problem["type"] == "urn:fustor:problem:not-fresh-enough"
    for what in ("list", "find", "usage", "roots"):
        await served.ask(f"/v1/views/default/{what}?max_age=10", 200)
        await served.ask(f"/v1/views/default/{what}?max_age=1", 412)
    await served.ask("/v1/views/default/stat?path=/data/no-such&max_age=1", 412)
    await served.ask("/v1/views/research/stat?path=/lab/two&max_age=365d", 412)


async def test_an_incomplete_answer_is_refused_where_that_was_demanded(served: Served) -> None:
    data = served.roots.held["data"]
    data.state = replace(data.state, pending=[Pending(b"a/001.py", Reason.ASKED, CLEAN_TO - 500)])
    for what in ("stat", "list", "find", "usage"):
        await served.query(what, b"/data/empty", "&require_complete=true")
        answer = await served.query(what, b"/data/a", "&require_complete=false")
        assert (answer["meta"]["complete"], answer["meta"]["as_of"]) == (False, "2023-11-14T22:13:20.000002500Z")
        problem = await served.query(what, b"/data/a", "&require_complete=true", status=412)
        assert [each["type"] for each in problem["conditions"]] == ["pending"]
        await served.query(what, b"/", "&require_complete=true", status=412)
        await served.query(what, b"/other", "&require_complete=true")
    await served.ask("/v1/views/default/roots?require_complete=true", 412)


async def test_every_answer_says_why_it_is_not_complete(served: Served) -> None:
    data = served.roots.held["data"]
    data.state = LiveRoot("nas-1", alive=False, away_since=EPOCH + 9)
    [condition] = (await served.query("stat", b"/data"))["meta"]["conditions"]
    assert set(condition) == {"type", "since", "message", "remedy"}
    assert (condition["type"], condition["since"]) == ("agent-away", "2023-11-14T22:13:20.000000009Z")
    [condition] = (await served.query("stat", b"/"))["meta"]["conditions"]
    assert condition["message"].startswith("data: agent nas-1 has been away since")
    empty = MemoryStore()
    served.roots.held["data"] = FakeRoot(empty, LiveRoot("nas-1", alive=True, snapshot=Progress(EPOCH, "43 %")))
    answer = await served.query("list", b"/data")
    assert answer["data"] == []
    assert (answer["meta"]["as_of"], answer["meta"]["complete"]) == (None, False)
    assert answer["meta"]["conditions"][0]["message"] == "a snapshot is running: 43 %"


async def test_unreadable_directories_are_said(served: Served) -> None:
    frame = Contribution("nas-1", "run", "s", 4, Via.LIVE, [Unreadable(b"empty", 4_000, "Permission denied")])
    served.roots.held["data"].store.commit([frame], now=5_000, drop_to=0)
    meta = (await served.query("list", b"/data"))["meta"]
    assert meta["complete"] is False
    assert "unreadable" in [each["type"] for each in meta["conditions"]]
    assert (await served.query("list", b"/data/a"))["meta"]["complete"] is True


class Slow:
    """A store whose readings wait until they are let go."""

    def __init__(self, store: RootStore) -> None:
        self._store = store
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.open_session: Callable[..., Any] = store.open_session
        self.commit: Callable[..., Any] = store.commit
        self.accept: Callable[..., Any] = store.accept
        self.held = store.held
        self.due_held: Callable[..., Any] = store.due_held
        self.forget_held: Callable[..., Any] = store.forget_held
        self.hurry_held: Callable[..., Any] = store.hurry_held
        self.purge: Callable[..., Any] = store.purge
        self.links_noted = False
        self.forget_links: Callable[..., Any] = store.forget_links
        self.close: Callable[..., Any] = store.close

    @property
    def last_change(self) -> int:
        return self._store.last_change

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        self.begun.release()
        self.go.wait(60)
        with self._store.reading() as reading:
            yield reading

    def reading(self) -> AbstractContextManager[Reading]:
        return self._reading()


async def test_a_slow_reading_holds_up_nobody_else(served: Served) -> None:
    slow = Slow(served.roots.held["data"].store)
    served.roots.held["data"].store = slow
    waiting = [asyncio.create_task(served.query("list", b"/data")) for _ in range(2)]
    try:
        assert await asyncio.to_thread(slow.begun.acquire, timeout=30)
        began = time.monotonic()
        await served.ask("/livez", key=None)
        await served.ask("/v1/pipes")
        await served.query("stat", b"/other/x")
        assert time.monotonic() - began < 5
        assert not any(task.done() for task in waiting)
    finally:
        slow.go.set()
    assert {len((await task)["data"]) for task in waiting} == {7}


async def test_many_at_once_all_get_their_own_answer(served: Served) -> None:
    async def one(number: int) -> None:
        data = (await served.query("stat", b"/data/a/%03d.py" % (number % 25)))["data"]
        assert data["size"] == number % 25

    await asyncio.gather(*(one(number) for number in range(300)))


async def test_a_port_that_is_taken_is_said(served: Served) -> None:
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{served.port}"):
        async with listening(web.Application(), "127.0.0.1", served.port):
            pass


def test_no_route_is_without_its_needs() -> None:
    """The gate closes a route that somebody adds without saying what it needs."""
    parts = Parts(FakeRoots(), Views({}), FakePipes(), FakeSessions(), lambda: (True, ""))

    async def check() -> None:
        application = build(parts, authorizer=Authorizer.open("127.0.0.1"), hosts=Hosts("127.0.0.1"))
        application.router.add_get("/forgotten", whoami)
        async with listening(application, "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/forgotten") as response:
                assert response.status == 500
            async with http.get(f"http://127.0.0.1:{port}/v1/views/default/list") as response:
                answer = await response.json()
                assert (answer["data"], answer["meta"]["complete"]) == ([], False)
                assert answer["meta"]["conditions"][0]["type"] == "no-roots"

    asyncio.run(check())
