"""The feed of changes over HTTP: pages, places in it, waiting, and what is not kept any more."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import aiohttp
import pytest

from fustor_core.evidence import Entry, Evidence, Gone, Listing, Seen
from fustor_core.http.hosts import Hosts
from fustor_core.http.serving import listening
from fustor_core.wire import Hello, Identity, Via
from fustor_fusion.api.application import Parts, build
from fustor_fusion.authorization import Authorizer
from fustor_fusion.board import Board
from fustor_fusion.feed import Feed
from fustor_fusion.merge.changes import KEPT
from fustor_fusion.roots.registry import RootRegistry
from fustor_fusion.roots.root import RootOptions
from fustor_fusion.stores import Contribution, RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from fustor_fusion.views import Views

FILE, DIRECTORY = Entry(0o100644, 1, 512, 0, 0, 1, 7, 0, 0, 0, 0), Entry(0o040755, 1, 512, 0, 0, 2, 8, 0, 0, 0, 0)
OPTIONS = RootOptions(window=8, lease=5.0, quiet=10.0)


class Sessions:
    def all(self) -> list[Any]:
        return []


class Fusion:
    """Roots, and their API on a port."""

    def __init__(self, roots: RootRegistry, http: aiohttp.ClientSession, port: int) -> None:
        self.roots, self._http, self._port = roots, http, port
        self._sequences: dict[str, int] = {}
        self._slots: dict[str, tuple[str, int]] = {}

    async def says(self, root: str, *evidence: Evidence, via: Via = Via.LIVE) -> None:
        """An agent of the root commits evidence."""
        opened = await self.roots.open(root)
        if root not in self._slots:
            hello = Hello("nas-1", "boot", b"/" + root.encode(), "run", "p", root, Identity("ext4", "1", 2), [], "", 0, 0.0, False)
            session, _, _ = await opened.open_session(hello, "")
            self._slots[root] = session.id, session.slot
        sequence = self._sequences[root] = self._sequences.get(root, 0) + 1
        [outcome] = await opened.commit([Contribution("nas-1", "run", self._slots[root][0], sequence, via, evidence)])
        assert outcome.problem is None

    async def changes(self, path: bytes = b"/", status: int = 200, **parameters: object) -> Any:
        more = "".join(f"&{name}={value}" for name, value in parameters.items() if value is not None)
        url = f"http://127.0.0.1:{self._port}/v1/views/default/changes?path={quote_from_bytes(path)}{more}"
        async with self._http.get(url) as response:
            answer = await response.json(content_type=None)
            assert response.status == status, answer
            return answer


@asynccontextmanager
async def running(store: Callable[[str], RootStore]) -> AsyncIterator[Fusion]:
    roots = RootRegistry(store, OPTIONS, lambda agent, root: "")
    parts = Parts(roots, Views({}), Board(1.0, Feed("run")), Sessions(), lambda: (True, ""))
    application = build(parts, authorizer=Authorizer.open("127.0.0.1"), hosts=Hosts("127.0.0.1", (), ()))
    async with aiohttp.ClientSession() as http, listening(application, "127.0.0.1", 0) as port:
        yield Fusion(roots, http, port)
    await roots.close()


@pytest.fixture(params=["memory", "sqlite"])
async def fusion(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fusion]:
    def store(name: str) -> RootStore:
        return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / f"{name}.db")

    async with running(store) as made:
        yield made


def brief(answer: Any) -> list[tuple[str, str]]:
    return [(change["kind"], change["path"]) for change in answer["data"]]


async def test_pages_go_on_where_the_one_before_ended(fusion: Fusion) -> None:
    await fusion.says("data", Listing(b"", 10, {b"d": DIRECTORY, b"f": FILE}), via=Via.SNAPSHOT)
    await fusion.says("data", Seen(b"d/a", 20, FILE), Seen(b"d/\xff", 21, FILE), Gone(b"f", 22))
    first = await fusion.changes(limit=2)
    assert brief(first) == [("listed", "/data"), ("appeared", "/data/d/a")]
    rest = await fusion.changes(after=first["meta"]["next"])
    assert brief(rest) == [("appeared", "/data/d/�"), ("gone", "/data/f")]
    assert base64.b64decode(rest["data"][0]["path_b64"]) == b"/data/d/\xff"
    assert (rest["data"][1]["via"], rest["data"][1]["root"]) == ("live", "data")
    assert rest["data"][0]["at"].endswith("Z")
    end = await fusion.changes(after=rest["meta"]["next"])
    assert (end["data"], end["meta"]["next"]) == ([], rest["meta"]["next"])
    now = await fusion.changes(after="now")
    assert (now["data"], now["meta"]["next"]) == ([], end["meta"]["next"])


async def test_a_path_has_its_own_changes_and_what_took_it_away(fusion: Fusion) -> None:
    await fusion.says("data", Listing(b"", 10, {b"d": DIRECTORY, b"e": DIRECTORY}), via=Via.SNAPSHOT)
    await fusion.says("data", Seen(b"d/sub/a", 20, FILE), Seen(b"d/subtle", 21, FILE), Seen(b"e/x", 22, FILE), Gone(b"d", 23))
    assert brief(await fusion.changes(b"/data/d/sub")) == [("appeared", "/data/d/sub"), ("appeared", "/data/d/sub/a"), ("gone", "/data/d")]
    nothing = await fusion.changes(b"/data/never", after="now")
    await fusion.says("data", Seen(b"e/y", 30, FILE))
    skipped = await fusion.changes(b"/data/never", after=nothing["meta"]["next"])
    assert (skipped["data"], skipped["meta"]["next"] != nothing["meta"]["next"]) == ([], True)


async def test_roots_side_by_side_have_one_feed(fusion: Fusion) -> None:
    for number in range(3):
        await fusion.says("one", Seen(b"a%d" % number, 10 + number, FILE))
        await fusion.says("two", Seen(b"b%d" % number, 10 + number, FILE))
    seen: list[str] = []
    after: str | None = None
    while (page := await fusion.changes(limit=1, after=after))["data"]:
        after = page["meta"]["next"]
        seen += [change["path"] for change in page["data"]]
    assert len(seen) == 6
    assert seen == sorted(seen, key=lambda path: (path[-1], path))
    await fusion.says("three", Seen(b"c", 10, FILE))
    assert brief(await fusion.changes(after=after)) == [("appeared", "/three/c")], "a root that is new has changes from its first on"


async def test_whoever_waits_hears_of_a_change_at_once(fusion: Fusion) -> None:
    await fusion.says("data", Seen(b"d/old", 10, FILE))
    cursor = (await fusion.changes(after="now"))["meta"]["next"]
    waiting = asyncio.create_task(fusion.changes(b"/data/d", after=cursor, wait="60s"))
    from_now = asyncio.create_task(fusion.changes(b"/data/d", after="now", wait="60s"))
    await fusion.changes(b"/data/d", after="now", wait="300ms")
    await fusion.says("data", Seen(b"elsewhere", 20, FILE))
    assert not waiting.done()
    await fusion.says("data", Seen(b"d/new", 30, FILE))
    for told in (waiting, from_now):
        assert brief(await asyncio.wait_for(told, 30)) == [("appeared", "/data/d/new")]


async def test_what_is_not_kept_any_more_is_a_gap(fusion: Fusion) -> None:
    await fusion.says("data", Seen(b"first", 10, FILE))
    early = (await fusion.changes(limit=1))["meta"]["next"]
    for thousand in range(KEPT // 5000 + 1):
        await fusion.says("data", *(Seen(b"%d-%d" % (thousand, name), 10**6 * (thousand + 1) + name, FILE) for name in range(5000)))
    problem = await fusion.changes(after=early, status=410)
    assert problem["type"] == "urn:fustor:problem:gap"
    assert "after=now" in problem["detail"]
    kept = await fusion.changes(limit=1)
    assert kept["data"][0]["path"] != "/data/first"
    await fusion.changes(after=kept["meta"]["next"], limit=1)
    async with running(lambda name: MemoryStore()) as another:
        await another.says("data", Seen(b"f", 10, FILE))
        assert (await another.changes(after=early, status=410))["type"] == "urn:fustor:problem:gap"


async def test_what_is_no_cursor_is_refused(fusion: Fusion) -> None:
    await fusion.says("data", Seen(b"f", 10, FILE))
    for wrong in ({"after": "xyz"}, {"after": "AAAA"}, {"limit": 0}, {"wait": "2m"}, {"name": "f"}):
        await fusion.changes(status=400, **wrong)
