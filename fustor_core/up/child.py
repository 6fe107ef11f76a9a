"""A part of `fustor up` in its own process: runs one `fustor` command, and ends when its parent does, however that ends."""

import ctypes
import os
import signal
import sys
from typing import Final

from fustor_core.cli import fustor, run_command

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """`python -m fustor_core.up.child PARENT COMMAND…`"""
    parent, *arguments = sys.argv[1:]
    end_with_parent(int(parent))
    run_command(fustor, arguments, name="fustor")


def end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM to this process when its parent is gone: also where that was killed and could tell nobody."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # It may be gone already, and then no signal comes.
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main()
