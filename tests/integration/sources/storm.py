"""Random operations on a tree, as fast as they go: `python storm.py ROOT OUTSIDE SEED COUNT`.

Several of these at once get in each other's way. No hard links: what is done to a file through one name raises no event under its other
names, so a source alone cannot follow that (DESIGN §3).
"""

import os
import random
import shutil
import sys
from collections.abc import Callable

NAMES = [
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"new\nline",
    b"tab\tquote'\"",
    b"\xff\xfe not text",
    "ü".encode(),
    "u\u0308".encode(),
    b"L" * 255,
    b"-n",
    b" ",
]


class Storm:
    """One writer."""

    def __init__(self, root: bytes, outside: bytes, seed: str) -> None:
        self.root = root
        self.outside = outside
        self.random = random.Random(seed)
        self.mark = seed.encode()

    def run(self, count: int) -> None:
        often = [self.create, self.append, self.unlink, self.rename]
        seldom = [self.truncate, self.deep, self.there_and_back, self.rotate, self.out, self.into, self.link, self.mode, self.remove_tree]
        operations: list[Callable[[], None]] = [*often * 4, *seldom, self.deep, self.replace_by_directory, self.replace_by_file]
        for _ in range(count):
            try:
                self.random.choice(operations)()
            except (OSError, shutil.Error):  # another writer was faster
                continue

    def directory(self) -> bytes:
        path = self.root
        for _ in range(self.random.randint(0, 3)):
            below = os.path.join(path, self.random.choice(NAMES))
            if not os.path.isdir(below) or os.path.islink(below):
                break
            path = below
        return path

    def name(self) -> bytes:
        return os.path.join(self.directory(), self.random.choice(NAMES))

    def create(self) -> None:
        with open(self.name(), "xb") as file:
            file.write(b"x" * self.random.randint(0, 9000))

    def append(self) -> None:
        with open(os.open(self.name(), os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "ab") as file:
            file.write(b"more")

    def truncate(self) -> None:
        os.truncate(self.name(), self.random.randint(0, 100))

    def unlink(self) -> None:
        os.unlink(self.name())

    def deep(self) -> None:
        path = os.path.join(self.directory(), *self.random.choices(NAMES[:6], k=6))
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, b"bottom"), "wb") as file:
            file.write(b"deep")

    def rename(self) -> None:
        os.rename(self.name(), self.name())

    def there_and_back(self) -> None:
        here, there = self.name(), self.name() + b"~"[:1]
        os.rename(here, there)
        os.rename(there, here)

    def rotate(self) -> None:
        directory = self.directory()
        a, b, c = (os.path.join(directory, name) for name in self.random.sample(NAMES, 3))
        os.rename(a, b)
        os.rename(c, a)

    def out(self) -> None:
        os.rename(self.name(), os.path.join(self.outside, self.mark + self.random.choice(NAMES)[:200]))

    def into(self) -> None:
        os.rename(os.path.join(self.outside, self.random.choice(os.listdir(self.outside) or [b"none"])), self.name())

    def replace_by_directory(self) -> None:
        name = self.name()
        os.unlink(name)
        os.mkdir(name)

    def replace_by_file(self) -> None:
        name = self.name()
        shutil.rmtree(name)
        with open(name, "xb"):
            pass

    def link(self) -> None:
        os.symlink(self.random.choice((b"a", b"..", self.outside, b"/nowhere")), self.name())

    def mode(self) -> None:
        os.chmod(self.name(), self.random.choice((0o600, 0o644, 0o755, 0o700)))

    def remove_tree(self) -> None:
        shutil.rmtree(self.name())


if __name__ == "__main__":
    Storm(os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]), sys.argv[3]).run(int(sys.argv[4]))
