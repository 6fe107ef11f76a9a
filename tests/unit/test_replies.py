"""What fusion writes and what its clients read are the same fields, though each side has types of its own.

They are apart on purpose: a client ignores what a newer fusion adds and does without what an older one lacks, and knows nothing of stores.
"""

import msgspec
import pytest

from fustor_core.http import pipes
from fustor_fusion import pipe_replies, replies
from fustor_fusion.api import looking, shapes

PAIRS = [
    (pipes.ConditionShape, replies.Condition),
    (pipes.PipeShape, pipe_replies.Pipe),
    (pipes.TransitionShape, pipe_replies.HistoryRow),
    (shapes.SessionShape, pipe_replies.Session),
    (shapes.Meta, replies.Meta),
    (shapes.EntryShape, replies.Entry),
    (shapes.UsageShape, replies.Usage),
    (shapes.RootShape, replies.Root),
    (shapes.ViewShape, replies.View),
    (shapes.SourceShape, replies.SourcePath),
    (looking.RefreshShape, replies.Refreshed),
    (looking.VerifyShape, replies.Verified),
    (looking.ExampleShape, replies.WrongClaim),
]


@pytest.mark.parametrize(("written", "read"), PAIRS, ids=lambda kind: kind.__name__)
def test_what_is_written_is_read(written: type[msgspec.Struct], read: type[msgspec.Struct]) -> None:
    assert {field.name for field in msgspec.structs.fields(written)} == {field.name for field in msgspec.structs.fields(read)}
