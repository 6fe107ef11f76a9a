"""Lists one directory: opens it, watches it, and states what it holds.

What is stated must be older than no word of somebody who has seen less: a change that raised no event, because the directory was not
watched yet, is in this listing only. So where the watch is new, the stamp is taken after it stands. But a descriptor leads to wherever its
directory has been moved; so after the stamp the path must be seen to lead to the directory once more (`_still_leads_to`). Where it was
watched before, no change goes unheard, and the stamp is taken before the opening as for everything else.
"""

import os
from collections.abc import Sequence

from fustor_agent.sources.fs.checking import check_names
from fustor_agent.sources.fs.glancing import looks_to_keep
from fustor_agent.sources.fs.opening import Obstacle, Opened
from fustor_agent.sources.fs.reading import Contents, entry_of, in_parts, names_in, read_contents
from fustor_agent.sources.fs.report import ROOT_REMOVED, Report
from fustor_agent.sources.fs.watching import Watched
from fustor_core.clock import wall
from fustor_core.errors import RootGone
from fustor_core.evidence import Listing, Seen, Unreadable
from fustor_core.paths import LONGEST_PATH, ROOT, join

_ATTEMPTS = 4
_TOO_DEEP = f"below it are paths of more than {LONGEST_PATH:,} bytes, which are left out"
_TOO_FAST = "it changes faster than it can be read"


def list_directory(report: Report, path: bytes, part_entries: int) -> None:
    """State what the directory holds, or what is there instead of it."""
    if len(path) > LONGEST_PATH or report.scope.covers(path):
        return
    for _ in range(_ATTEMPTS):
        at = report.taken.take()
        turn = report.watches.enter(path) if report.watches is not None else 0
        try:
            if _state_path(report, path, at, turn, part_entries):
                return
        finally:
            if report.watches is not None:
                report.watches.leave(turn)
    report.look.evidence.append(Unreadable(path, report.taken.take(), _TOO_FAST))


def _state_path(report: Report, path: bytes, at: int, turn: int, part_entries: int) -> bool:
    began = wall()
    reached = report.scope.tree.open_to_read(report.root, path)
    if isinstance(reached, Obstacle):
        if reached.path == path and reached.mount < 0:
            _state_not_entered(report, path)
        report.state_obstacle(reached, at, turn)
        return True
    try:
        return _state_directory(report, reached, path, at, turn, part_entries, began)
    finally:
        os.close(reached[0])


def _state_directory(report: Report, opened: Opened, path: bytes, at: int, turn: int, part_entries: int, began: int) -> bool:
    """State what the open directory holds. False if it is not at `path` any more, so that this is to be opened anew. `began` is the
    wall-clock time (ns) before it was opened."""
    (directory, status), taken = opened, report.taken
    if path and report.scope.leaves_out_directory(path, status):
        taken.drop(at)
        return True
    watched = None if report.watches is None else report.watches.watch(directory, path, report.scope.key(status), turn)
    own_at = None
    # Also where it was watched before: what a first listing told may have been lost with its session, and then nobody else tells it.
    if watched is not None or path == ROOT:
        taken.drop(at)
        at, own_at = taken.take(), taken.take()
        if not _still_leads_to(report, path, status):
            taken.drop(at, own_at)
            return False
    names: list[bytes] = []
    try:
        names = names_in(directory)
        contents = read_contents(report.scope, opened, path, names)
    except OSError as error:
        _state_in_pieces(report, directory, path, at, names, error)
    else:
        if not names and not os.fstat(directory).st_nlink:
            # A removed directory reads as an empty one.
            if path == ROOT:
                raise RootGone(ROOT_REMOVED)
            taken.drop(at, *([own_at] if own_at is not None else []))
            return False
        _state_contents(report, path, at, contents, part_entries)
        _follow_up(report, path, watched, contents, turn, looks_to_keep(status, began))
    if own_at is not None:
        # What had been heard of the directory itself is from before it was watched, when nobody heard of what happened in it.
        status = os.fstat(directory)
        report.look.evidence.append(Seen(path, own_at, entry_of(status, report.scope.tree.home_of(directory, status))))
    return True


def _state_not_entered(report: Report, path: bytes) -> None:
    """State that a mount point which is not entered holds nothing: what lies under it cannot be reached, and is no part of the tree."""
    at = report.taken.take()
    # Looked at once more, because what was found before the stamp may have been unmounted since.
    again = report.scope.tree.open_to_search(report.root, path)
    if isinstance(again, Obstacle):
        if again.path == path and again.mount < 0:
            report.look.evidence.append(Listing(path, at, {}))
            return
    else:
        os.close(again[0])
    report.taken.drop(at)


def _still_leads_to(report: Report, path: bytes, status: os.stat_result) -> bool:
    """Whether the directory with this status is at `path`. It is held open, so no other can have its inode."""
    if path == ROOT:
        return True
    reached = report.scope.tree.open_to_search(report.root, path)
    if isinstance(reached, Obstacle):
        return False
    descriptor, found = reached
    os.close(descriptor)
    return (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino)


def _state_contents(report: Report, path: bytes, at: int, contents: Contents, part_entries: int) -> None:
    evidence = report.look.evidence
    evidence.extend(in_parts(path, at, contents.entries, part_entries))
    if contents.too_deep:
        evidence.append(Unreadable(path, report.taken.take(), _TOO_DEEP))


def _follow_up(report: Report, path: bytes, watched: Watched | None, contents: Contents, turn: int, looks: int) -> None:
    """Name the directories that are to be listed next, and keep what this one looked like."""
    look, watches = report.look, report.watches
    look.directories.extend(join(path, name) for name in (*contents.keys, *contents.mounts))
    if watched is Watched.OVERTAKEN:
        # In both, so that whoever goes down and whoever only follows strangers comes back to it.
        look.directories.append(path)
        look.strangers.append(path)
    elif watches is not None:
        look.strangers.extend(join(path, name) for name in watches.only_these(path, contents.keys, turn, looks))


def _state_in_pieces(report: Report, directory: int, path: bytes, at: int, names: Sequence[bytes], error: OSError) -> None:
    """The listing failed with `error`: the directory is not complete, but each name in it that can be looked at is still worth stating."""
    report.state_unreadable(path, at, error)
    try:
        os.stat(b".", dir_fd=directory)
    except OSError:
        return  # no name in it can be looked up at all
    check_names(report, path, names, unreadable={path})
