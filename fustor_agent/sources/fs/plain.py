"""Reads the attributes of many files at once, where that could be compiled (`_plain.c`): Python takes longer to ask for one than the kernel
to answer.

It only ever takes the plain case off the hands of `read_contents`, and decides nothing: whatever is a directory, on another device, gone,
refused, or out of the ordinary in any way is left to be looked at one by one.
"""

from collections.abc import Callable, Sequence

from fustor_core.evidence import Entry

ReadPlain = Callable[[int, Sequence[bytes], int, int, type[Entry], dict[bytes, Entry]], Sequence[bytes]]
"""`read(directory, names, device, mount, make, entries)` puts what `lstat` says of names in the open directory into `entries`, as
`make(mode, …)` with this `mount`, if it is no directory and on this device. Returns the names of which it has put nothing, in their
order."""


def leave_all(
    directory: int, names: Sequence[bytes], device: int, mount: int, make: type[Entry], entries: dict[bytes, Entry]
) -> Sequence[bytes]:
    """The `ReadPlain` of a machine that could not compile one."""
    return names


try:
    from fustor_agent.sources.fs._plain import read_plain
except ImportError:
    fastest: ReadPlain = leave_all
else:
    fastest = read_plain
