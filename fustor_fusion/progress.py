"""How far a snapshot is, in words, from what the agent counts and from what was there at the last one. Pure."""

from collections.abc import Mapping


def progress(counters: Mapping[str, int]) -> str:
    """`43 %` of the entries that there were, at most 99; how many it are so far, where nobody knows how many there will be; or nothing.

    What is below a directory that was not listed yet is unknown, so nothing that the walk itself knows is a measure of what is left. A
    tree that has grown stays at 99 %, one that has shrunk is done sooner.
    """
    listed, expected = counters.get("walk_entries", 0), counters.get("walk_entries_expected", 0)
    if expected > 0:
        return f"{min(99, 100 * listed // expected)} %"
    return f"{listed:,} entries so far" if listed else ""
