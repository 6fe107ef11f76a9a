"""The options that all query commands share, and where their values come from when they are not given."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Final, TypeVar

import click

from fustor_core.errors import ConfigurationError

DEFAULT_URL: Final = "http://127.0.0.1:8102"
DEFAULT_VIEW: Final = "default"
_F = TypeVar("_F", bound=Callable[..., Any])  # click's callbacks take whatever their options are


@dataclass(frozen=True, slots=True)
class Connection:
    """Which fusion is asked, as whom, about which view, and what its answers must be."""

    url: str
    key: str | None = field(repr=False)
    view: str = DEFAULT_VIEW
    max_age: str | None = None
    require_complete: bool = False
    verbose: bool = False
    fresh: bool = False
    """Whether the agents look first."""


NAMES: Final[Mapping[bytes, bool]] = {
    b"--url": True,
    b"--key": True,
    b"--view": True,
    b"--max-age": True,
    b"--require-complete": False,
    b"--fresh": False,
    b"--json": False,
    b"--verbose": False,
    b"-v": False,
    b"--help": False,
}
"""The options of every query command, and whether a value follows."""

_ADDRESS: Final = (
    click.option("--url", metavar="URL", help="Where fusion answers. [default: $FUSTOR_URL, or what `fustor up` noted]"),
    click.option("--key", metavar="KEY", help="The key to show. [default: $FUSTOR_KEY, or what `fustor up` noted]"),
)
_QUESTION: Final = (
    click.option("--view", metavar="NAME", default=DEFAULT_VIEW, show_default=True, help="The view to ask."),
    click.option("--max-age", metavar="AGE", help="Fail (exit code 5) if the answer may be older, e.g. 10m."),
    click.option("--require-complete", is_flag=True, help="Fail (exit code 5) if the answer may lack something."),
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


def connection_options(command: _F) -> _F:
    """Adds the options; the command gets `connection: Connection` and `as_json: bool`."""

    @wraps(command)
    def with_connection(
        *args: Any,
        url: str | None,
        key: str | None,
        view: str,
        max_age: str | None,
        require_complete: bool,
        verbose: bool,
        **others: Any,
    ) -> Any:
        found_url, found_key = address(url, key, os.environ)
        connection = Connection(found_url, found_key, view, max_age, require_complete, verbose)
        return command(*args, connection=connection, **others)

    decorated: Any = with_connection
    decorated = click.option("-v", "--verbose", is_flag=True, help="Say how far to trust the answer, also when no one is watching.")(
        decorated
    )
    for option in reversed((*_ADDRESS, *_QUESTION, _JSON)):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # it takes the command's arguments and the options


def address_options(command: _F) -> _F:
    """Adds what a command needs that asks about no view: it gets `connection: Connection` and `as_json: bool`, too."""

    @wraps(command)
    def with_connection(*args: Any, url: str | None, key: str | None, **others: Any) -> Any:
        found_url, found_key = address(url, key, os.environ)
        return command(*args, connection=Connection(found_url, found_key), **others)

    decorated: Any = with_connection
    for option in reversed((*_ADDRESS, _JSON)):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # as above


def fresh_option(command: _F) -> _F:
    """Adds `--fresh`, which is part of the `connection` that the command gets. To be put below `connection_options`."""

    @wraps(command)
    def with_freshness(*args: Any, connection: Connection, fresh: bool, **others: Any) -> Any:
        return command(*args, connection=replace(connection, fresh=fresh), **others)

    text = "Have the agents look first: what had finished when this was asked is in the answer, or it fails (exit code 5)."
    return click.option("--fresh", is_flag=True, help=text)(with_freshness)  # type: ignore[return-value]  # as above


def address(url: str | None, key: str | None, environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Address and key: as given, else from the environment, else from the client file, whose key is shown to no address but its own."""
    url, key = url or environ.get("FUSTOR_URL") or None, key or environ.get("FUSTOR_KEY") or None
    if url is not None and key is not None:
        return url, key
    # Imported here: most of what it needs is YAML, and with both given it is not needed.
    from fustor_core.client_file import client_file_path, read_client_file

    try:
        noted = read_client_file(client_file_path(environ))
    except ConfigurationError:
        if url is None:
            raise
        return url, key
    if noted is None:
        return url or DEFAULT_URL, key
    if url is None or url.rstrip("/") == noted.url.rstrip("/"):
        return url or noted.url, key or noted.key
    return url, key
