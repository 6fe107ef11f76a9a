"""A queue whose reader comes late is emptied meanwhile, within bounds, and nothing gets lost or out of order."""

import os
import select
from collections.abc import Iterator

import pytest

from fustor_agent.sources.fs.emptying import Emptying
from tests.polling import eventually


class Pipe:
    """A queue of bytes, that is read a block at a time."""

    def __init__(self, most: int) -> None:
        self.end, self.other_end = os.pipe2(os.O_NONBLOCK)
        self.emptying = Emptying(self.end, self.read, most=most)

    def read(self) -> list[bytes]:
        try:
            return [os.read(self.end, 4)]
        except BlockingIOError:
            return []

    def write(self, *blocks: bytes) -> None:
        for block in blocks:
            os.write(self.other_end, block)

    def is_readable(self) -> bool:
        return bool(select.select([self.emptying.fileno()], [], [], 0)[0])

    def is_empty(self) -> bool:
        return not select.select([self.end], [], [], 0)[0]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(most=16)
    yield pipe
    pipe.emptying.close()
    os.close(pipe.end)
    os.close(pipe.other_end)


def test_what_is_not_taken_is_kept_and_told_of(pipe: Pipe) -> None:
    assert not pipe.is_readable()
    pipe.write(b"1111", b"2222", b"3333")
    eventually(pipe.is_empty)
    eventually(pipe.is_readable)
    pipe.write(b"4444")
    assert pipe.emptying.take()[:3] == [b"1111", b"2222", b"3333"]
    pipe.emptying.take()
    assert not pipe.is_readable()
    assert pipe.emptying.take() == []


def test_it_keeps_no_more_than_its_bound(pipe: Pipe) -> None:
    pipe.write(*(b"%04d" % number for number in range(7)))
    eventually(lambda: pipe.emptying._size >= 16)
    assert not pipe.is_empty()
    assert pipe.emptying.take() == [b"%04d" % number for number in range(5)]
    eventually(pipe.is_empty)
    assert pipe.emptying.take() == [b"0005", b"0006"]
