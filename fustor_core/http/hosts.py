"""By which names a server may be called, and by whose pages."""

import ipaddress
from collections.abc import Iterable
from typing import Final

from fustor_core.errors import Forbidden

_LOCAL_NAMES: Final = frozenset(("localhost", "127.0.0.1", "[::1]"))


class Hosts:
    """Which `Host` and `Origin` a request may carry, so that no page of another site can talk to this server through a browser, by whatever
    name.

    Only names are compared, never ports: a tunnel or a proxy may change those, and a rebound name is refused with every port. A server that
    listens on all addresses takes any numeric address, for a browser that shows one was not led there by a name.
    """

    def __init__(self, listen_host: str, names: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        """`names` are further hosts (`fusion.example.org`), `origins` further sites whose pages may call (`https://dash.example.org`)."""
        self._names = {*_LOCAL_NAMES, _bracketed(listen_host.lower()), *(_bracketed(name.lower()) for name in names)}
        self._origins = {origin.lower().rstrip("/") for origin in origins}
        self._numeric = listen_host in ("", "0.0.0.0", "::", "[::]")

    def check(self, host: str | None, origin: str | None) -> None:
        """Raises Forbidden for a request that is not meant for this server, or not sent by a page that may."""
        name = host_name(host or "")
        if name not in self._names and not (self._numeric and _is_address(name)):
            raise Forbidden(
                f"the Host {host!r} is not a name of this server: use its address, or add the name to `listen.names`", code="host"
            )
        if (
            origin is not None
            and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower())
            and origin.lower() not in self._origins
        ):
            raise Forbidden(f"pages of {origin!r} may not call this server: add it to `listen.origins` if they should", code="origin")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_name(host: str) -> str:
    """The host of a `Host` header in lower case, without its port; an IPv6 address keeps its brackets."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() and (not name.startswith("[") or name.endswith("]")) else host).lower()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
