"""Entries as the API gives them, DESIGN §6 field by field."""

import base64
import stat

from tests.integration.api.serving import ENTRY_FIELDS, ODD, Served


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
