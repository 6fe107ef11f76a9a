"""A root kept in memory: for tests, and where nothing needs to outlast the process."""

import secrets
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice

from fustor_core.evidence import Entry
from fustor_core.paths import join
from fustor_core.wire import Identity
from fustor_fusion.merge.changes import KEPT, Changes
from fustor_fusion.merge.drift import Drifts
from fustor_fusion.merge.guard import DEFAULT_RULES, GuardRules
from fustor_fusion.merge.held import Held
from fustor_fusion.merge.ledger import Ledger
from fustor_fusion.merge.links import Noted, inode_of
from fustor_fusion.merge.nodes import NEVER, ROOT_ID, Child, Directory, Inode
from fustor_fusion.merge.sweep import LARGE, Sweep
from fustor_fusion.merge.totals import latest
from fustor_fusion.query import Change, Found, Instant
from fustor_fusion.stores import AgentRecord, ChangeSpan, Contribution, Outcome, Reading, RootRecord, Swept
from fustor_fusion.stores.answers import Below, below
from fustor_fusion.stores.reading import ABOVE_ROOT, TreeReading


def children_after(children: Mapping[bytes, Child], after: bytes | None, limit: int) -> list[tuple[bytes, Child]]:
    """At most `limit` of these by name in byte order, from the first behind `after`."""
    names = sorted(children)
    first = 0 if after is None else bisect_right(names, after)
    return [(name, children[name]) for name in names[first : first + limit]]


class MemoryTree:
    """The nodes of a root, in dicts (`fustor_fusion.merge.nodes.Tree`)."""

    def __init__(self) -> None:
        self._next_id = ROOT_ID + 1
        self.root = Directory(ROOT_ID, ABOVE_ROOT, b"", to_list=1)
        self.directories = {ROOT_ID: self.root}
        self.entries: dict[int, dict[bytes, Child]] = {ABOVE_ROOT: {b"": Child(ROOT_ID, NEVER, None)}, ROOT_ID: {}}
        self.tombstones: dict[int, dict[bytes, int]] = {}
        self.detached: list[int] = []
        self.links: dict[Inode, Noted] = {}
        self._names: dict[Inode, set[tuple[int, bytes]]] = {}
        self._notes = 0
        self.changes: deque[Change] = deque(maxlen=KEPT)
        self.last_change = 0

    def lookup(self, parent: Directory, name: bytes) -> Directory | Child | None:
        child = self.entries[parent.id].get(name)
        return self.directories[child.directory] if child is not None and child.directory else child

    def own(self, directory: Directory) -> Child:
        return self.entries[directory.parent][directory.name]

    def put_own(self, directory: Directory, child: Child) -> None:
        self.entries[directory.parent][directory.name] = child

    def children(self, parent: Directory) -> dict[bytes, Child]:
        return dict(self.entries[parent.id])

    def children_after(self, parent: Directory, after: bytes | None, limit: int) -> list[tuple[bytes, Child]]:
        return children_after(self.entries[parent.id], after, limit)

    def child(self, parent: Directory, name: bytes) -> Child | None:
        return self.entries[parent.id].get(name)

    def known(self, parent: Directory, names: Sequence[bytes]) -> dict[bytes, Child]:
        entries = self.entries[parent.id]
        return {name: entries[name] for name in names if name in entries}

    def holds(self, parent: Directory, count: int) -> bool:
        return len(self.entries[parent.id]) >= count

    def put(self, parent: Directory, name: bytes, child: Child) -> None:
        self._unlink(parent.id, name, self.entries[parent.id].get(name))
        self._link(parent.id, name, child)
        self.entries[parent.id][name] = child

    def remove(self, parent: Directory, name: bytes) -> None:
        self._unlink(parent.id, name, self.entries[parent.id].pop(name))

    def make(self, parent: Directory, name: bytes) -> Directory:
        made = self.directories[self._next_id] = Directory(self._next_id, parent.id, name)
        self.entries[made.id] = {}
        self._next_id += 1
        return made

    def fill(self, parent: Directory, entries: list[tuple[bytes, Entry]], made: dict[bytes, int]) -> None:
        self.entries[parent.id] = {name: Child(made.get(name, 0), NEVER, entry) for name, entry in entries}
        for name, child in self.entries[parent.id].items():
            self._link(parent.id, name, child)

    def detach(self, directory: Directory) -> None:
        self.detached.append(directory.id)

    def touch(self, directories: Iterable[Directory]) -> None:
        """Nothing to do: what was changed is what is kept."""

    def tombstone(self, parent: Directory, name: bytes) -> int:
        return self.tombstones.get(parent.id, {}).get(name, NEVER)

    def bury(self, parent: Directory, name: bytes, at: int) -> None:
        self.tombstones.setdefault(parent.id, {})[name] = at

    def unbury(self, parent: Directory, name: bytes) -> None:
        self.tombstones.get(parent.id, {}).pop(name, None)

    def forget_tombstones(self, parent: Directory, until: int) -> None:
        buried = self.tombstones.pop(parent.id, {})
        if kept := {name: at for name, at in buried.items() if at > until}:
            self.tombstones[parent.id] = kept

    def note_links(self, noted: Mapping[Inode, bool]) -> None:
        self._notes += 1
        for inode, gone in noted.items():
            known = self.links.get(inode)
            self.links[inode] = Noted(inode, gone or (known is not None and known.gone), self._notes)

    @property
    def links_noted(self) -> bool:
        return bool(self.links)

    def record(self, changes: Changes, at: int) -> None:
        self.last_change += changes.count
        first = self.last_change - len(changes.made) + 1
        self.changes += [Change(number, at, *made) for number, made in enumerate(changes.made, start=first)]

    def names_of(self, inode: Inode) -> set[tuple[int, bytes]]:
        """Where something with several names is known: directories and names there, also in directories that are detached."""
        return self._names.get(inode, set())

    def _link(self, directory: int, name: bytes, child: Child) -> None:
        if (inode := _linked(child)) is not None:
            self._names.setdefault(inode, set()).add((directory, name))

    def _unlink(self, directory: int, name: bytes, child: Child | None) -> None:
        if child is not None and (inode := _linked(child)) is not None:
            self._names[inode].discard((directory, name))
            if not self._names[inode]:
                del self._names[inode]

    def newest(self, directory: Directory) -> Instant | None:
        children = self.entries[directory.id].values()
        entries = [self.own(directory).entry, *(child.entry for child in children)]
        below = [self.directories[child.directory].newest for child in children if child.directory]
        instants = [latest([entry for entry in entries if entry is not None]), *below]
        return max((instant for instant in instants if instant is not None), default=None)

    def drop(self, mark: int) -> None:
        """Forget tombstones and floors that no evidence can reach any more."""
        for number in list(self.tombstones):
            self.forget_tombstones(self.directories[number], mark)
        for directory in self.directories.values():
            if directory.floor <= mark:
                directory.floor = NEVER

    def purge(self, limit: int) -> bool:
        """Remove up to `limit` directories that were detached, or lay below one; whether there are more."""
        for _ in range(limit):
            if not self.detached:
                return False
            number = self.detached.pop()
            children = self.entries.pop(number)
            self.detached += [child.directory for child in children.values() if child.directory]
            for name, child in children.items():
                self._unlink(number, name, child)
            self.note_links({inode: True for child in children.values() if (inode := _linked(child)) is not None})
            self.tombstones.pop(number, None)
            del self.directories[number]
        return bool(self.detached)


class MemoryReading(TreeReading):
    """A Reading of a store whose lock is held."""

    def __init__(self, tree: MemoryTree, ledger: Ledger) -> None:
        self._tree = tree
        self._ledger = ledger

    def record(self) -> RootRecord:
        return self._ledger.record

    def agents(self) -> list[AgentRecord]:
        return sorted(self._ledger.agents.values(), key=lambda agent: agent.slot)

    def drifts(self) -> Drifts:
        return self._ledger.drifts

    def epoch(self) -> int:
        return self._ledger.epoch

    def child(self, directory: int, name: bytes) -> Child | None:
        return self._tree.entries[directory].get(name)

    def directory(self, number: int) -> Directory:
        return self._tree.directories[number]

    def below(self, numbers: Sequence[int]) -> dict[int, Below]:
        return {number: below(self.directory(number), self.epoch()) for number in numbers}

    def range(self, directory: int, after: bytes | None, limit: int) -> list[tuple[bytes, Child]]:
        return children_after(self._tree.entries[directory], after, limit)

    def change_span(self) -> ChangeSpan:
        kept = self._tree.changes
        return ChangeSpan(kept[0].number, kept[-1].number) if kept else ChangeSpan(1, 0)

    def changes(self, after: int, limit: int) -> list[Change]:
        return list(islice((change for change in self._tree.changes if change.number > after), limit))

    def links(self, limit: int) -> list[Noted]:
        return sorted(self._tree.links.values(), key=lambda note: note.number)[:limit]

    def names_of(self, inodes: Collection[Inode], *, single: bool) -> dict[Inode, list[Found]]:
        places = self._single_names(set(inodes)) if single else [place for inode in inodes for place in self._tree.names_of(inode)]
        names: dict[Inode, list[Found]] = {}
        entry = self.directories()
        for directory, name in places:
            above, child = self._path(directory), self._tree.entries[directory][name]
            if above is not None and child.entry is not None:
                names.setdefault(inode_of(child.entry), []).append(entry(join(above, name), child, directory))
        return names

    def _single_names(self, inodes: set[Inode]) -> list[tuple[int, bytes]]:
        return [
            (directory, name)
            for directory, children in self._tree.entries.items()
            for name, child in children.items()
            if not child.directory and child.entry is not None and child.entry.nlink <= 1 and inode_of(child.entry) in inodes
        ]

    def _path(self, number: int) -> bytes | None:
        """Where a directory is; None once it, or one above it, has been removed."""
        names: list[bytes] = []
        while number != ROOT_ID:
            directory = self._tree.directories[number]
            child = self._tree.entries.get(directory.parent, {}).get(directory.name)
            if child is None or child.directory != number:
                return None
            names.append(directory.name)
            number = directory.parent
        return b"/".join(reversed(names))


class MemoryStore:
    """One root in memory (`fustor_fusion.stores.RootStore`). A reading holds up commits, and a commit readings."""

    damage = None

    def __init__(self, guard: GuardRules = DEFAULT_RULES, *, large: int = LARGE) -> None:
        self._lock = threading.RLock()
        self._tree = MemoryTree()
        self._ledger = Ledger(RootRecord(secrets.token_hex(8), 0, 0, 0, "", 0, 0, 0, 0), [], 0, guard, {}, large=large)

    def open_session(self, agent: str, run: str, session: str, identity: Identity, now: int) -> AgentRecord:
        with self._lock:
            return self._ledger.open_session(agent, run, session, identity, now)

    def accept(self, agent: str, identity: Identity) -> None:
        with self._lock:
            self._ledger.accept(agent, identity)

    def commit(self, contributions: Sequence[Contribution], now: int, drop_to: int) -> list[Outcome]:
        with self._lock:
            before = self._ledger.record.drop_mark
            outcomes = self._ledger.commit(self._tree, contributions, now, drop_to)
            if self._ledger.record.drop_mark > before:
                self._tree.drop(self._ledger.record.drop_mark)
            return outcomes

    @property
    def sweeping(self) -> Collection[Sweep]:
        return self._ledger.sweeps.all()

    def sweep(self, limit: int, now: int) -> Swept:
        with self._lock:
            return self._ledger.sweep(self._tree, limit, now)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        with self._lock:
            yield MemoryReading(self._tree, self._ledger)

    @property
    def last_change(self) -> int:
        return self._tree.last_change

    @property
    def links_noted(self) -> bool:
        return self._tree.links_noted

    @property
    def held(self) -> Collection[Held]:
        return self._ledger.held.values()

    def due_held(self, now: int) -> list[Held]:
        return self._ledger.due_held(now)

    def forget_held(self, done: Sequence[Held]) -> None:
        with self._lock:
            self._ledger.forget_held(done)

    def hurry_held(self, now: int) -> None:
        with self._lock:
            self._ledger.hurry(now)

    def forget_links(self, done: Sequence[Noted]) -> None:
        with self._lock:
            for note in done:
                if self._tree.links.get(note.inode) == note:
                    del self._tree.links[note.inode]

    def purge(self, limit: int) -> bool:
        with self._lock:
            return self._tree.purge(limit)

    def close(self) -> None:
        """Nothing to release."""


def _linked(child: Child) -> Inode | None:
    """Which thing the child is a name of, if that has others too."""
    return None if child.directory or child.entry is None or child.entry.nlink <= 1 else inode_of(child.entry)
