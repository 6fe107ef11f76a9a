"""What does not decode exactly is refused in words, whatever it is."""

import random

import pytest

from fustor_core.errors import MalformedInput
from fustor_core.evidence import Entry, Evidence, Gone, Listing, Same, Seen, Unreadable
from fustor_core.wire import LARGEST_FRAME, Batch, Frame, Hello, Identity, Mark, Via, agent_control, agent_session, decode, encode

ENTRY = Entry(0o100644, 1, 512, 0, 0, 1, -7, -1, 999_999_999, 2**62, 0, -1)
EVIDENCE: list[Evidence] = [
    Listing(b"a", 5, {b"\xff": ENTRY}),
    Same(b"a", 6, b"d" * 16),
    Seen(b"a/b", 7, ENTRY),
    Gone(b"x", 8),
    Unreadable(b"y", 9, "denied"),
]
FRAMES: list[Frame] = [
    Batch(1, Via.LIVE, 5, 6, [1], [b"p"], EVIDENCE),
    Mark(2, Via.SNAPSHOT, True, 7),
    Hello("a", "b", b"/\xff", "r", "p", "root", Identity("ext4", "1", 2), ["*.tmp"], "", 0, 0.5, False),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_comes_back_as_it_was(frame: Frame) -> None:
    assert decode(agent_session, encode(frame)) == frame


@pytest.mark.parametrize("decoder", [agent_session, agent_control])
def test_noise_is_malformed_input_and_nothing_else(decoder: object) -> None:
    source = random.Random(1)
    frames = [encode(frame) for frame in FRAMES]
    for _ in range(5_000):
        mutated = bytearray(source.choice(frames))
        for _ in range(source.randrange(1, 4)):
            mutated[source.randrange(len(mutated))] = source.randrange(256)
        try:
            decode(decoder, bytes(mutated))  # type: ignore[arg-type]  # one of two decoders
        except MalformedInput as error:
            assert str(error)  # noqa: PT017 - a mutation may also leave a good frame, so an error is possible and not due


def test_text_that_is_not_utf8_is_malformed_input() -> None:
    broken = encode(FRAMES[2]).replace(b"\xa1a", b"\xa1\xf1", 1)
    with pytest.raises(MalformedInput):
        decode(agent_session, broken)


def test_a_frame_beyond_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(MalformedInput, match="larger"):
        decode(agent_session, bytes(LARGEST_FRAME + 1))
