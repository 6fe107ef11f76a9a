"""A client of fusion's HTTP interface, typed and asynchronous: all query commands use it, and so may other programs.

    async with Client("http://127.0.0.1:8102", key) as fusion:
        async for entry in fusion.find(b"/data", name=b"*.csv", newer=yesterday):
            print(entry.raw_path, entry.size)

Every error is one of `fustor_core.errors`: NoSuchPath, NotFreshEnough, NobodyLooks (no agent can look at the moment), Refused (the key may
not do this), Unreachable (no answer; worth trying again), ConfigurationError (a wrong address, an unknown key, a malformed question).
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import quote_from_bytes, urlsplit

import msgspec

from fustor_core.errors import ConfigurationError, FustorError, NobodyLooks, NoSuchPath, NotFreshEnough, Refused, Unreachable
from fustor_core.printable import one_line
from fustor_core.times import format_instant
from fustor_fusion.pipe_replies import HistoryRow, Host, Pipe, Session
from fustor_fusion.query import Instant
from fustor_fusion.replies import (
    Answer,
    Change,
    Entry,
    Meta,
    Problem,
    Refreshed,
    Rest,
    Root,
    Usage,
    Verified,
    View,
)

if TYPE_CHECKING:
    import aiohttp

PAGE: Final = 5_000
"""Entries asked for at a time. Larger pages gain little and make the first entry wait."""

Parameter = bytes | str | int | bool | Instant
_T = TypeVar("_T")


def _ignore(_: Meta) -> None:
    pass


class Client:
    """Asks one fusion about one view.

    `max_age` (`10m`) and `require_complete` make every answer that is older or less complete a NotFreshEnough. `heard` is called with the
    `Meta` of each answer as it comes. `timeout`: seconds without a byte after which fusion counts as unreachable.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        view: str = "default",
        *,
        max_age: str | None = None,
        require_complete: bool = False,
        heard: Callable[[Meta], None] = _ignore,
        timeout: float = 60.0,
    ) -> None:
        self._url = checked_url(url)
        self._headers = {} if key is None else {"Authorization": f"Bearer {_checked_key(key)}"}
        self._view = _view_route(view)
        demands: dict[str, Parameter | None] = {"max_age": max_age, "require_complete": require_complete or None}
        self._demands = {name: value for name, value in demands.items() if value is not None}
        self._heard = heard
        self._timeout = timeout
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Imported here: aiohttp takes longer to import than `fustor --help` takes altogether.
        import aiohttp

        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=self._timeout)
        self._http = aiohttp.ClientSession(headers=self._headers, timeout=limits)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._http is not None:
            await self._http.close()

    async def views(self) -> Sequence[View]:
        """The views that the key may read."""
        return (await self._get("/v1/views", Answer[list[View]])).data

    async def roots(self, view: str | None = None) -> Sequence[Root]:
        """The roots of the view, or of another."""
        return (await self._get(f"{self._view if view is None else _view_route(view)}/roots", Answer[list[Root]])).data

    async def stat(self, path: bytes) -> Answer[Entry]:
        """What is at `path` in the view."""
        return await self._get(f"{self._view}/stat", Answer[Entry], {"path": path, **self._demands})

    async def usage(self, path: bytes) -> Answer[Usage]:
        """The totals of `path` and all below it."""
        return await self._get(f"{self._view}/usage", Answer[Usage], {"path": path, **self._demands})

    async def rest(self, path: bytes, *, quiet: float | None = None, wait: float = 0.0, settled: bool = True) -> Answer[Rest]:
        """Whether `path` has been settled for `quiet` seconds, with all below it (or, if not `settled`, is there at all): answered when
        that is so, or after `wait` seconds (60 at most)."""
        given: dict[str, Parameter] = {"path": path, "wait": f"{wait:.3f}", "settled": settled}
        given |= {} if quiet is None else {"quiet": f"{quiet:.3f}"}
        return await self._get(f"{self._view}/rest", Answer[Rest], given)

    async def changes(self, path: bytes, *, after: str | None = None, limit: int = PAGE, wait: float = 0.0) -> Answer[Sequence[Change]]:
        """What changed at and below `path` behind the cursor `after` (`now`: from here on); `meta.next` is the cursor of the next page.
        Where there is nothing, the answer comes after `wait` seconds. Raises NotFreshEnough where changes are missing since the cursor."""
        given: dict[str, Parameter] = {"path": path, "limit": limit, "wait": f"{wait:.3f}", **({} if after is None else {"after": after})}
        return await self._get(f"{self._view}/changes", Answer[Sequence[Change]], {**given, **self._demands})

    async def list(self, path: bytes) -> AsyncIterator[Entry]:
        """What the directory `path` holds, by name in byte order; nothing for what is no directory."""
        async for entry in self._entries("list", {"path": path}):
            yield entry

    async def find(self, path: bytes, **filters: Parameter | None) -> AsyncIterator[Entry]:
        """What is at and below `path`, in no promised order. `filters` are the parameters of the `find` route (`name`, `iname`, `type`,
        `min_size`, `max_size`, `newer`, `older`, `uid`, `min_depth`, `max_depth`, `empty`, `settled`, `quiet`); those that are None are not
        asked for."""
        async for entry in self._entries("find", {"path": path, **{name: value for name, value in filters.items() if value is not None}}):
            yield entry

    async def refresh(self, path: bytes, *, recursive: bool = False) -> Answer[Refreshed]:
        """Have the agents look at `path`, and all below it if `recursive`; the answer comes when what they found is in the view."""
        return await self._get(f"{self._view}/refresh", Answer[Refreshed], {"path": path, "recursive": recursive}, method="POST")

    async def verify(self, path: bytes, *, sample: int | None) -> Answer[Verified]:
        """Have the agents read again what fusion claims of so many entries at and below `path` in each root, or of all (None)."""
        extent: dict[str, Parameter] = {"all": True} if sample is None else {"sample": sample}
        return await self._get(f"{self._view}/verify", Answer[Verified], {"path": path, **extent}, method="POST")

    async def pipes(self) -> Sequence[Pipe]:
        """All pipes: fusion's own and those of every agent that ever reported."""
        return (await self._get("/v1/pipes", Answer[list[Pipe]])).data

    async def pipe(self, pipe: str) -> Pipe:
        """The pipe with this id (`AGENT:PIPE`)."""
        return (await self._get(f"/v1/pipes/{_segment(pipe)}", Answer[Pipe])).data

    async def history(self, pipe: str) -> Sequence[HistoryRow]:
        """Every step of the pipe that fusion remembers, oldest first."""
        return (await self._get(f"/v1/pipes/{_segment(pipe)}/history", Answer[list[HistoryRow]])).data

    async def steer(
        self, pipe: str, verb: str, *, reason: str = "", after_halt: bool = False, path: bytes = b"", shallow: bool = False
    ) -> Pipe:
        """Say what the pipe should do: `pause`, `resume`, `stop`, `start`, `restart`, `audit` (of `path` in its root, or `shallow`),
        `snapshot` or `halt`. The pipe, once its agent has recorded that. Raises Refused (`not-possible`) for what can never be as things
        are."""
        wanted: dict[str, Parameter] = {"reason": reason, "after_halt": after_halt, "path": path, "shallow": shallow}
        given = {name: value for name, value in wanted.items() if value}
        return (await self._get(f"/v1/pipes/{_segment(pipe)}/{verb}", Answer[Pipe], given, method="POST")).data

    async def host(self) -> Host:
        """Fusion as a process, and the agents that it knows."""
        return (await self._get("/v1/host", Answer[Host])).data

    async def sessions(self) -> Sequence[Session]:
        """The sessions that stand at the moment."""
        return (await self._get("/v1/sessions", Answer[list[Session]])).data

    async def _entries(self, route: str, parameters: Mapping[str, Parameter]) -> AsyncIterator[Entry]:
        following: str | None = ""
        while following is not None:
            after: dict[str, Parameter] = {"after": following} if following else {}
            page = await self._get(f"{self._view}/{route}", Answer[list[Entry]], {**parameters, **self._demands, "limit": PAGE, **after})
            for entry in page.data:
                yield entry
            following = page.meta.next

    async def _get(
        self, route: str, shape: type[Answer[_T]], parameters: Mapping[str, Parameter] | None = None, method: str = "GET"
    ) -> Answer[_T]:
        status, body = await self._fetch(route + _query(parameters or {}), method)
        if status not in (200, 202):
            raise self._error(status, body)
        try:
            answer = msgspec.json.decode(body, type=shape)
        except msgspec.DecodeError as error:
            raise self._no_fusion() from error
        self._heard(answer.meta)
        return answer

    async def _fetch(self, target: str, method: str) -> tuple[int, bytes]:
        import aiohttp
        import yarl

        if self._http is None:
            raise RuntimeError("the client is not open: use it in `async with`")
        # `encoded`: the path of a query is raw bytes, and must reach fusion as they were percent-encoded here.
        with self._reaching():
            # What is to be looked at takes as long as it takes: only a connection that breaks ends the waiting.
            patience = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=self._timeout if method == "GET" else None)
            address = yarl.URL(self._url + target, encoded=True)
            async with self._http.request(method, address, allow_redirects=False, timeout=patience) as response:
                return response.status, await response.read()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Translates what may happen on the way to fusion and back."""
        import aiohttp

        try:
            yield
        except aiohttp.ClientSSLError as error:
            raise ConfigurationError(f"the certificate of {self._url} is not accepted: {one_line(str(error))}") from error
        except TimeoutError as error:
            raise Unreachable(f"fusion at {self._url} did not answer within {self._timeout:g} s; is it busy or stopped?") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(
                f"cannot reach fusion at {self._url}: {_cause(error)}; is it running? set --url or FUSTOR_URL if it is elsewhere"
            ) from error

    def _error(self, status: int, body: bytes) -> FustorError:
        """The error that an answer other than 200 stands for."""
        try:
            problem = msgspec.json.decode(body, type=Problem)
        except msgspec.DecodeError:
            return self._no_fusion()
        detail = problem.detail or problem.title or f"status {status}"
        match status:
            case 401:
                return ConfigurationError(f"fusion at {self._url} does not accept the key: {detail}; set --key or FUSTOR_KEY")
            case 403 | 409:
                return Refused(detail, code=problem.slug)
            case 404 if problem.slug in ("no-such-path", "no-such-pipe", "blank"):
                return NoSuchPath(detail)
            case 410 | 412:
                return NotFreshEnough(detail)
            case 503 if problem.slug == "nobody-looks":
                return NobodyLooks(detail)
            case _ if status >= 500:
                return Unreachable(f"fusion at {self._url} cannot answer: {detail}")
            case _:
                return ConfigurationError(detail)

    def _no_fusion(self) -> FustorError:
        return ConfigurationError(f"what answers at {self._url} is not fusion, or of another version; correct --url or FUSTOR_URL")


def checked_url(url: str) -> str:
    """The address without a slash at its end; ConfigurationError, in words, for what is none."""
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and not (parts.query or parts.fragment or parts.username)
        known = plain and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ConfigurationError(f"{url!r} is no address of fusion; write it as http://127.0.0.1:8102, in --url or FUSTOR_URL")
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise ConfigurationError("the key is no key: it should be printable ASCII without spaces; correct --key or FUSTOR_KEY")
    return key


def _view_route(view: str) -> str:
    return "/v1/views/" + quote_from_bytes(view.encode("utf-8", "surrogateescape"), safe="")


def _segment(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe=":")


def _query(parameters: Mapping[str, Parameter]) -> str:
    return "?" + "&".join(f"{name}={_value(value)}" for name, value in parameters.items()) if parameters else ""


def _value(value: Parameter) -> str:
    """A value as the query string has it: percent-encoded bytes."""
    if isinstance(value, bytes):
        return quote_from_bytes(value)
    if isinstance(value, tuple):
        return quote_from_bytes(format_instant(*value).encode())
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote_from_bytes(str(value).encode())


def _cause(error: BaseException) -> str:
    """What happened, in the system's words, without aiohttp's around them."""
    inner: Any = error  # aiohttp's errors of connecting carry that of the system in an attribute that others lack
    inner = getattr(inner, "os_error", inner)
    if isinstance(inner, OSError) and inner.errno is not None and inner.errno > 0:
        return os.strerror(inner.errno).lower()
    return one_line(str(inner) or type(inner).__name__)
