"""What a commit changes in the view, in order: what the feed of changes is made of."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from fustor_core.wire import Via
from fustor_fusion.merge.totals import Chain
from fustor_fusion.query import ChangeKind

KEPT: Final = 100_000
"""Changes that a root keeps: of more in one commit, the last."""

Made = tuple[ChangeKind, Via, bytes]


class Changes:
    """The changes of one commit: `made` are the last of them, `count` is how many there were."""

    def __init__(self) -> None:
        self.made: deque[Made] = deque(maxlen=KEPT)
        self.count = 0

    def note(self, kind: ChangeKind, chain: Chain, name: bytes, via: Via) -> None:
        """Something happened to `name` in the last directory of the chain; of an empty chain, to the root."""
        self.note_all(kind, chain, (name,), via)

    def note_all(self, kind: ChangeKind, chain: Chain, names: Sequence[bytes], via: Via) -> None:
        """The same happened to all these names."""
        self.count += len(names)
        prefix = b"".join([directory.name + b"/" for directory in chain[1:]])
        self.made.extend([(kind, via, prefix + name) for name in names])
