"""What `fustor up` finds on the machine and keeps there: directories, ports, the data directory and what lies in it."""

import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fustor_core.errors import ConfigurationError
from fustor_core.files import make_private_directory, read_if_there, take_lock, write_private
from fustor_core.printable import escaped
from fustor_core.up.plan import HOST, fold
from fustor_core.yaml_text import parse_mapping


def absolute(path: bytes) -> bytes:
    """The path from `/` on, as it was typed: links stay, unless `..` follows one, where only the disk knows what is meant."""
    return os.path.realpath(path) if b".." in path.split(b"/") else os.path.abspath(path)


def check_directories(paths: Sequence[bytes]) -> None:
    """Refuse, in one line, what cannot be indexed: what is missing, no directory, not readable, or given twice."""
    seen: set[bytes] = set()
    for path in paths:
        name = escaped(path)
        try:
            if not os.path.isdir(path):
                os.stat(path)
                raise ConfigurationError(f"{name}: is no directory; name the directory that holds it")
            with os.scandir(path):
                pass
        except FileNotFoundError:
            raise ConfigurationError(f"{name}: no such directory; name one that exists") from None
        except OSError as error:
            raise ConfigurationError(f"{name}: cannot be read: {error.strerror}; correct its permissions or run as another user") from None
        if os.path.realpath(path) in seen:
            raise ConfigurationError(f"{name}: is given twice; name it once")
        seen.add(os.path.realpath(path))


def check_port(port: int) -> None:
    """Refuse, in one line, a port that nobody could listen on."""
    try:
        _bind(port)
    except OSError as error:
        reason = "is in use" if not isinstance(error, PermissionError) else "may not be used by this user"
        raise ConfigurationError(f"port {port} {reason}; choose another with --port") from None


def free_port_after(port: int) -> int:
    """The next port that is free; past the last one, any that the system gives."""
    for candidate in range(port + 1, min(port + 100, 65536)):
        try:
            return _bind(candidate)
        except OSError:
            continue
    return _bind(0)


def _bind(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        # Two may bind with that option; only one may listen.
        probe.listen(1)
        bound: int = probe.getsockname()[1]
        return bound


@contextmanager
def locked(data: Path) -> Iterator[int]:
    """The data directory, made where it is missing, for one `fustor up` alone; gives the descriptor that holds the lock.

    Children that inherit the descriptor hold the lock too, so what a killed `fustor up` left running is not disturbed by the next.
    """
    make_private_directory(data)
    try:
        descriptor = take_lock(data / "lock")
    except BlockingIOError:
        raise ConfigurationError(f"{data}: another `fustor up` works on it; stop that one, or choose another with --data") from None
    except OSError as error:
        raise ConfigurationError(f"{data}: cannot be written: {error.strerror}; choose another with --data") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def agent_id(data: Path) -> str:
    """The agent's id in this data directory: made once, of the host's name and of chance, because hosts share names."""
    made = f"{fold(socket.gethostname().partition('.')[0], otherwise='agent')}-{secrets.token_hex(3)}"
    return _once(data / "agent" / "id", made)


def key(data: Path) -> str:
    """The key of this data directory: made once, with 256 bits of chance."""
    return _once(data / "key", secrets.token_urlsafe(32))


def known_roots(data: Path) -> dict[str, bytes]:
    """The root names that were given in this data directory, and to which paths."""
    file = data / "roots.yaml"
    content = parse_mapping(read_if_there(file) or "", str(file))
    for name, path in content.items():
        if not isinstance(path, str):
            raise ConfigurationError(f'{file}: "{name}" should be a path; correct it or remove the line')
    return {name: os.fsencode(path) for name, path in content.items()}


def _once(file: Path, made: str) -> str:
    text = read_if_there(file)
    if text is None:
        write_private(file, f"{made}\n")
        return made
    if not text.strip():
        raise ConfigurationError(f"{file}: is empty; remove it, and it is made anew")
    return text.strip()
