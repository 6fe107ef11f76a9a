"""A disk that is full when a test says so: a small tmpfs in a mount namespace, which needs no rights where user namespaces work."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def namespaces_work() -> bool:
    mount = "mount -t tmpfs tmpfs /mnt"
    return subprocess.run([*NAMESPACE, "sh", "-c", mount], capture_output=True, check=False).returncode == 0


class SmallDisk:
    """A file system at a path that only commands behind `inside` see."""

    def __init__(self, path: Path, holder: "subprocess.Popen[str]") -> None:
        self._path = path
        self.inside = ("nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials")
        self._seen_from_outside = Path(f"/proc/{holder.pid}/root{path}")

    def leave(self, free: int) -> None:
        """Let so many KiB be free."""
        status = os.statvfs(self._seen_from_outside)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize // 1024
        subprocess.run([*self.inside, "mount", "-o", f"remount,size={used + free}k", str(self._path)], check=True)


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    path.mkdir(exist_ok=True)
    command = f"mount -t tmpfs -o mode=700 tmpfs '{path}' && echo ready && exec sleep infinity"
    holder = subprocess.Popen([*NAMESPACE, "sh", "-c", command], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        yield SmallDisk(path, holder)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
