"""Frames over WebSockets, with aiohttp."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from fustor_agent.senders import Control, Session
from fustor_core.errors import AnotherRoot, ConfigurationError, MalformedInput, Refused, SessionLost, Unidentified, Unreachable
from fustor_core.wire import (
    IDENTITY_CHANGED,
    LARGEST_FRAME,
    SUBPROTOCOL,
    AgentControl,
    AgentSession,
    Frame,
    FusionControl,
    FusionSession,
    GoAway,
    Hello,
    HelloAgent,
    Refuse,
    Welcome,
    WelcomeAgent,
    decode,
    encode,
    fusion_control,
    fusion_session,
)

HANDSHAKE = 10.0
"""Seconds that connecting, and the answer to a hello, may take."""

In = TypeVar("In")
Out = TypeVar("Out", bound=Frame)
Hi = TypeVar("Hi")


class _Connection(Generic[Out, In, Hi]):
    """A WebSocket on which one kind of frames goes out and another comes in."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, decoder: msgspec.msgpack.Decoder[In], target: str) -> None:
        self._socket = socket
        self._decoder = decoder
        self._target = target
        self.welcome: Hi
        self.sent = 0

    async def send(self, frame: Out) -> None:
        data = encode(frame)
        self.sent += len(data)
        with _standing(self._target):
            # By the connection's own compressor, and never with `compress=`, which takes another for one frame: the far end unpacks all
            # frames with one window, and would read rubbish from the next that goes without.
            await self._socket.send_bytes(data)

    async def receive(self) -> In:
        with _standing(self._target):
            message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise SessionLost(f"fusion at {self._target} closed the connection{_said(self._socket, message)}")
        try:
            frame = decode(self._decoder, message.data)
        except MalformedInput as error:
            raise SessionLost(f"fusion at {self._target} sent a frame that cannot be read: {error}") from error
        if isinstance(frame, Refuse):
            if frame.code == IDENTITY_CHANGED:
                raise AnotherRoot(frame.message)
            text = f"fusion at {self._target} refused: {frame.message}; {frame.remedy}"
            raise SessionLost(text) if frame.again else Refused(text, code=frame.code)
        if isinstance(frame, GoAway):
            raise SessionLost(f"fusion at {self._target} goes away: {frame.reason}", retry_after=frame.retry_after)
        return frame

    async def greet(self, hello: Out, welcome: type[Hi]) -> None:
        """Say hello, and take the welcome."""
        await self.send(hello)
        try:
            async with asyncio.timeout(HANDSHAKE):
                answer = await self.receive()
        except TimeoutError:
            raise Unreachable(f"fusion at {self._target} did not answer the hello within {HANDSHAKE:.0f} s") from None
        if not isinstance(answer, welcome):
            raise Unreachable(f"fusion at {self._target} answered the hello with {type(answer).__name__}")
        self.welcome = answer


class WebSocketSender:
    """Reaches a fusion at `url` with `key`. `compress` pays on a network, and only costs on the same machine."""

    def __init__(self, http: aiohttp.ClientSession, url: str, key: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"fusion.url: {url!r} is no address of a fusion; write it like http://HOST:8102")
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._compress = parts.hostname not in ("127.0.0.1", "::1", "localhost")

    @property
    def target(self) -> str:
        return self._url

    @asynccontextmanager
    async def session(self, hello: Hello) -> AsyncIterator[Session]:
        async with self._connected("/v1/session") as socket:
            connection = _Connection[AgentSession, FusionSession, Welcome](socket, fusion_session, self._url)
            await connection.greet(hello, Welcome)
            yield connection

    @asynccontextmanager
    async def control(self, hello: HelloAgent) -> AsyncIterator[Control]:
        async with self._connected("/v1/agent") as socket:
            connection = _Connection[AgentControl, FusionControl, WelcomeAgent](socket, fusion_control, self._url)
            await connection.greet(hello, WelcomeAgent)
            yield connection

    @asynccontextmanager
    async def _connected(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        socket = await self._connect(path)
        try:
            yield socket
        finally:
            # A peer that is gone answers no close; the connection is dropped then.
            try:
                async with asyncio.timeout(1.0):
                    await socket.close()
            except TimeoutError:
                pass

    async def _connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        with _reaching(self._url):
            async with asyncio.timeout(HANDSHAKE):
                socket = await self._http.ws_connect(
                    self._url + path,
                    headers=self._headers,
                    protocols=(SUBPROTOCOL,),
                    max_msg_size=LARGEST_FRAME,
                    compress=15 if self._compress else 0,
                    autoping=True,
                )
        if socket.protocol != SUBPROTOCOL:
            await socket.close()
            raise Refused(
                f"fusion at {self._url} does not speak {SUBPROTOCOL}: run the same version of Fustor on both sides", code="protocol"
            )
        return socket


@contextmanager
def _reaching(target: str) -> Iterator[None]:
    """Errors of connecting: nothing stands yet, and attempts are counted."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        raise _handshake_failed(target, error) from error
    except TimeoutError:
        raise Unreachable(f"fusion at {target} did not answer within {HANDSHAKE:.0f} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"cannot reach fusion at {target}: {_reason(error)}") from error


@contextmanager
def _standing(target: str) -> Iterator[None]:
    """Errors of a connection that stood: it is lost, however that shows."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise SessionLost(f"the connection to fusion at {target} broke: {_reason(error)}") from error


def _reason(error: aiohttp.ClientError | OSError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    told = error.strerror if isinstance(error, OSError) else str(error)
    return told or type(error).__name__


def _handshake_failed(target: str, error: aiohttp.WSServerHandshakeError) -> Exception:
    if error.status == 401:
        return Unidentified(
            f"fusion at {target} does not know this agent's key; correct fusion.key, or the keys of fusion",
            code="key-unknown",
        )
    if error.status == 403:
        return Refused(f"fusion at {target} does not let this key push; give it the scope push:ROOT", code="scope-missing")
    if error.status == 404:
        return ConfigurationError(f"{target} is no fusion, or one of another version; correct fusion.url")
    return Unreachable(f"fusion at {target} answered with HTTP status {error.status}")


def _said(socket: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage) -> str:
    if socket.close_code is None or message.type is aiohttp.WSMsgType.CLOSED:
        return ""
    return f" ({message.extra or socket.close_code})"
