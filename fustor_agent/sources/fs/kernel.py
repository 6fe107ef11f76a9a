"""The few system calls that Python lacks, in ctypes: openat2, the mount that a file lies on, and inotify.

inotify is called directly because names must stay bytes, and because one thin layer serves all three. Every call retries when interrupted,
and raises OSError like the functions of `os`.
"""

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Callable

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

# The same number on every architecture that Linux gained or kept since openat2 came (5.6), except alpha.
_SYS_OPENAT2 = 437
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_NO_AUTOMOUNT = 0x800
_AT_EMPTY_PATH = 0x1000
_STATX_MNT_ID = 0x1000
_STATX_SIZE = 256
_MASK_AND_MOUNT = struct.Struct("=I140xQ")

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_syscall = _libc.syscall
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(_OpenHow), ctypes.c_size_t)
_syscall.restype = ctypes.c_long
_inotify_init1 = _libc.inotify_init1
_inotify_init1.argtypes = (ctypes.c_int,)
_inotify_add_watch = _libc.inotify_add_watch
_inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
_inotify_rm_watch = _libc.inotify_rm_watch
_inotify_rm_watch.argtypes = (ctypes.c_int, ctypes.c_int)


def _find_statx() -> Callable[..., int] | None:
    try:
        statx = _libc.statx
    except AttributeError:  # a C library older than statx
        return None
    statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p)
    found: Callable[..., int] = statx
    return found


_statx = _find_statx()


class _Buffer(threading.local):
    """A buffer of each thread: making one costs as much as the call that fills it."""

    def __init__(self) -> None:
        self.statx = ctypes.create_string_buffer(_STATX_SIZE)


_buffers = _Buffer()


def _done(call: Callable[..., int], *arguments: object) -> int:
    """What `call` returns if it is not -1."""
    while True:
        result = call(*arguments)
        if result != -1:
            return result
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def openat2(directory: int, path: bytes, flags: int, resolve: int) -> int:
    """Open `path` below the descriptor `directory`, resolving it as told. ENOSYS or EPERM where the kernel or a sandbox does not have
    the call."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    return _done(_syscall, _SYS_OPENAT2, directory, path, ctypes.byref(how), ctypes.sizeof(how))


def mount_of(directory: int, name: bytes = b"") -> int | None:
    """The id of the mount that `name` in `directory` lies on (without a name: `directory` itself), links not followed; None where it is
    not told."""
    if _statx is None:
        return None
    buffer = _buffers.statx
    flags = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT | (0 if name else _AT_EMPTY_PATH)
    try:
        _done(_statx, directory, name, flags, _STATX_MNT_ID, buffer)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return None
        raise
    told: int
    mount: int
    told, mount = _MASK_AND_MOUNT.unpack_from(buffer)
    return mount if told & _STATX_MNT_ID else None


def inotify_init() -> int:
    """A new inotify descriptor that never blocks."""
    return _done(_inotify_init1, os.O_NONBLOCK | os.O_CLOEXEC)


def inotify_add(queue: int, path: bytes, mask: int) -> int:
    """The number of the watch on `path`: a new one, or the one that stands on the same inode already."""
    return _done(_inotify_add_watch, queue, path, mask)


def inotify_remove(queue: int, watch: int) -> None:
    """End a watch; EINVAL if it has ended by itself."""
    _done(_inotify_rm_watch, queue, watch)
