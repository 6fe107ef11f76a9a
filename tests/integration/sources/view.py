"""What evidence means, as a small model: the newest evidence about a path wins, in whatever order it comes (DESIGN §2)."""

from dataclasses import dataclass, field

from fustor_core.evidence import Entry, Evidence, Gone, Listing, Same, Seen, Unreadable
from fustor_core.paths import components

NOTHING = -1


@dataclass(slots=True)
class Node:
    """`at`: newest word on whether and what it is. `floor`: newest time at which it was no directory. `stated`: that of its attributes."""

    at: int
    kind: str
    floor: int
    stated: int = NOTHING
    entry: Entry | None = None
    listed: int = NOTHING
    children: dict[bytes, "Node"] = field(default_factory=dict)


class View:
    """One root, as told."""

    def __init__(self) -> None:
        self.root = Node(0, "dir", NOTHING)
        self.unreadable: dict[bytes, str] = {}
        self._parts: dict[tuple[bytes, int], dict[bytes, Entry]] = {}

    def apply(self, evidence: Evidence) -> None:
        match evidence:
            case Listing(path, at, entries, _, last):
                whole = self._parts.setdefault((path, at), {})
                whole.update(entries)
                if last:
                    self._list(path, at, self._parts.pop((path, at)))
            case Seen(path, at, entry) if not path:
                if at > self.root.stated:
                    self.root.stated, self.root.entry = at, entry
            case Seen(path, at, entry):
                self._tell(path, at, "dir" if entry.is_directory else "other", entry)
            case Gone(path, at):
                self._tell(path, at, "absent", None)
            case Unreadable(path, _, reason):
                self.unreadable[path] = reason
            case Same():
                raise AssertionError("a source knows no digests")

    def entries(self) -> dict[bytes, Entry | None]:
        """Everything that is in the view; None for what is only known from what lies in it."""
        found: dict[bytes, Entry | None] = {b"": self.root.entry}
        stack = [(b"", self.root)]
        while stack:
            above, node = stack.pop()
            for name, child in node.children.items():
                if child.kind != "absent":
                    path = above + b"/" + name if above else name
                    found[path] = child.entry if child.kind == "other" or child.stated > child.floor else None
                    stack.append((path, child))
        return found

    def _list(self, path: bytes, at: int, entries: dict[bytes, Entry]) -> None:
        self.unreadable.pop(path, None)
        directory = self._directory(components(path), at)
        if directory is None:
            return
        for name in directory.children.keys() - entries.keys():
            self._set(directory, name, at, "absent")
        for name, entry in entries.items():
            self._set(directory, name, at, "dir" if entry.is_directory else "other", entry)
        if at > directory.listed:
            directory.listed = at
            for name, child in list(directory.children.items()):
                if child.kind == "absent" and child.at <= at:
                    del directory.children[name]

    def _tell(self, path: bytes, at: int, kind: str, entry: Entry | None) -> None:
        *above, name = components(path)
        directory = self._directory(above, at)
        if directory is not None:
            self._set(directory, name, at, kind, entry)

    def _directory(self, names: list[bytes], at: int) -> Node | None:
        node = self.root
        for name in names:
            child = node.children.get(name)
            if at <= (node.listed if child is None else child.floor):
                return None
            if child is None:
                break
            node = child
        node = self.root
        for name in names:
            node = self._set(node, name, at, "dir")
        return node

    def _set(self, parent: Node, name: bytes, at: int, kind: str, entry: Entry | None = None) -> Node:
        child = parent.children.get(name)
        if child is None:
            child = parent.children[name] = Node(parent.listed, "absent", parent.listed)
        if kind != "dir" and at > child.floor:
            self._absent_below(child, at)
        if at > child.at:
            child.at, child.kind = at, kind
            if kind != "dir":
                child.children.clear()
                child.listed = NOTHING
        if entry is not None and kind == child.kind and at > child.stated:
            child.stated, child.entry = at, entry
        if child.kind == "absent" and child.at <= parent.listed:
            del parent.children[name]
        return child

    def _absent_below(self, node: Node, at: int) -> None:
        node.floor = max(node.floor, at)
        for name, child in list(node.children.items()):
            if child.at <= at:
                del node.children[name]
            elif at > child.floor:
                self._absent_below(child, at)
