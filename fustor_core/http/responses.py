"""Answers over HTTP, with what all of them say of themselves: what is live is never kept, and what is data is never taken for a page."""

from typing import Final

from aiohttp import web

JSON: Final = "application/json"
ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every answer."""


def respond(body: bytes, media: str = JSON, status: int = 200) -> web.Response:
    """An answer of this type."""
    return web.Response(status=status, body=body, headers={"Content-Type": media, **ALWAYS})
