"""Listening: the application on a port, with limits that fit long paths, and a problem document even where no request can be read."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import Any, Final

from aiohttp import web

from fustor_core.errors import ConfigurationError
from fustor_core.http.problems import Problem
from fustor_core.paths import LONGEST_PATH

_LONGEST_LINE: Final = 3 * LONGEST_PATH + 16 * 1024
"""A path with every byte percent-encoded, and the rest of a query."""
_LAST_ANSWERS: Final = 5.0
"""Seconds that requests have to end when the server stops."""
# aiohttp takes None for "no access log" and does not say so in its types.
_OPTIONS: Final[dict[str, Any]] = {"access_log": None, "max_line_size": _LONGEST_LINE, "max_field_size": 16 * 1024}


class _Protocol(web.RequestHandler):
    """aiohttp's own, except for the words of its refusals."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        # Called for the log line, and for the check that no answer is on its way already.
        super().handle_error(request, status, exc, message)
        why = " ".join((message or "it broke off").split())
        detail = f"this is no HTTP request that can be read: {why}" if status < 500 else "it failed; the log has the cause"
        response = Problem(status, "malformed" if status < 500 else "failed", detail).response()
        response.force_close()
        return response


@asynccontextmanager
async def listening(application: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends, on the port that it gives (0 takes a free one). Raises ConfigurationError if the address is taken."""
    runner = web.AppRunner(application, shutdown_timeout=_LAST_ANSWERS)
    await runner.setup()
    loop = asyncio.get_running_loop()
    try:
        assert runner.server is not None  # after setup there is one
        protocol = partial(_Protocol, runner.server, loop=loop, **_OPTIONS)
        try:
            listener = await loop.create_server(protocol, host, port, backlog=512)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}); "
                "stop what uses it, or choose another with listen.port (or --port)"
            ) from error
        with closing(listener):
            yield int(listener.sockets[0].getsockname()[1])
    finally:
        await runner.cleanup()
