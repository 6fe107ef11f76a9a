"""The watches of one source: set by the threads that list, read by the thread that notices. One lock guards them, held for microseconds.

The rules that make races harmless:

- A watch is set, and its place known, before the directory is read. So an event that came too early to be given a path belongs to a change
  that the reading sees.
- A watch that has ended between being set and being given a place is set once more (`_ended`).
- A directory that has been found to be gone since a listing of it took its turn gets no place from that listing (`_overtaken`): it is a
  stranger, and listed again.
"""

import errno
import itertools
import os
from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto
from threading import Lock

from fustor_agent.sources import Noticed
from fustor_agent.sources.fs.backlog import Backlog
from fustor_agent.sources.fs.inotify import Mask, Queue, parse
from fustor_agent.sources.fs.places import NO_WATCH, Places
from fustor_agent.sources.fs.writes import Writes
from fustor_core.clock import boottime, wall
from fustor_core.errors import RootGone
from fustor_core.paths import LONGEST_PATH, ROOT, is_below
from fustor_core.wire import Condition

UNWATCHED = "directories-unwatched"
_PURGED_AT_ONCE = 200
_MOST_ENDED = 10_000
_ATTEMPTS = 16

_OVERFLOW, _IGNORED = int(Mask.Q_OVERFLOW), int(Mask.IGNORED)
_NAMES_CHANGED = int(Mask.CREATE | Mask.DELETE | Mask.MOVED_FROM | Mask.MOVED_TO)
_APPEARED, _DIRECTORY = int(Mask.CREATE | Mask.MOVED_TO), int(Mask.ISDIR)


class Watched(Enum):
    """What came of watching a directory at a place.

    It was watched there BEFORE, or is FROM_HERE on; that was REFUSED; or the listing was OVERTAKEN by newer word that the directory is not
    there, and is to be done again.
    """

    BEFORE = auto()
    FROM_HERE = auto()
    REFUSED = auto()
    OVERTAKEN = auto()


class Watches:
    """Knows which directories are watched, and turns events into paths."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._backlog = Backlog(queue)
        self._places = Places()
        self._writes = Writes()
        self._moved = False
        self._lock = Lock()
        self._turns = itertools.count(1)
        self._entering: dict[int, bytes] = {}
        self._overtaken: set[int] = set()
        self._ended: set[int] = set()
        self._ended_lost = 0
        self._refusal = 0
        self._refused_since = 0

    # Readings

    def turn(self) -> int:
        """The turn of a reading, to be taken before it opens anything."""
        return next(self._turns)

    def enter(self, path: bytes) -> int:
        """The turn of a listing of `path`; to be followed by `leave` with it, whatever happens."""
        with self._lock:
            turn = next(self._turns)
            self._entering[turn] = path
            return turn

    def leave(self, turn: int) -> None:
        """The listing has set its watch, or could not."""
        with self._lock:
            del self._entering[turn]
            self._overtaken.discard(turn)
            if not self._entering:
                self._ended.clear()

    def watch(self, directory: int, path: bytes, key: int, turn: int) -> Watched:
        """Watch the open directory, which is at `path`."""
        for _ in range(_ATTEMPTS):
            lost = self._ended_lost
            watch = self._add(directory)
            with self._lock:
                if lost == self._ended_lost and watch not in self._ended:
                    return self._settle(path, watch, key, turn)
        return Watched.OVERTAKEN

    def _settle(self, path: bytes, watch: int, key: int, turn: int) -> Watched:
        if turn in self._overtaken:
            if watch != NO_WATCH and not self._places.stands(watch):
                self._remove([watch])
            return Watched.OVERTAKEN
        settled = self._places.settle(path, watch, key, turn)
        self._moved |= settled.changed
        self._remove(settled.idle)
        if settled.overtaken:
            return Watched.OVERTAKEN
        if watch == NO_WATCH:
            return Watched.REFUSED
        return Watched.FROM_HERE if settled.changed else Watched.BEFORE

    def _add(self, directory: int) -> int:
        try:
            return self._queue.add(directory)
        except RootGone:
            raise
        except OSError as error:
            self._refusal = error.errno or 0
            self._refused_since = self._refused_since or wall()
            return NO_WATCH

    def strangers(self, directory: bytes, keys: Mapping[bytes, int]) -> list[bytes]:
        """Those of the directories in `directory` (by name, with their keys) that are not the ones that are watched there."""
        with self._lock:
            return self._places.strangers(directory, keys)

    def is_stranger(self, path: bytes, key: int) -> bool:
        """The same of one path."""
        with self._lock:
            return self._places.is_stranger(path, key)

    def only_these(self, directory: bytes, keys: Mapping[bytes, int], turn: int, listed: int = 0) -> list[bytes]:
        """`directory`, which looked like `listed`, has been listed, and holds these directories and no others. Returns the names of the
        strangers among them."""
        with self._lock:
            strangers, vanished = self._places.compare(directory, keys, listed)
        self.no_directories(directory, vanished, turn)
        return strangers

    def listed_below(self, directory: bytes) -> list[tuple[bytes, int, bool]]:
        """The directories that are known in `directory`, and what each looked like when it was last listed (`Places.listed_below`)."""
        with self._lock:
            return self._places.listed_below(directory)

    def no_directories(self, directory: bytes, names: Collection[bytes], turn: int) -> None:
        """There are no directories under these names in `directory`."""
        if not names:
            return
        names = set(names)
        with self._lock:
            self._places.drop_names(directory, names, turn)
            self._moved = True
            for entering, path in self._entering.items():
                below = path[len(directory) + 1 if directory else 0 :]
                if entering < turn and is_below(path, directory) and below.partition(b"/")[0] in names:
                    self._overtaken.add(entering)
        self._purge()

    def no_directory(self, path: bytes, turn: int) -> None:
        """There is no directory at `path`."""
        with self._lock:
            self._places.drop(path, turn)
            self._moved = True
            self._overtaken.update(entering for entering, listed in self._entering.items() if entering < turn and is_below(listed, path))
        self._purge()

    def distrust(self, path: bytes) -> None:
        """`path` cannot be read: when it is there again, it is a stranger."""
        with self._lock:
            self._places.distrust(path)

    def no_new_file(self, path: bytes) -> None:
        """What is at `path` was not made by opening a new file for writing."""
        with self._lock:
            self._writes.no_new_file(path)

    def _purge(self) -> None:
        """Take dropped places apart, a few at a time, so that the thread that notices never waits long."""
        while True:
            with self._lock:
                if not self._places.to_purge:
                    return
                self._remove(self._places.purge(_PURGED_AT_ONCE))

    def _remove(self, watches: Iterable[int]) -> None:
        for watch in watches:
            self._queue.remove(watch)
            self._note_end(watch)

    def _note_end(self, watch: int) -> None:
        """Whoever has been given this number, and has no place for it yet, holds a watch that is no more."""
        if self._entering:
            self._ended.add(watch)
            if len(self._ended) > _MOST_ENDED:  # a listing hangs: make all that are on their way set their watches again
                self._ended.clear()
                self._ended_lost += 1

    # Events

    def notice(self) -> Noticed:
        """What the next events are about."""
        self._backlog.fetch()
        data = self._backlog.take()
        paths: dict[bytes, None] = {}
        trees: dict[bytes, None] = {}
        now = boottime()
        with self._lock:
            overflowed = self._translate(data, paths, trees, now)
            writing = self._writes.changes(self._places.paths, moved=self._moved, now=now)
            self._moved = False
        if overflowed:
            trees[b""] = None
        # A path that is too long to be told of is below a directory that is known to be incomplete.
        return Noticed(
            [path for path in paths if len(path) <= LONGEST_PATH],
            [path for path in trees if len(path) <= LONGEST_PATH],
            overflowed,
            {path: one for path, one in writing.items() if len(path) <= LONGEST_PATH},
            self._backlog.taken_to,
            bool(self._backlog),
        )

    def _translate(self, data: bytes, paths: dict[bytes, None], trees: dict[bytes, None], now: int) -> bool:
        places: dict[int, list[bytes]] = {}
        overflowed = False
        for watch, mask, cookie, name in parse(data):
            if mask & _OVERFLOW:
                overflowed = True
                self._writes.forget_all()
                continue
            if mask & _IGNORED:
                paths.update(dict.fromkeys(self._places.ended(watch)))
                places.pop(watch, None)
                self._note_end(watch)
                self._writes.ended(watch)
                continue
            if name:
                self._writes.heard(watch, mask, cookie, name, now)
            directories = places.get(watch)
            if directories is None:
                directories = places[watch] = self._places.paths(watch)
            for directory in directories:
                if not name or mask & _NAMES_CHANGED:
                    paths[directory] = None
                if name:
                    path = directory + b"/" + name if directory else name
                    paths[path] = None
                    if mask & _DIRECTORY and mask & _APPEARED:
                        trees[path] = None
        return overflowed

    # Health

    def unwatched(self, most: int | None) -> list[bytes]:
        """The directories that could not be watched; the root where there are more than `most`."""
        with self._lock:
            return self._places.refused_paths() if most is None or self._places.refused <= most else [ROOT]

    def conditions(self) -> list[Condition]:
        """That directories could not be watched, and what to do."""
        with self._lock:
            refused, watched = self._places.refused, self._places.watched
        if not refused:
            self._refused_since = 0
            return []
        if self._refusal != errno.ENOSPC:
            message = (
                f"{refused:,} directories cannot be watched: {os.strerror(self._refusal)}; their changes are only seen when they are listed"
            )
            return [Condition(UNWATCHED, self._refused_since, message, "see the message; /proc has to be mounted")]
        wanted = max(524_288, 1 << (2 * (refused + watched)).bit_length())
        message = f"{refused:,} directories are not watched: no more watches are allowed; their changes are only seen when they are listed"
        return [Condition(UNWATCHED, self._refused_since, message, f"sysctl fs.inotify.max_user_watches={wanted}")]
