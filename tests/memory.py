"""How much memory a process has."""

import os
import re
from pathlib import Path


def resident(pid: int | None = None) -> int:
    """What it has at the moment, in KiB; by default this process."""
    return _figure(pid, "VmRSS")


def peak(pid: int | None = None) -> int:
    """The most that it has had so far, in KiB."""
    return _figure(pid, "VmHWM")


def _figure(pid: int | None, name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid or os.getpid()}/status").read_text())
    assert found is not None, "the process has ended"
    return int(found[1])
