"""Everything that can be done to a tree, one trick at a time, as a state machine's rules do it: on what is there, picked by number.

What cannot be done at the moment is an OSError, and nothing has changed. A trick may go through a symbolic link, so no link may lead out
of the directory that root and outside lie in.
"""

import ctypes
import os
import shutil
import stat
from pathlib import Path

NAMES = [b"a", b"A", b"b", b"c", "\u00e9".encode(), "e\u0301".encode(), b"\xff\n"]
MODES = [0, 0o111, 0o444, 0o700, 0o755, 0o1777, 0o4755, 0o644]
TIMES = [0, -1, -(2**31) * 10**9 - 1, 4 * 10**18, 2**33 * 10**9 + 1, 1_234_567_890_123_456_789]
_HERE, _FOLLOW, _EXCHANGE = -100, 0x400, 2  # AT_FDCWD, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE

_libc = ctypes.CDLL(None, use_errno=True)


class Tricks:
    """Tricks in `root`, with `outside` to move things to and from. `open` are descriptors of files that have lost their names."""

    def __init__(self, root: Path, outside: Path) -> None:
        self.root = os.fsencode(root)
        self.outside = os.fsencode(outside)
        self.open: list[int] = []
        self.untold: set[int] = set()
        """Inodes of which the kernel may not have told: given another name, or written through a descriptor whose name is gone, and
        perhaps out of sight before anybody could look."""
        self._moved = 0

    def grow(self) -> None:
        """Something to begin with."""
        for names in (b"a/b/c", b"b/a", b"c"):
            self.make_directories(0, names.split(b"/"))
            with open(os.path.join(self.root, names, b"file"), "xb") as file:
                file.write(b"x")
        os.makedirs(os.path.join(self.outside, b"a", b"b"))
        os.link(os.path.join(self.root, b"c", b"file"), os.path.join(self.root, b"b", b"linked"))

    # What is there

    def directories(self) -> list[bytes]:
        """The root, and every directory below it that can be reached."""
        return sorted(above for above, _, _ in os.walk(self.root))

    def directory(self, number: int) -> bytes:
        found = self.directories()
        return found[number % len(found)]

    def anything(self, number: int) -> bytes:
        """Something below the root."""
        found = sorted(os.path.join(above, name) for above, names, others in os.walk(self.root) for name in (*names, *others))
        if not found:
            raise FileNotFoundError
        return found[number % len(found)]

    def file(self, number: int) -> bytes:
        """A regular file below the root."""
        found = sorted(os.path.join(above, name) for above, _, names in os.walk(self.root) for name in names)
        found = [path for path in found if stat.S_ISREG(os.lstat(path).st_mode)]
        if not found:
            raise FileNotFoundError
        return found[number % len(found)]

    # Making and removing

    def make_file(self, where: int, name: bytes, size: int) -> None:
        with open(os.path.join(self.directory(where), name), "xb") as file:
            file.write(b"x" * size)

    def make_directories(self, where: int, names: list[bytes]) -> None:
        path = os.path.join(self.directory(where), *names)
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, b"bottom"), "wb") as file:
            file.write(b"deep")

    def make_other(self, where: int, name: bytes, kind: str) -> None:
        path = os.path.join(self.directory(where), name)
        match kind:
            case "fifo":
                os.mkfifo(path)
            case "socket":
                os.mknod(path, stat.S_IFSOCK | 0o600)
            case "outside":
                os.symlink(self.outside, path)
            case target:
                os.symlink(target, path)

    def remove(self, what: int) -> None:
        path = self.anything(what)
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)

    def make_again(self, what: int, kind: str) -> None:
        """Under the same name, another thing of the same or another kind."""
        path = self.anything(what)
        self.remove(what)
        if kind == "file":
            with open(path, "xb"):
                pass
        else:
            os.makedirs(os.path.join(path, b"a"))
            with open(os.path.join(path, b"a", b"new"), "xb"):
                pass

    # Moving

    def move(self, what: int, where: int, name: bytes) -> None:
        os.rename(self.anything(what), os.path.join(self.directory(where), name))

    def rotate(self, what: int, name: bytes, other: int) -> None:
        """`mv a b; mv c a`, for siblings."""
        a = self.anything(what)
        directory = os.path.dirname(a)
        siblings = sorted(os.listdir(directory))
        os.rename(a, os.path.join(directory, name))
        os.rename(os.path.join(directory, siblings[other % len(siblings)]), a)

    def there_and_back(self, what: int, where: int, name: bytes) -> None:
        here, there = self.anything(what), os.path.join(self.directory(where), name)
        if os.path.lexists(there):
            raise FileExistsError
        os.rename(here, there)
        os.rename(there, here)

    def exchange(self, one: int, other: int) -> None:
        """Two names change places in one act."""
        if _libc.renameat2(_HERE, self.anything(one), _HERE, self.anything(other), _EXCHANGE):
            raise OSError(ctypes.get_errno(), "they cannot change places")

    def link_for_directory(self, what: int, where: int, name: bytes) -> None:
        """A directory moves, and a symbolic link to it takes its place."""
        path, new = self.anything(what), os.path.join(self.directory(where), name)
        os.rename(path, new)
        os.symlink(new, path)

    def move_out(self, what: int) -> None:
        self._moved += 1
        os.rename(self.anything(what), os.path.join(self.outside, b"%d" % self._moved))

    def move_in(self, number: int, where: int, name: bytes) -> None:
        path = self._outside(number)
        self._untold(path)
        os.rename(path, os.path.join(self.directory(where), name))

    def change_outside(self, number: int) -> None:
        """What has been moved out goes on changing there."""
        path = self._outside(number)
        if os.path.islink(path):
            raise FileNotFoundError
        if os.path.isdir(path):
            os.makedirs(os.path.join(path, b"unseen", b"a"))
        else:
            self._untold(path)
            os.truncate(path, 7)

    def _outside(self, number: int) -> bytes:
        found = sorted(os.listdir(self.outside))
        if not found:
            raise FileNotFoundError
        return os.path.join(self.outside, found[number % len(found)])

    def _untold(self, path: bytes) -> None:
        for above, _, names in os.walk(path):
            self.untold.update(os.lstat(os.path.join(above, name)).st_ino for name in names)
        self.untold.add(os.lstat(path).st_ino)

    # Contents and attributes

    def write(self, what: int, how: str) -> None:
        path = self.file(what)
        match how:
            case "append":
                with open(path, "ab") as file:
                    file.write(b"more")
            case "shorten":
                os.truncate(path, 1)
            case _:
                with open(path, "r+b") as file:
                    os.truncate(file.fileno(), 10**9)
                    file.seek(5 * 10**8)
                    file.write(b"in the middle of nothing")

    def mode(self, what: int, mode: int) -> None:
        path = self.anything(what)
        if os.path.islink(path):
            raise NotADirectoryError
        os.chmod(path, mode)

    def group(self, what: int, group: int) -> None:
        os.chown(self.anything(what), -1, group, follow_symlinks=False)

    def times(self, what: int, nanoseconds: int) -> None:
        os.utime(self.anything(what), ns=(0, nanoseconds), follow_symlinks=False)

    def open_all(self) -> None:
        """Every directory can be read again."""
        for above, names, _ in os.walk(self.root):  # which goes into a directory after it has named it
            for name in names:
                path = os.path.join(above, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o755)

    # Several names, and none

    def link(self, what: int, where: int, name: bytes) -> None:
        path = self.file(what)
        os.link(path, os.path.join(self.directory(where), name))
        self.untold.add(os.lstat(path).st_ino)

    def unlink_open(self, what: int) -> None:
        path = self.file(what)
        self.open.append(os.open(path, os.O_RDWR))
        os.unlink(path)

    def write_open(self, number: int) -> None:
        if self.open:
            descriptor = self.open[number % len(self.open)]
            os.write(descriptor, b"nobody sees this")
            self.untold.add(os.fstat(descriptor).st_ino)

    def close_open(self) -> None:
        while self.open:
            os.close(self.open.pop())

    def name_at_last(self, where: int, name: bytes) -> None:
        """A file is written before it has a name, and then given one."""
        directory = self.directory(where)
        descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY)
        try:
            os.write(descriptor, b"whole from the first moment")
            # os.link() does not follow the link in /proc, as this needs.
            if _libc.linkat(_HERE, b"/proc/self/fd/%d" % descriptor, _HERE, os.path.join(directory, name), _FOLLOW):
                raise OSError(ctypes.get_errno(), "it cannot be given this name")
        finally:
            os.close(descriptor)
