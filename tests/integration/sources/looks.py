"""A source that is open, and short ways to ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fustor_agent.sources import Look
from fustor_agent.sources.fs import FsSource
from fustor_agent.sources.fs.plain import fastest, leave_all
from fustor_core.clock import Stamper, boottime
from fustor_core.evidence import Evidence, Gone, Listing, Seen, Unreadable

both_ways = pytest.mark.parametrize("openat2", [True, False], ids=["openat2", "step by step"])
"""With the call that opens a whole path, and without it."""

_COMPILED = pytest.param(fastest, id="at once", marks=pytest.mark.skipif(fastest is leave_all, reason="it could not be compiled here"))
read_plain_ways = pytest.mark.parametrize("read_plain", [_COMPILED, pytest.param(leave_all, id="one by one")])
"""With the compiled reader of plain files, and without it."""


class Asked:
    """Asks a source, and sees to it that every stamp it takes ends in exactly one piece of evidence, or is dropped."""

    def __init__(self, source: FsSource) -> None:
        self.source = source
        self.stamps = Stamper(boottime, 1, 0)

    def list(self, path: bytes = b"") -> Look:
        return self._accounted(self.source.list(path, self.stamps))

    def check(self, *paths: bytes) -> Look:
        return self._accounted(self.source.check(paths, self.stamps))

    def _accounted(self, look: Look) -> Look:
        stamps = {evidence.at for evidence in look.evidence}
        parts = sum(1 for evidence in look.evidence if isinstance(evidence, Listing) and evidence.part)
        assert len(stamps) == len(look.evidence) - parts, "two pieces of evidence have one stamp"
        assert set(self.stamps._open) == stamps, "a stamp was neither used nor dropped"
        for at in stamps:
            self.stamps.drop(at)
        return look


@contextmanager
def asked(root: Path, **options: Any) -> Iterator[Asked]:
    """A source that only lists."""
    source = FsSource(root, **options)
    with source.open():
        yield Asked(source)


def said(look: Look) -> list[tuple[str, bytes]]:
    """What was stated of which path, without when and how."""
    return [(type(evidence).__name__, evidence.path) for evidence in look.evidence]


def listed(look: Look) -> dict[bytes, Any]:
    """The entries of the one listing in the look."""
    entries: dict[bytes, Any] = {}
    for evidence in look.evidence:
        if isinstance(evidence, Listing):
            entries.update(evidence.entries)
    return entries


def only(evidence: list[Evidence]) -> Seen | Gone | Unreadable | Evidence:
    """The one piece of evidence."""
    assert len(evidence) == 1, evidence
    return evidence[0]
