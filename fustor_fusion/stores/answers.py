"""What every store answers in the same way: whether an entry is wanted, and the answers made of what is stored."""

from collections.abc import Callable
from typing import NamedTuple

from fustor_core import globs
from fustor_core.evidence import Entry, Kind
from fustor_fusion.merge.nodes import NEVER, Child, Directory
from fustor_fusion.query import Filter, Found, Instant, Usage

Test = Callable[[bytes, Kind, Entry | None], bool]


def matcher(wanted: Filter) -> Test:
    """Whether a filter wants an entry with this name, kind and attributes; its depths are left to the caller."""
    tests: list[Test] = []
    if wanted.name is not None:
        by_name = globs.compile(wanted.name)
        tests.append(lambda name, _kind, _entry: by_name(name))
    if wanted.iname is not None:
        by_iname = globs.compile(wanted.iname, ignore_case=True)
        tests.append(lambda name, _kind, _entry: by_iname(name))
    if wanted.kinds is not None:
        kinds = wanted.kinds
        tests.append(lambda _name, kind, _entry: kind in kinds)
    attributes = _attribute_tests(wanted)
    if attributes:
        tests.append(lambda _name, _kind, entry: entry is not None and all(test(entry) for test in attributes))
    return lambda name, kind, entry: all(test(name, kind, entry) for test in tests)


def _attribute_tests(wanted: Filter) -> list[Callable[[Entry], bool]]:
    min_size, max_size, newer, older, uid = wanted.min_size, wanted.max_size, wanted.newer, wanted.older, wanted.uid
    tests: list[Callable[[Entry], bool]] = []
    if min_size is not None:
        tests.append(lambda entry: entry.size >= min_size)
    if max_size is not None:
        tests.append(lambda entry: entry.size <= max_size)
    if newer is not None:
        tests.append(lambda entry: (entry.mtime, entry.mtime_ns) > newer)
    if older is not None:
        tests.append(lambda entry: (entry.mtime, entry.mtime_ns) < older)
    if uid is not None:
        tests.append(lambda entry: entry.uid == uid)
    return tests


def kind_of(child: Child) -> Kind:
    """The kind of what is stored under a name."""
    if child.directory or child.entry is None:
        return Kind.DIRECTORY
    return child.entry.kind


class Below(NamedTuple):
    """What is known of a directory and all below it: when any of it changed last, whether all of it is fresh, its latest modification
    time, and whether anything in it is `unlisted`."""

    changed_at: int
    fresh: bool
    newest: Instant | None
    unlisted: bool


def is_fresh(directory: Directory, epoch: int) -> bool:
    """Whether the directory and all below it were listed since the watching of that number began."""
    return all_fresh(epoch, directory.fresh_in(epoch), directory.to_list, directory.unreadable_below)


def all_fresh(epoch: int, fresh: int, to_list: int, unreadable: int) -> bool:
    """The same by the counts of that watching."""
    return epoch > 0 and fresh == to_list and not unreadable


def lacks(fresh: int, to_list: int, unreadable: int) -> bool:
    """Whether a directory that has to be listed and can be read was not, by the counts of the present watching."""
    return to_list - fresh > unreadable


def below(directory: Directory, epoch: int) -> Below:
    """What is known of a directory and all below it."""
    unlisted = lacks(directory.fresh_in(epoch), directory.to_list, directory.unreadable_below)
    return Below(directory.changed_below, is_fresh(directory, epoch), directory.newest, unlisted)


def found(path: bytes, child: Child, parent: Directory | None, below: Below | None, epoch: int) -> Found:
    """One entry as an answer; `parent` is the directory that holds it, None for the root, `below` is given for a directory."""
    changed_at, via = child.changed_at, child.via
    if parent is not None and changed_at is None:
        changed_at = parent.filled_at
    if parent is not None and via is None:
        via = parent.filled_via
    kind, changed_at = kind_of(child), changed_at or 0
    if below is not None:
        return Found(path, kind, child.entry, changed_at, via or "", max(below.changed_at, changed_at), below.fresh, below.newest)
    fresh = epoch > 0 and parent is not None and parent.watched_in(epoch)
    listed_at = max(child.at, NEVER if parent is None else parent.listed_at)
    return Found(path, kind, child.entry, changed_at, via or "", changed_at, fresh, None, listed_at)


def usage_of_directory(directory: Directory) -> Usage:
    """The totals of a directory and all below it."""
    return Usage(directory.files, directory.directories, directory.others, directory.bytes, directory.allocated, directory.newest)


def usage_of_leaf(entry: Entry) -> Usage:
    """The totals of one thing that is no directory."""
    is_file = entry.kind is Kind.FILE
    return Usage(int(is_file), 0, int(not is_file), entry.size if is_file else 0, entry.allocated, (entry.mtime, entry.mtime_ns))
