"""`fustor find` over a large view: what is found is printed while the rest is still to be asked for, and memory does not grow with it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.fake_fusion import META, entry_json
from tests.memory import peak

PAGES = 150
PAGE = 1_000
READ_BEFORE = 5
"""The page that is given out only when something has been printed."""
MOST_GROWTH_KIB = 8 * 1024
KEY = "right"


class LargeView:
    """A directory `/data` of PAGES * PAGE files. `printed` is to be set when something has been printed."""

    def __init__(self) -> None:
        status = os.lstat(__file__)
        self.directory = entry_json(b"/data", os.lstat(os.path.dirname(__file__)))
        entries = [entry_json(b"/data/%d-%s" % (number, b"x" * 80), status) for number in range(PAGE)]
        self.page = json.dumps(entries)
        self.printed = asyncio.Event()
        self.asked = 0
        self.peaks: dict[int, int] = {}
        self.pid = 0

    async def stat(self, _: web.Request) -> web.Response:
        return web.json_response({"data": self.directory, "meta": META})

    async def roots(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [], "meta": META})

    async def find(self, request: web.Request) -> web.Response:
        after = int(request.query.get("after", 0))
        self.asked = after + 1
        if after == READ_BEFORE:
            await self.printed.wait()
        self.peaks[after] = peak(self.pid)
        following = json.dumps({**META, "next": str(after + 1) if after + 1 < PAGES else None})
        return web.Response(text=f'{{"data": {self.page}, "meta": {following}}}', content_type="application/json")


@asynccontextmanager
async def serving(view: LargeView) -> AsyncIterator[str]:
    """The address at which the view answers."""
    application = web.Application()
    for name, handler in {"stat": view.stat, "roots": view.roots, "find": view.find}.items():
        application.router.add_get(f"/v1/views/default/{name}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.mark.parametrize("expression", [["-name", "*x"], ["--json"]], ids=["lines", "json"])
async def test_what_is_found_is_printed_before_all_is_asked_for(expression: list[str], tmp_path: Path) -> None:
    view = LargeView()
    async with serving(view) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fustor_core.cli", "find", "/data", *expression),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "FUSTOR_URL": url, "FUSTOR_KEY": KEY, "XDG_CONFIG_HOME": str(tmp_path)},
        )
        view.pid = process.pid
        assert process.stdout is not None
        async with asyncio.timeout(60):
            first = await process.stdout.read(1)
            assert first
            assert view.asked <= READ_BEFORE + 1
            view.printed.set()
            rest = await process.stdout.read()
            assert await process.wait() == 0
    assert rest.count(b"-" + b"x" * 80) >= PAGES * PAGE
    assert view.peaks[PAGES - 1] - view.peaks[PAGES // 3] < MOST_GROWTH_KIB
