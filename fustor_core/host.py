"""What the kernel of this machine allows, and how much of it is used: read from /proc, as far as this user may."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_WATCHES_ALLOWED = _PROC / "sys/fs/inotify/max_user_watches"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many inotify watches each user may have, and how many they have, by user id. `hidden`: processes of others could not be seen."""

    watches_allowed: int
    watches: Counter[int]
    hidden: bool


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """One process of the program: what it is, and how many files it has open of how many."""

    pid: int
    command: str
    user: int
    open: int
    allowed: int


def limits() -> Limits | None:
    """The watches of this machine; None where it has no inotify."""
    try:
        allowed = int(_WATCHES_ALLOWED.read_text("ascii"))
    except (OSError, ValueError):
        return None
    watches: Counter[int] = Counter()
    hidden = False
    for process in _processes():
        try:
            watches[process.stat().st_uid] += _watches_of(process)
        except PermissionError:
            hidden = True
        except OSError:
            continue  # it has ended meanwhile
    return Limits(allowed, watches, hidden)


def own_processes() -> list[OpenFiles]:
    """The long-running processes of the program on this machine, this one left out."""
    found = []
    for process in _processes():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if int(process.name) == os.getpid() or not _is_ours(words):
                continue
            opened = len(list((process / "fd").iterdir()))
            command = os.fsdecode(b" ".join(word for word in words if word in (b"agent", b"fusion", b"up")))
            found.append(OpenFiles(int(process.name), command, process.stat().st_uid, opened, _most_files(process)))
        except OSError:
            continue  # another user's, or it has ended meanwhile
    return found


def _processes() -> Iterator[Path]:
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            yield entry


def _watches_of(process: Path) -> int:
    count = 0
    for entry in (process / "fd").iterdir():
        try:
            if os.readlink(entry) == "anon_inode:inotify":
                with (process / "fdinfo" / entry.name).open("rb") as lines:
                    count += sum(line.startswith(b"inotify") for line in lines)
        except FileNotFoundError:
            continue  # closed meanwhile
    return count


def _is_ours(words: list[bytes]) -> bool:
    names = {os.path.basename(word) for word in words[:4]}
    ours = names & {b"fustor", b"fustor-agent", b"fustor-fusion", b"fustor_core.cli", b"fustor_core.up.child"}
    return bool(ours) and b"run" in words


def _most_files(process: Path) -> int:
    for line in (process / "limits").read_text("ascii", "replace").splitlines():
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdecimal() else 1 << 30
    return 1 << 30
