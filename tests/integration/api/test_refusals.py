"""Requests that are refused: always with a problem document, in words."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import aiohttp
import pytest

from fustor_core.errors import StoreUnavailable
from fustor_fusion.api import cursors
from fustor_fusion.sessions.writing import Writing
from fustor_fusion.stores import Reading
from fustor_fusion.stores.memory import MemoryStore
from tests.integration.api.serving import LIVE, Served


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
