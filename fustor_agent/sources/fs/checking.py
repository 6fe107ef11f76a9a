"""Looks at paths, and states what each of them is.

All stamps are taken before the directory above is opened. Its descriptor leads to wherever it has been moved since; so only what was the
case after the stamp *and* after the opening may be stated, and every later change raises an event that is looked at later.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence

from fustor_agent.sources.fs.opening import Obstacle, is_absence
from fustor_agent.sources.fs.reading import Contents, entry_of
from fustor_agent.sources.fs.report import Report
from fustor_core.evidence import Gone, Seen
from fustor_core.paths import LONGEST_PATH, ROOT, components, join, split


def check_paths(report: Report, paths: Sequence[bytes]) -> None:
    """State what each path is at this moment."""
    names_by_directory: dict[bytes, list[bytes]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        if not path:
            _check_root(report)
        elif len(path) <= LONGEST_PATH:
            directory, name = split(path)
            names_by_directory[directory].append(name)
    stopped: set[bytes] = set()
    unreadable: set[bytes] = set()
    # From above to below, so that what stands in the way of many is met once.
    for directory in sorted(names_by_directory):
        if not (stopped and _is_at_or_below(directory, stopped)) and not report.scope.covers(directory):
            obstacle = check_names(report, directory, names_by_directory[directory], unreadable)
            if obstacle is not None:
                stopped.add(obstacle)
    if report.scope.tree.cross_mounts:
        _check_above_gone(report, paths, unreadable)


def _check_above_gone(report: Report, paths: Sequence[bytes], unreadable: set[bytes]) -> None:
    """State what the directories of names that are gone are: one that was a mount point, and is none, has not lost what was in it."""
    gone = {split(one.path)[0] for one in report.look.evidence if isinstance(one, Gone)}
    for path in sorted(gone - {ROOT, *paths}):
        directory, name = split(path)
        check_names(report, directory, [name], unreadable)


def check_names(report: Report, directory: bytes, names: Sequence[bytes], unreadable: set[bytes]) -> bytes | None:
    """State what each name in `directory` is. Returns the path that stands in the way of all of them, if one does.

    `unreadable` are directories that have been stated to be, which is not repeated.
    """
    names = report.scope.excludes.candidates(directory, names)
    if not names:
        return None
    watches, look, taken = report.watches, report.look, report.taken
    turn = 0 if watches is None else watches.turn()
    stamps = [taken.take() for _ in names]
    reached = report.scope.tree.open_to_search(report.root, directory)
    if isinstance(reached, Obstacle):
        taken.drop(*stamps[1:])
        if reached.error is not None and reached.path in unreadable:
            taken.drop(stamps[0])
        else:
            report.state_obstacle(reached, stamps[0], turn)
        return reached.path
    try:
        contents, others = _look_at(report, reached[0], directory, dict(zip(names, stamps, strict=True)), unreadable)
    finally:
        os.close(reached[0])
    look.directories.extend(join(directory, name) for name in contents.keys)
    if watches is not None:
        watches.no_directories(directory, others, turn)
        look.strangers.extend(join(directory, name) for name in watches.strangers(directory, contents.keys))
    return None


def _check_root(report: Report) -> None:
    at = report.taken.take()
    status = os.fstat(report.root)
    report.look.evidence.append(Seen(ROOT, at, entry_of(status)))
    report.look.directories.append(ROOT)
    if report.watches is not None and report.watches.is_stranger(ROOT, report.scope.key(status)):
        report.look.strangers.append(ROOT)


def _look_at(
    report: Report, directory: int, above: bytes, stamps: Mapping[bytes, int], unreadable: set[bytes]
) -> tuple[Contents, list[bytes]]:
    """State what each name in the open directory is. Returns the directories among them, and the names that are none."""
    contents = Contents()
    others: list[bytes] = []
    for name, at in stamps.items():
        path = join(above, name)
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            mount = report.scope.tree.mount_number(directory, name, status)
        except OSError as error:
            if is_absence(error):
                report.look.evidence.append(Gone(path, at))
                others.append(name)
            elif above in unreadable:
                report.taken.drop(at)
            else:
                unreadable.add(above)
                report.state_unreadable(above, at, error)
            continue
        if report.state(path, at, status, mount):
            contents.keys[name] = report.scope.key(status)
        else:
            others.append(name)
    return contents, others


def _is_at_or_below(path: bytes, stopped: set[bytes]) -> bool:
    above = b""
    for name in components(path):
        above = join(above, name)
        if above in stopped:
            return True
    return b"" in stopped
