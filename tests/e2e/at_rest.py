"""What has to be true when the writers rest."""

import contextlib
import os

from tests.disk import on_disk
from tests.e2e.system import System, difference


def check_equal(system: System, linked: set[int], within: float = 15.0) -> None:
    """View and disk agree in every field. `linked` are the inodes that were given further names.

    One thing no event tells of: a link that is made and gone again, or moved out of the tree, before anybody could look at it. The file
    that it was made of, and that alone, may have other attributes than the view has of it; looked at, it is as it should be.
    """
    with contextlib.suppress(AssertionError):
        system.wait_equal(within)
        return
    disk, view = on_disk(os.fsencode(system.root)), system.in_view()
    untold = [path for path, thing in disk.items() if path in view and view[path] != thing and thing.inode in linked]
    for path in untold:
        disk.pop(path)
        view.pop(path)
    assert disk == view, difference(disk, view)
    assert len(untold) <= max(5, len(linked) // 10)
    for path in untold:
        system.post("refresh", system.mount(path))
    system.wait_equal()
