"""Every error over HTTP as an RFC 9457 problem document: one type, one status, and in words what is wrong and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiohttp import web

from fustor_core.errors import (
    FustorError,
    MalformedInput,
    NobodyLooks,
    NoSuchPath,
    NotFreshEnough,
    Refused,
    StoreDamaged,
    StoreUnavailable,
    Unidentified,
    Unreachable,
)
from fustor_core.http.responses import ALWAYS

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:fustor:problem:"
_TITLES: Final = {
    400: "The request is malformed",
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "Not possible as things are",
    410: "Not kept any more",
    412: "Not as fresh or complete as demanded",
    413: "The request is too large",
    500: "It failed",
    503: "Not available at the moment",
}
# The first row that an error is an instance of.
_STATUS: Final[Sequence[tuple[type[FustorError], int, str]]] = (
    (Unidentified, 401, "unidentified"),
    (Refused, 403, "refused"),
    (MalformedInput, 400, "malformed"),
    (NoSuchPath, 404, "no-such-path"),
    (NotFreshEnough, 412, "not-fresh-enough"),
    (StoreUnavailable, 503, "store-unavailable"),
    (NobodyLooks, 503, "nobody-looks"),
    (StoreDamaged, 500, "store-damaged"),
    (Unreachable, 503, "unreachable"),
)
_encode: Final = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Problem(Exception):
    """An answer that is an error. `slug` is stable; `members` are further members of the document."""

    status: int
    slug: str
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)  # whatever JSON can hold, as RFC 9457 has it
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """The problem document."""
        document = {"type": _TYPE + self.slug, "title": _TITLES.get(self.status, self.slug), "status": self.status, "detail": self.detail}
        headers = {"Content-Type": MEDIA_TYPE, **ALWAYS, **self.headers}
        return web.Response(status=self.status, body=_encode({**document, **self.members}), headers=headers)


def of_error(error: FustorError) -> Problem:
    """The problem that one of our errors is to who asked."""
    status, slug = next(((status, slug) for kind, status, slug in _STATUS if isinstance(error, kind)), (500, "failed"))
    headers = {"WWW-Authenticate": 'Bearer realm="fustor"'} if status == 401 else {"Retry-After": "1"} if status == 503 else {}
    return Problem(status, error.code if isinstance(error, Refused) else slug, str(error), headers=headers)


def of_http(error: web.HTTPException, method: str, path: str, instead: str) -> Problem:
    """The problem that aiohttp's own refusal stands for. `instead` says in words what routes there are."""
    headers = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
    match error:
        case web.HTTPNotFound():
            return Problem(404, "no-such-route", f"there is nothing at {path}; {instead}")
        case web.HTTPMethodNotAllowed():
            return Problem(
                405,
                "method-not-allowed",
                f"{method} is not possible here: use {' or '.join(sorted(error.allowed_methods))}",
                headers=headers,
            )
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "too-large", f"{error.text}: send less in one request")
        case _:
            return Problem(error.status, "refused", error.text or error.reason, headers=headers)
