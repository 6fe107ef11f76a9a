"""Opens directories below the root through the root's descriptor, never following a link, and says what stands in the way of one.

A path is resolved by `openat2` in one call. Where that is refused, or is missing, the path is walked component by component: the walk
either arrives after all (the tree has changed meanwhile), or names the topmost thing in the way.
"""

import errno
import os
import stat
from dataclasses import dataclass
from threading import Lock

from fustor_agent.sources.fs.identity import Standing
from fustor_agent.sources.fs.kernel import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, mount_of, openat2
from fustor_core.errors import RootGone
from fustor_core.paths import components, join

# The kernel takes paths of less than PATH_MAX (4,096) bytes; longer ones are opened in several steps.
_LONGEST_STEP = 4000
# How often a name that changes between two system calls is looked at again, before that is what gets reported.
_ATTEMPTS = 16
_SEARCH = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_PATH
_READ = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_RDONLY | os.O_NONBLOCK


class Held:
    """A descriptor that stays open until its owner and everybody who works with it are done: a number closed too early would mean
    another file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._users = 1
        self._released = False
        self._lock = Lock()

    def __enter__(self) -> int:
        """The descriptor, open until the end of the block; RootGone after its release."""
        with self._lock:
            if self._released:
                raise RootGone("the source has been closed")
            self._users += 1
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        self._leave()

    def release(self) -> None:
        """The owner is done with it."""
        with self._lock:
            self._released = True
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What is in the way at `path`: something that is no directory or is not entered (`status`), something unreadable (`error`), or
    nothing at all."""

    path: bytes
    status: os.stat_result | None = None
    mount: int = 0
    error: OSError | None = None


Opened = tuple[int, os.stat_result]
"""A descriptor, to be closed by who asked for it, and what it is open on."""


class Tree:
    """One root, held open."""

    def __init__(self, held: Held, standing: Standing, *, cross_mounts: bool, openat2_works: bool) -> None:
        self.held = held
        self.standing = standing
        self.cross_mounts = cross_mounts
        self._fast = openat2_works
        self._resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | (0 if cross_mounts else RESOLVE_NO_XDEV)
        self._no_atime = os.O_NOATIME

    def mount_number(self, directory: int, name: bytes, status: os.stat_result) -> int:
        """The `mount` of an entry: 0 on the root's own file system, -1 on one that is not entered. `name` may be empty: `directory`
        itself."""
        foreign = status.st_dev != self.standing.device
        # Only a directory and what lies on another device can be elsewhere; a file that is bound from the same device passes for one of the
        # root's.
        if not foreign and (not stat.S_ISDIR(status.st_mode) or mount_of(directory, name) == self.standing.mount):
            return 0
        if foreign and not stat.S_ISDIR(status.st_mode) and mount_of(directory, name) == self.standing.mount:
            return 0  # overlay file systems show files under device numbers of their own
        return status.st_dev if self.cross_mounts else -1

    def home_of(self, directory: int, status: os.stat_result) -> int:
        """The mount number of a directory that has been opened, and so of nearly everything in it."""
        return self.mount_number(directory, b"", status) if self.cross_mounts else 0

    def open_to_read(self, root: int, path: bytes) -> Opened | Obstacle:
        """The directory, so that it can be listed."""
        return self._open(root, path, _READ)

    def open_to_search(self, root: int, path: bytes) -> Opened | Obstacle:
        """The directory, so that names can be looked up in it."""
        return self._open(root, path, _SEARCH)

    def _open(self, root: int, path: bytes, flags: int) -> Opened | Obstacle:
        if not path:
            return self._open_component(root, b".", b"", b"", flags)
        if self._fast:
            try:
                descriptor = self._open_in_steps(root, path, flags)
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                    return Obstacle(path, error=error)
            else:
                status = os.fstat(descriptor)
                # A subvolume is another device without being a mount: RESOLVE_NO_XDEV lets it pass.
                if self.cross_mounts or status.st_dev == self.standing.device:
                    return descriptor, status
                os.close(descriptor)
        return self._walk(root, path, flags)

    def _open_in_steps(self, root: int, path: bytes, flags: int) -> int:
        descriptor = root
        try:
            while len(path) > _LONGEST_STEP:
                cut = path.rindex(b"/", 0, _LONGEST_STEP)
                step, path = path[:cut], path[cut + 1 :]
                descriptor = _exchange(root, descriptor, self._open_by(descriptor, step, _SEARCH))
            return self._open_by(descriptor, path, flags)
        finally:
            _exchange(root, descriptor, root)

    def _open_by(self, directory: int, path: bytes, flags: int) -> int:
        """openat2, again where it may simply be tried again. O_NOATIME is only for owners, so it is given up at the first refusal."""
        for _ in range(_ATTEMPTS):
            extra = 0 if flags & os.O_PATH else self._no_atime
            try:
                return openat2(directory, path, flags | extra, self._resolve)
            except OSError as error:
                if error.errno == errno.EPERM and extra:
                    self._no_atime = 0
                elif error.errno != errno.EAGAIN:
                    raise
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _walk(self, root: int, path: bytes, flags: int) -> Opened | Obstacle:
        *through, last = components(path)
        descriptor, above = root, b""
        try:
            for name in through:
                below = join(above, name)
                reached = self._open_component(descriptor, name, above, below, _SEARCH)
                if isinstance(reached, Obstacle):
                    return reached
                descriptor, above = _exchange(root, descriptor, reached[0]), below
            return self._open_component(descriptor, last, above, path, flags)
        finally:
            _exchange(root, descriptor, root)

    def _open_component(self, directory: int, name: bytes, above: bytes, path: bytes, flags: int) -> Opened | Obstacle:
        """The directory `name` in `directory` (whose path is `above`), or what is there instead."""
        for _ in range(_ATTEMPTS):
            try:
                descriptor = self._open_name(directory, name, flags)
            except OSError as error:
                obstacle = _obstacle_at(directory, name, above, path, error)
                if obstacle is not None:
                    return obstacle
                continue
            status = os.fstat(descriptor)
            mount = 0 if not path or self.cross_mounts else self.mount_number(descriptor, b"", status)
            if not mount:
                return descriptor, status
            os.close(descriptor)
            return Obstacle(path, status=status, mount=mount)
        return Obstacle(path, error=OSError(errno.EAGAIN, "it changes faster than it can be opened"))

    def _open_name(self, directory: int, name: bytes, flags: int) -> int:
        if not flags & os.O_PATH and self._no_atime:
            try:
                return os.open(name, flags | self._no_atime, dir_fd=directory)
            except PermissionError as error:
                if error.errno != errno.EPERM:
                    raise
                self._no_atime = 0
        return os.open(name, flags, dir_fd=directory)


def _obstacle_at(directory: int, name: bytes, above: bytes, path: bytes, error: OSError) -> Obstacle | None:
    """Why `name` could not be opened; None if it has become a directory that can be tried again."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as looked:
        if is_absence(looked):
            return Obstacle(path)
        return Obstacle(above, error=looked)
    if not stat.S_ISDIR(status.st_mode):
        return Obstacle(path, status=status)
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return None
    return Obstacle(path, error=error)


def is_absence(error: OSError) -> bool:
    """Whether the error says that nothing has this name. One that is too long for the file system cannot be in it."""
    return error.errno in (errno.ENOENT, errno.ENAMETOOLONG)


def _exchange(root: int, old: int, new: int) -> int:
    """`new`, with `old` closed unless it is the root's, which is not ours to close."""
    if old != root:
        os.close(old)
    return new


def openat2_works(root: int) -> bool:
    """Whether the kernel has openat2 and lets this process call it."""
    try:
        os.close(openat2(root, b".", _SEARCH, RESOLVE_BENEATH))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            return False
        raise
    return True
