"""`fustor up /`, in a small root of its own: what is mounted below it is shown and not entered, and the tree below it is exact."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.disk import Thing, on_disk
from tests.e2e.system import Process, ask, free_port, to_thing
from tests.polling import eventually

REPOSITORY = Path(__file__).parents[2]
NEEDED = sorted({Path(path).parts[1] for path in ("/usr", "/proc", "/dev", sys.prefix, sys.base_prefix, str(REPOSITORY))})
"""Directories of / that the program itself runs from. Each is mounted in the small root."""
INTO = ("unshare", "--mount", "sh", "-c")
SCRIPT = 'root=$1; shift; for name in {}; do mount --rbind "/$name" "$root/$name" || exit 1; done; exec chroot "$root" "$@"'


def namespaces_work() -> bool:
    return subprocess.run([*INTO, "mount --rbind /proc /mnt"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root to change into, with places for what is mounted, and a little of its own."""
    root = tmp_path / "root"
    for name in {*NEEDED, "home/ann", "tmp"}:
        (root / name).mkdir(parents=True)
    for name in os.listdir("/"):
        if os.path.islink(f"/{name}"):  # such as /lib, which leads to /usr/lib
            (root / name).symlink_to(os.readlink(f"/{name}"))
    (root / "home" / "ann" / "notes").write_bytes(b"of this file system")
    return root


@pytest.mark.skipif(not namespaces_work(), reason="needs root, or rights to mount")
def test_everything_that_is_not_mounted_is_in_the_view(root: Path, tmp_path: Path) -> None:
    port = free_port()
    up = [sys.executable, "-m", "fustor_core.cli", "up", "/", "--port", str(port), "--data", "/data", "--open"]
    command = [*INTO, SCRIPT.format(" ".join(NEEDED)), "sh", str(root), "env", "HOME=/home/ann", "XDG_CONFIG_HOME=/data", *up]
    process = Process("up", command, tmp_path / "up.log")
    try:
        eventually(lambda: "Fustor answers at" in process.log.read_text(), within=60, what="up announces its address")
        eventually(lambda: differences(root, port) == {}, within=30)
        (root / "home" / "ann" / "new").write_bytes(b"live")
        eventually(lambda: differences(root, port) == {}, within=30)
        (answer,) = ask("GET", port, "/v1/views/default/roots", {})["data"]
        assert (answer["root"], answer["mount"], answer["complete"]) == ("root", "/root", True)
    finally:
        code = process.stop(within=60)
    assert code == 0


def differences(root: Path, port: int) -> dict[str, tuple[Thing | None, Thing | None]]:
    """Where disk and view (in this order) differ. Fustor's own data is in neither."""
    every = {os.fsdecode(path): thing for path, thing in on_disk(os.fsencode(root)).items()}
    disk = {path: unmounted(path, thing) for path, thing in every.items() if path.split("/")[0] != "data"}
    view = {path: unmounted(path, thing) for path, thing in in_view(port).items()}
    different = {path: (disk.get(path), view.get(path)) for path in disk.keys() | view.keys() if disk.get(path) != view.get(path)}
    assert not different, different
    return different


def in_view(port: int) -> dict[str, Thing | None]:
    found = ask("GET", port, f"/v1/views/default/find?path={quote('/root')}&limit=10000", {})["data"]
    return {entry["path"][len("/root/") :]: to_thing(entry) for entry in found}


def unmounted(path: str, thing: Thing | None) -> Thing | None:
    """As a mount point, a directory has the attributes of what is mounted there: all that is left to compare is its kind."""
    return Thing(thing.type, 0, 0, 0, 0, 0, 0, 0, 0, 0) if thing is not None and path in NEEDED else thing
