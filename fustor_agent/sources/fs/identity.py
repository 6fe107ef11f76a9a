"""What a root is: the device, inode and mount it is for as long as it is held open, and what of that survives a remount."""

import os
from dataclasses import dataclass

from fustor_agent.sources.fs.kernel import mount_of
from fustor_core.wire import Identity

_SIGNED = 2**63


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
    return Identity(_type_of(descriptor), f"{os.statvfs(descriptor).f_fsid:x}", folded(os.fstat(descriptor).st_ino))


def _type_of(descriptor: int) -> str:
    """The type of the file system, as /proc/self/mountinfo names it."""
    mount, device = mount_of(descriptor), os.fstat(descriptor).st_dev
    numbers = f"{os.major(device)}:{os.minor(device)}"
    by_device = "unknown"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            before, _, after = line.partition(" - ")
            fields = before.split()
            if mount is not None and int(fields[0]) == mount:
                return after.split()[0]
            if fields[2] == numbers:
                by_device = after.split()[0]
    return by_device
