"""What is on the disk, in the words of the API: the oracle of every test that compares a view with the truth."""

import os
import stat
from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """One entry, in every field that the API gives of the file system."""

    type: str
    size: int
    allocated: int
    mode: int
    uid: int
    gid: int
    nlink: int
    inode: int
    mtime_ns: int
    ctime_ns: int


_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink"}


def thing(status: os.stat_result) -> Thing:
    return Thing(
        _TYPES.get(stat.S_IFMT(status.st_mode), "other"),
        status.st_size,
        status.st_blocks * 512,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def on_disk(root: bytes) -> dict[bytes, Thing]:
    """Everything at and below `root` by its path there, `b""` for the root itself; mounts below are not crossed."""
    device = os.lstat(root).st_dev
    found = {b"": thing(os.lstat(root))}
    waiting = [b""]
    while waiting:
        directory = waiting.pop()
        try:
            names = os.listdir(os.path.join(root, directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            path = directory + b"/" + name if directory else name
            try:
                status = os.lstat(os.path.join(root, path))
            except FileNotFoundError:
                continue
            found[path] = thing(status)
            if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
                waiting.append(path)
    return found
