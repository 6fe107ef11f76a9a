"""What a root is: the device, inode and mount it is for as long as it is held open, and what of that survives a remount."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fustor_agent.sources.fs.kernel import mount_of
from fustor_core.wire import Identity

_SIGNED = 2**63
_BY_UUID: Final = Path("/dev/disk/by-uuid")
_NUMBERED_ANEW: Final = frozenset(("9p", "cifs", "exfat", "fuse", "fuseblk", "msdos", "smb3", "vfat"))
"""File systems that give out inode numbers of their own, others at each mount."""


def folded(inode: int) -> int:
    """The unsigned inode number as 64 signed bits."""
    return inode if inode < _SIGNED else inode - 2 * _SIGNED


@dataclass(frozen=True, slots=True)
class Standing:
    """Which directory this is, while the machine runs."""

    device: int
    inode: int
    mount: int | None

    @classmethod
    def of(cls, descriptor: int) -> "Standing":
        """What the descriptor is open on."""
        status = os.fstat(descriptor)
        return cls(status.st_dev, status.st_ino, mount_of(descriptor))


def identity_of(descriptor: int) -> Identity:
    """What the root that the descriptor is open on is, in the words of the wire."""
    status, (kind, source) = os.fstat(descriptor), _mounted(descriptor)
    number = os.statvfs(descriptor).f_fsid
    return Identity(kind, lasting_id(number, status.st_dev, source, _BY_UUID), lasting_inode(kind, status.st_ino))


def lasting_id(number: int, device: int, source: str, by_uuid: Path) -> str:
    """The id of a file system that is the same after a remount; empty where it has none.

    `number` is what statvfs gives. Where that is only the number of the device, which the next boot may give to another, the UUID that
    udev has found on the device stands for it. Where it is 0 (network file systems), it is what was mounted.
    """
    if not number:
        return source
    if number != device:
        return f"{number:x}"
    try:
        links = sorted(by_uuid.iterdir())
        return next((link.name for link in links if link.stat().st_rdev == device), "")
    except OSError:  # without udev, or while it works: the inode and the type have to do
        return ""


def lasting_inode(kind: str, inode: int) -> int:
    """The inode number as it goes on the wire; 0 where the next mount gives another."""
    return 0 if kind.partition(".")[0] in _NUMBERED_ANEW else folded(inode)


def _mounted(descriptor: int) -> tuple[str, str]:
    """The type of the file system and what of it was mounted, as /proc/self/mountinfo names them."""
    mount, device = mount_of(descriptor), os.fstat(descriptor).st_dev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    by_device = "unknown", ""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="backslashreplace") as table:
        for line in table:
            before, _, after = line.partition(" - ")
            fields, (kind, source, *_) = before.split(), after.split(" ")
            if mount is not None and int(fields[0]) == mount:
                return kind, source
            if fields[2] == numbers:
                by_device = kind, source
    return by_device
