"""Random operations on a tree, from several processes at once: what an indexer has to survive."""

import contextlib
import os
import random
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

NAMES = [
    b"a",
    b"b",
    b"c",
    b"new\nline",
    b"tab\tname",
    b"quo'te\"",
    b"\xff\xfe not utf-8",
    b"\xc3\xa9",
    b"x" * 255,
    b" space",
    b"-dash",
    b"*",
]


class Storm:
    """Operations on `root`, with `outside` to move things to and from; what another process makes impossible is passed over."""

    def __init__(self, root: bytes, outside: bytes, seed: str) -> None:
        self._root = root
        self._outside = outside
        self._random = random.Random(seed)
        self._log = outside + b".links-" + seed.encode()
        self._linked: set[int] = set()
        self._operations: list[Callable[[], None]] = [
            *[self.create] * 4,
            *[self.append] * 2,
            self.truncate,
            *[self.unlink] * 2,
            self.make_deep,
            *[self.rename_file] * 2,
            *[self.rename_directory] * 2,
            self.there_and_back,
            self.move_out,
            self.move_in,
            self.file_for_directory,
            self.directory_for_file,
            self.symlink,
            *[self.link] * 2,
            self.link_over,
            self.append_through_another_name,
            self.remove_tree,
            self.change_mode,
            self.set_times,
        ]

    def run(self, operations: int) -> None:
        for _ in range(operations):
            with contextlib.suppress(OSError):
                self._random.choice(self._operations)()
        with open(self._log, "w") as log:
            log.write("\n".join(map(str, self._linked)))

    def _link(self, path: bytes, name: bytes) -> None:
        os.link(path, name, follow_symlinks=False)
        self._linked.add(os.lstat(name).st_ino)

    def _directory(self) -> bytes:
        """A directory of the tree, by a random walk down."""
        path = self._root
        while self._random.random() < 0.75:
            below = [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
            if not below:
                break
            path = self._random.choice(sorted(below))
        return path

    def _new(self) -> bytes:
        return os.path.join(self._directory(), self._random.choice(NAMES))

    def _existing(self, directories: bool) -> bytes:
        """A file or directory of the tree; OSError if this walk finds none."""
        found = [entry.path for entry in os.scandir(self._directory()) if entry.is_dir(follow_symlinks=False) == directories]
        if not found:
            raise FileNotFoundError
        return self._random.choice(sorted(found))

    def create(self) -> None:
        with open(self._new(), "wb") as file:
            file.write(b"x" * self._random.randrange(10_000))

    def append(self) -> None:
        with open(self._existing(False), "ab") as file:
            file.write(b"y" * self._random.randrange(1, 1_000))

    def truncate(self) -> None:
        os.truncate(self._existing(False), self._random.randrange(5_000))

    def unlink(self) -> None:
        os.unlink(self._existing(False))

    def make_deep(self) -> None:
        deep = os.path.join(self._new(), *(self._random.choice(NAMES) for _ in range(5)))
        os.makedirs(deep)
        with open(os.path.join(deep, b"bottom"), "wb") as file:
            file.write(b"deep")

    def rename_file(self) -> None:
        os.rename(self._existing(False), self._new())

    def rename_directory(self) -> None:
        os.rename(self._existing(True), self._new())

    def there_and_back(self) -> None:
        old, new = self._existing(True), self._new()
        os.rename(old, new)
        os.rename(new, old)

    def move_out(self) -> None:
        os.rename(self._existing(self._random.random() < 0.5), os.path.join(self._outside, b"%d" % self._random.randrange(10**9)))

    def move_in(self) -> None:
        os.rename(os.path.join(self._outside, self._random.choice(sorted(os.listdir(self._outside)) or [b"none"])), self._new())

    def file_for_directory(self) -> None:
        path = self._existing(True)
        os.rename(path, os.path.join(self._outside, b"%d" % self._random.randrange(10**9)))
        with open(path, "wb"):
            pass

    def directory_for_file(self) -> None:
        path = self._existing(False)
        os.unlink(path)
        os.mkdir(path)

    def symlink(self) -> None:
        os.symlink(self._random.choice([b".", b"..", self._outside, b"nowhere", self._root]), self._new())

    def link(self) -> None:
        self._link(self._existing(False), self._new())

    def link_over(self) -> None:
        """A name that stood for something else becomes another name of a file."""
        # In the tree: nothing tells of a link that is made, or stays, outside.
        temporary = os.path.join(self._directory(), b"%d" % self._random.randrange(10**9))
        self._link(self._existing(False), temporary)
        os.replace(temporary, self._existing(False))

    def append_through_another_name(self) -> None:
        path = self._existing(False)
        if stat.S_ISREG(os.lstat(path).st_mode):
            other = self._new()
            self._link(path, other)
            with open(other if self._random.random() < 0.5 else path, "ab") as file:
                file.write(b"z" * self._random.randrange(1, 1_000))

    def remove_tree(self) -> None:
        if self._random.random() < 0.3:
            subprocess.run([b"rm", b"-rf", self._existing(True)], check=False, stderr=subprocess.DEVNULL)

    def change_mode(self) -> None:
        os.chmod(self._existing(self._random.random() < 0.5), self._random.choice([0o755, 0o700, 0o4755, 0o777]))

    def set_times(self) -> None:
        os.utime(self._existing(False), ns=(0, self._random.choice([0, -1, 10**9 * 86_400 * 365 * 80, 1_234_567_890_123_456_789])))


def start(root: Path, outside: Path, seed: str, operations: int) -> "subprocess.Popen[bytes]":
    """A storm in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "tests.e2e.storm", str(root), str(outside), seed, str(operations)])


def rage(root: Path, outside: Path, seed: int, *, processes: int = 3, operations: int = 1_000) -> set[int]:
    """Storms in several processes, `operations` in all; returns when they rest, with the inodes that were given further names."""
    outside.mkdir(exist_ok=True)
    storms = [start(root, outside, f"{seed}-{number}", operations // processes) for number in range(processes)]
    for storm in storms:
        assert storm.wait(60) == 0
    return linked_inodes(outside)


def linked_inodes(outside: Path) -> set[int]:
    """The inodes that storms with this outside, of those that have ended, gave further names."""
    return {int(line) for log in outside.parent.glob(f"{outside.name}.links-*") for line in log.read_text().split()}


if __name__ == "__main__":
    Storm(os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]), sys.argv[3]).run(int(sys.argv[4]))
