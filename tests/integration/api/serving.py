"""The API of fusion on a real port, over real stores that evidence was committed to, and fakes of all that is beside them."""

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_from_bytes

import aiohttp
from aiohttp import web
from yarl import URL

from fustor_core.evidence import Entry, Evidence, Listing, Seen
from fustor_core.http.pipes import PipeView
from fustor_core.wire import Condition, Identity, Transition, Via
from fustor_fusion.api.application import PRINCIPAL
from fustor_fusion.api.ports import RootAccess, RootFacts, SessionView, SourcePath
from fustor_fusion.news import News
from fustor_fusion.stores import Contribution, RootStore
from fustor_fusion.trust import LiveRoot

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
    asked: int = 0
    """How often it was asked for its state."""

    def live(self) -> LiveRoot:
        self.asked += 1
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
    root="data",
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
