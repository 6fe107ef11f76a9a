"""What the API tells of roots, views, pipes and sessions."""

import base64

from tests.integration.api.serving import ISO, Served


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
        "root": "data",
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
