"""A fusion that answers from a directory of this machine, in the JSON of DESIGN §6: what client and commands are tested against.

It filters as the API says, a page at a time, and knows nothing of evidence, stores or agents.
"""

import base64
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web
from aiohttp.typedefs import Handler

from fustor_core import globs
from fustor_core.evidence import kind_of
from fustor_core.times import format_instant, parse_instant

META: dict[str, Any] = {"as_of": "2024-02-29T12:00:00.000000000Z", "complete": True, "conditions": [], "next": None}


def entry_json(path: bytes, status: os.stat_result) -> dict[str, Any]:
    """The entry that fusion would show at `path` for what lstat gives."""
    try:
        shown = {"path": path.decode(), "name": path.rpartition(b"/")[2].decode() or "/"}
    except UnicodeDecodeError:
        text = path.decode("utf-8", "replace")
        shown = {"path": text, "name": text.rpartition("/")[2], "path_b64": base64.b64encode(path).decode()}
    return {
        **shown,
        "type": str(kind_of(status.st_mode)),
        "size": status.st_size,
        "allocated": status.st_blocks * 512,
        "mode": status.st_mode,
        "uid": status.st_uid,
        "gid": status.st_gid,
        "nlink": status.st_nlink,
        "inode": str(status.st_ino),
        "mtime": format_instant(*divmod(status.st_mtime_ns, 10**9)),
        "ctime": format_instant(*divmod(status.st_ctime_ns, 10**9)),
        "settled": None,
        "writing": None,
        "changed_at": "2024-02-29T12:00:00.000000000Z",
        "via": "snapshot",
        "root": "data",
    }


def walk(directory: bytes) -> Iterator[tuple[bytes, int]]:
    """All paths below `directory`, and their depth below it."""
    stack = [(directory, 0)]
    while stack:
        above, depth = stack.pop()
        for name in sorted(os.listdir(above), reverse=True):
            path = above + name if above.endswith(b"/") else above + b"/" + name
            yield path, depth + 1
            if stat.S_ISDIR(os.lstat(path).st_mode):
                stack.append((path, depth + 1))


@dataclass
class FakeFusion:
    """The root `data`, mounted at `/data`, is the directory `tree`. `requests` are the targets that were asked for. So many `rests_lost`
    end without an answer, as where it is killed."""

    tree: bytes
    key: str = "right"
    page: int = 7
    boot: str = ""
    meta: dict[str, Any] = field(default_factory=lambda: dict(META))
    pipes: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    rests_lost: int = 0

    def application(self) -> web.Application:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._admit(request, handler)

        application = web.Application(middlewares=[gate])
        routes = {"stat": self._stat, "list": self._list, "find": self._find, "usage": self._usage, "roots": self._roots}
        for name, handler in {**routes, "rest": self._rest}.items():
            application.router.add_get(f"/v1/views/{{view}}/{name}", handler)
        application.router.add_get("/v1/pipes", self._pipes)
        return application

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(str(request.rel_url.raw_path_qs))
        sent = request.headers.get("Authorization")
        if sent == "Bearer narrow":
            return problem(403, "forbidden", "the key may not read this view")
        if sent != f"Bearer {self.key}":
            return problem(401, "unidentified", "no such key")
        if request.match_info.get("view", "default") != "default":
            return problem(404, "no-such-view", "there is no view 'other'; there are default")
        if "require_complete" in request.query and not self.meta["complete"]:
            return problem(412, "not-fresh-enough", "the answer is not complete")
        return await handler(request)

    def _disk(self, request: web.Request) -> tuple[bytes, dict[str, bytes], bytes]:
        """The path on disk that was asked for, the parameters, and the path in the view."""
        pairs = [pair.partition("=") for pair in request.rel_url.raw_query_string.split("&") if pair]
        given = {name: unquote_to_bytes(value) for name, _, value in pairs}
        path = given.get("path", b"/").rstrip(b"/") or b"/"
        if b".." in path.split(b"/"):
            raise web.HTTPBadRequest(text="dots")
        return self.tree + path.removeprefix(b"/data"), given, path

    def _shown(self, path: bytes) -> bytes:
        return b"/data" + path[len(self.tree) :]

    async def _stat(self, request: web.Request) -> web.Response:
        disk, _, path = self._disk(request)
        return self._status(disk, path)

    def _status(self, disk: bytes, path: bytes) -> web.Response:
        if path == b"/":
            unknown = dict.fromkeys(entry_json(b"/", os.lstat(self.tree)))
            return web.json_response({"data": {**unknown, "path": "/", "name": "/", "type": "dir"}, "meta": self.meta})
        if not path.startswith(b"/data") or not os.path.lexists(disk):
            return problem(404, "no-such-path", f"the view default has nothing at {path!r}")
        return web.json_response({"data": entry_json(path, os.lstat(disk)), "meta": self.meta})

    async def _list(self, request: web.Request) -> web.Response:
        return self._listed(*self._disk(request))

    def _listed(self, disk: bytes, given: Mapping[str, bytes], path: bytes) -> web.Response:
        if path == b"/":
            return self._paged([entry_json(b"/data", os.lstat(self.tree))], given)
        if not os.path.lexists(disk):
            return problem(404, "no-such-path", f"the view default has nothing at {path!r}")
        names = sorted(os.listdir(disk)) if stat.S_ISDIR(os.lstat(disk).st_mode) else []
        found = [disk + b"/" + name for name in names]
        return self._paged([entry_json(self._shown(each), os.lstat(each)) for each in found], given)

    async def _find(self, request: web.Request) -> web.Response:
        disk, given, path = self._disk(request)
        below = [(each, depth) for each, depth in walk(disk if path != b"/" else self.tree)]
        deeper = 1 if path == b"/" else 0
        entries = [
            (entry_json(self._shown(each), os.lstat(each)), depth + deeper, each) for each, depth in [(disk.rstrip(b"/"), 0), *below]
        ]
        return self._paged([entry for entry, depth, each in entries if _passes(entry, depth, each, given)], given)

    async def _usage(self, request: web.Request) -> web.Response:
        disk, _, path = self._disk(request)
        return self._totals(disk, path)

    def _totals(self, disk: bytes, path: bytes) -> web.Response:
        disk = self.tree if path == b"/" else disk
        if not os.path.lexists(disk):
            return problem(404, "no-such-path", f"the view default has nothing at {path!r}")
        statuses = [os.lstat(each) for each in [disk, *(each for each, _ in walk(disk) if stat.S_ISDIR(os.lstat(disk).st_mode))]]
        files = [status for status in statuses if stat.S_ISREG(status.st_mode)]
        directories = [status for status in statuses if stat.S_ISDIR(status.st_mode)]
        totals = {
            "path": path.decode("utf-8", "replace"),
            "files": len(files),
            "directories": len(directories),
            "others": len(statuses) - len(files) - len(directories),
            "bytes": sum(status.st_size for status in files),
            "allocated": sum(status.st_blocks * 512 for status in statuses),
            "newest_change": format_instant(*divmod(max(status.st_mtime_ns for status in statuses), 10**9)),
        }
        return web.json_response({"data": totals, "meta": self.meta})

    async def _roots(self, _: web.Request) -> web.Response:
        source = {"agent": "here", "boot": self.boot, "path": os.fsdecode(self.tree)}
        unknown = dict.fromkeys(("as_of", "snapshot_at", "audit_at", "leader"))
        totals: dict[str, Any] = {"complete": True, "conditions": [], "entries": 1, "bytes": 0, "agents": ["here"], "paths": [source]}
        return web.json_response({"data": [{"root": "data", "mount": "/data", **unknown, **totals}], "meta": self.meta})

    async def _rest(self, request: web.Request) -> web.Response:
        if self.rests_lost:
            self.rests_lost -= 1
            assert request.transport is not None
            request.transport.abort()
        return self._rests(*self._disk(request))

    def _rests(self, disk: bytes, _: Mapping[str, bytes], path: bytes) -> web.Response:
        exists = os.path.lexists(disk)
        unknown: dict[str, Any] = dict.fromkeys(("changed_at", "settles_at"))
        rest = {"path": path.decode(), "exists": exists, "settled": exists, "confirmed": exists, "files_written": 0, "files": 1, "bytes": 1}
        return web.json_response({"data": {**rest, **unknown}, "meta": self.meta})

    async def _pipes(self, _: web.Request) -> web.Response:
        return web.json_response({"data": self.pipes, "meta": self.meta})

    def _paged(self, entries: list[dict[str, Any]], given: Mapping[str, bytes]) -> web.Response:
        begin = int(given.get("after", b"0"))
        end = begin + min(self.page, int(given.get("limit", b"1000")))
        following = str(end) if end < len(entries) else None
        return web.json_response({"data": entries[begin:end], "meta": {**self.meta, "next": following}})


def problem(status: int, slug: str, detail: str) -> web.Response:
    document = {"type": f"urn:fustor:problem:{slug}", "title": slug, "status": status, "detail": detail}
    return web.json_response(document, status=status, content_type="application/problem+json")


def _passes(entry: dict[str, Any], depth: int, disk: bytes, given: Mapping[str, bytes]) -> bool:
    name = disk.rpartition(b"/")[2]
    modified = parse_instant(entry["mtime"])
    tests: dict[str, Callable[[bytes], bool]] = {
        "name": lambda value: globs.compile(value)(name),
        "iname": lambda value: globs.compile(value, ignore_case=True)(name),
        "type": lambda value: entry["type"] in value.decode().split(","),
        "min_size": lambda value: entry["size"] >= int(value),
        "max_size": lambda value: entry["size"] <= int(value),
        "newer": lambda value: modified > parse_instant(value.decode()),
        "older": lambda value: modified < parse_instant(value.decode()),
        "uid": lambda value: entry["uid"] == int(value),
        "min_depth": lambda value: depth >= int(value),
        "max_depth": lambda value: depth <= int(value),
        "empty": lambda value: _is_empty(entry, disk) is (value == b"true"),
        "path": lambda value: True,
        "limit": lambda value: True,
        "after": lambda value: True,
    }
    return all(tests[name](value) for name, value in given.items())


def _is_empty(entry: dict[str, Any], disk: bytes) -> bool:
    return not os.listdir(disk) if entry["type"] == "dir" else entry["type"] == "file" and entry["size"] == 0
