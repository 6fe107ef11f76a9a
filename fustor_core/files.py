"""Small files that are whole or not there, and readable only by those who should; and a file as a lock."""

import fcntl
import os
import tempfile
from pathlib import Path

from fustor_core.errors import ConfigurationError


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, with mode 0600; a crash leaves the old content or the new, never a part.

    Missing directories are made, with mode 0700. Raises ConfigurationError where the file cannot be written.
    """
    try:
        make_private_directory(path.parent)
        # mkstemp creates with 0600: there is no moment at which others can read.
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}; correct the path, its permissions or the disk") from None


def make_private_directory(path: Path) -> None:
    """The directory exists; what had to be made of it has mode 0700. Raises ConfigurationError where it cannot be made."""
    try:
        for missing in reversed([directory for directory in (path, *path.parents) if not directory.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError(0, "is no directory")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be used as a directory: {error.strerror}; name another") from None


def read_if_there(path: Path) -> str | None:
    """The text of the file, None where there is no file. Raises ConfigurationError where it cannot be read."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8 text; correct or remove the file") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}; correct the path or its permissions") from None


def take_lock(path: str | Path) -> int:
    """The descriptor that holds the lock of this file, which is made where it is missing; BlockingIOError where another process holds it.

    The kernel gives a lock up with the process, so none is ever left behind. Children that inherit the descriptor hold it too.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
