"""`GET /v1/events`: every state transition of every pipe as it happens, as server-sent events.

`Last-Event-ID` takes a listener on from where it stood; where that is no longer known, an event `gap` says so, and what is kept follows.
"""

from contextlib import suppress
from typing import Final

from aiohttp import web

from fustor_core.http.responses import ALWAYS
from fustor_fusion.api import parameters
from fustor_fusion.api.application import Route
from fustor_fusion.authorization import SEE_PIPES
from fustor_fusion.feed import Feed, Item

ALIVE_EVERY: Final = 10.0
"""Seconds of silence after which a comment says that the stream still stands."""
_HEADERS: Final = {**ALWAYS, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}


def routes(feed: Feed) -> list[Route]:
    """The route of the stream."""

    async def stream(request: web.Request) -> web.StreamResponse:
        parameters.none(request.rel_url.raw_query_string)
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(request)
        # A listener that goes away is how a stream ends.
        with suppress(ConnectionError):
            await _tell(response, feed, request.headers.get("Last-Event-ID"))
        return response

    return [Route("GET", "/v1/events", stream, SEE_PIPES)]


async def _tell(response: web.StreamResponse, feed: Feed, last_id: str | None) -> None:
    at, gap = _place(feed, last_id)
    await response.write(b"retry: 1000\n\n")
    if gap:
        await response.write(b'event: gap\ndata: {"message":"what happened before this is no longer known"}\n\n')
    while not feed.ended:
        if at < feed.lost:
            # It reads more slowly than things happen.
            await response.write(b'event: gap\ndata: {"message":"some of what happened is no longer known"}\n\n')
            at = feed.lost
        if items := feed.after(at):
            await response.write(b"".join(_event(feed, item) for item in items))
            at = items[-1].number
            continue
        await feed.wait(at, ALIVE_EVERY)
        if feed.last == at and not feed.ended:
            await response.write(b": alive\n\n")


def _place(feed: Feed, last_id: str | None) -> tuple[int, bool]:
    """After which number a listener goes on, and whether it has missed something."""
    if last_id is None:
        return feed.last, False
    name, _, number = last_id.rpartition(".")
    known = name == feed.name and number.isascii() and number.isdigit() and len(number) < 20
    if not known or not feed.lost <= int(number) <= feed.last:
        return feed.lost, True
    return int(number), False


def _event(feed: Feed, item: Item) -> bytes:
    return b"id: %s.%d\nevent: %s\ndata: %s\n\n" % (feed.name.encode(), item.number, item.kind.encode(), item.data)
