"""How far an answer is to be trusted, and refusing one that is not as good as demanded."""

import asyncio
from dataclasses import replace

from fustor_core.evidence import Unreadable
from fustor_core.wire import Via
from fustor_fusion.stores import Contribution
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.trust import LiveRoot, Pending, Progress, Reason
from tests.integration.api.serving import CLEAN_TO, EPOCH, FakeRoot, Served
from tests.polling import soon


async def test_an_answer_older_than_wanted_is_refused(served: Served) -> None:
    route = "/v1/views/default/stat?path=/data&max_age="
    await served.ask(route + "10s")
    problem = await served.ask(route + "9s", 412)
    assert problem["as_of"] == "2023-11-14T22:13:20.000003000Z"
    assert problem["type"] == "urn:fustor:problem:not-fresh-enough"
    for what in ("list", "find", "usage", "rest", "roots"):
        await served.ask(f"/v1/views/default/{what}?max_age=10", 200)
        await served.ask(f"/v1/views/default/{what}?max_age=1", 412)
    await served.ask("/v1/views/default/stat?path=/data/no-such&max_age=1", 412)
    await served.ask("/v1/views/research/stat?path=/lab/two&max_age=365d", 412)


async def test_whoever_waits_for_a_path_is_refused_only_at_the_end(served: Served) -> None:
    data = served.roots.held["data"]
    data.state = replace(data.state, pending=[Pending(b"a/001.py", Reason.ASKED, CLEAN_TO - 500)])
    route = "/v1/views/default/rest?path=/data/a&settled=false&require_complete=true"
    await served.ask(f"{route}&wait=0.3s", 412)
    before = data.asked
    waiting = asyncio.create_task(served.ask(f"{route}&wait=30s"))
    await soon(lambda: data.asked > before)
    data.state = replace(data.state, pending=[])
    assert (await waiting)["data"]["exists"]


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


async def test_nothing_is_settled_below_a_directory_that_cannot_be_read(served: Served) -> None:
    whole = {each["path"] for each in (await served.query("find", b"/data/a", "&settled=true&quiet=0s"))["data"]}
    assert "/data/a/001.py" in whole
    # Above what is asked for, which has been listed itself.
    frame = Contribution("nas-1", "run", "s", 4, Via.LIVE, [Unreadable(b"", 4_000, "Permission denied")])
    served.roots.held["data"].store.commit([frame], now=5_000, drop_to=0)
    for path in (b"/data/a", b"/data/a/001.py"):
        assert (await served.query("stat", path, "&quiet=0s"))["data"]["settled"] is None
        assert (await served.query("rest", path, "&quiet=0s"))["data"]["settled"] is None
    assert (await served.query("find", b"/data/a", "&settled=true&quiet=0s"))["data"] == []


async def test_unreadable_directories_are_said(served: Served) -> None:
    frame = Contribution("nas-1", "run", "s", 4, Via.LIVE, [Unreadable(b"empty", 4_000, "Permission denied")])
    served.roots.held["data"].store.commit([frame], now=5_000, drop_to=0)
    meta = (await served.query("list", b"/data"))["meta"]
    assert meta["complete"] is False
    assert "unreadable" in [each["type"] for each in meta["conditions"]]
    assert (await served.query("list", b"/data/a"))["meta"]["complete"] is True
