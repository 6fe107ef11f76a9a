"""The frames between agent and fusion (DESIGN §4): MessagePack arrays, tagged by a small number, one frame a WebSocket message.

Control connection (`/v1/agent`): states, heartbeats and commands of all pipes of an agent. Session (`/v1/session`): the evidence of one
pipe. A frame that does not decode exactly is `MalformedInput`, and nothing of it is applied.
"""

from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import Struct

from fustor_core.errors import MalformedInput
from fustor_core.evidence import Evidence, Natural, Stamp

SUBPROTOCOL = "fustor.1"
LARGEST_FRAME = 4 * 1024 * 1024
PULSE = 0.5
"""Seconds between the pings of a session, by which each side knows that the other is there."""
SILENT_PULSES = 10
"""A session in which so many pulses pass without a frame is lost. Pulses are counted, and not seconds: a process that is stopped misses
none."""


class Role(StrEnum):
    """Of the agents that serve one root: the one that lists it, and the others."""

    LEADER = "leader"
    FOLLOWER = "follower"


class Via(StrEnum):
    """By which act of an agent a piece of evidence came to be."""

    LIVE = "live"
    ASKED = "asked"
    SNAPSHOT = "snapshot"
    AUDIT = "audit"


class Verb(StrEnum):
    """What a command asks of a pipe."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    START = "start"
    RESTART = "restart"
    AUDIT = "audit"
    SNAPSHOT = "snapshot"
    REFRESH = "refresh"
    HALT = "halt"


class Frame(Struct, frozen=True, array_like=True):
    """One message of the wire."""


# Control, agent to fusion


class HelloAgent(Frame, frozen=True, array_like=True, tag=1):
    """First on a control connection. `boot` is the kernel's boot id, `run` names this run of the agent's process."""

    agent: str
    boot: str
    run: str
    version: str


class Transition(Struct, frozen=True, array_like=True):
    """One atomic step of a pipe's state machine, with the state after it. `at` is wall-clock ns (UTC) on the agent's host."""

    version: Natural
    at: int
    events: list[str]
    value: Natural
    lifecycle: str
    operational: str
    health: str
    reason: str


class States(Frame, frozen=True, array_like=True, tag=2):
    """Every transition of `pipe` since the version that fusion has of this run; the first ever is the initial state."""

    pipe: str
    run: str
    transitions: list[Transition]


class Condition(Struct, frozen=True, array_like=True):
    """A fact about health with a remedy. `since` is wall-clock ns (UTC)."""

    type: str
    since: int
    message: str
    remedy: str


class PipeReport(Struct, frozen=True, array_like=True):
    """What a heartbeat says of one pipe."""

    root: str
    phase: str
    desired: str
    conditions: list[Condition]
    counters: dict[str, int]


class Heartbeat(Frame, frozen=True, array_like=True, tag=3):
    """The agent is alive; `sent` (its CLOCK_BOOTTIME, ns) is echoed."""

    sent: int
    pipes: dict[str, PipeReport]


class Done(Frame, frozen=True, array_like=True, tag=4):
    """The command `number` is accepted and recorded, or `problem` says why not: as a slug (`code`), with the verbs that are `allowed`."""

    number: Natural
    problem: str = ""
    code: str = ""
    allowed: list[str] = []


# Control, fusion to agent


class WelcomeAgent(Frame, frozen=True, array_like=True, tag=1):
    """The control connection stands. `known` has, for each pipe of this run, the last version that fusion has of its states."""

    known: dict[str, Natural]
    heartbeat_every: float


class HeartbeatEcho(Frame, frozen=True, array_like=True, tag=2):
    """Answers a heartbeat with its `sent`."""

    sent: int


class Command(Frame, frozen=True, array_like=True, tag=3):
    """Do `verb` to `pipe`; answered by `Done` with the same number. Only with `after_halt` does a start end a halt.

    An audit is of `path` and all below it, or where it is `shallow`, of the directories that have moved since they were last listed.
    """

    number: Natural
    pipe: str
    verb: Verb
    path: bytes = b""
    recursive: bool = True
    reason: str = ""
    after_halt: bool = False
    shallow: bool = False


class GoAway(Frame, frozen=True, array_like=True, tag=8):
    """The connection is about to close: come back after `retry_after` seconds. Nothing acknowledged is lost."""

    reason: str
    retry_after: float = 0.0


IDENTITY_CHANGED = "identity-changed"
ROOT_GONE = "root-gone"
"""The condition of a pipe whose root is away, or in whose place another stands."""
"""The code of a refusal of a root that is not what it was: an operator has to confirm that it is meant."""


class Refuse(Frame, frozen=True, array_like=True, tag=9):
    """No, and why, and what to do; the connection closes. `again` says whether the same request may succeed later."""

    code: str
    message: str
    remedy: str
    again: bool = False


# Session, agent to fusion


class Identity(Struct, frozen=True, array_like=True):
    """What a root is, beyond its path: what survives a remount of the same file system."""

    file_system: str
    file_system_id: str
    inode: int


class Hello(Frame, frozen=True, array_like=True, tag=1):
    """First in a session. `session` and `sequence` are what this run was last acknowledged; `staleness` is in seconds.

    `boot` is the kernel's boot id and `path` where the source is on that host: by them a client there knows what a path as typed stands
    for. `known` is what the root was when this pipe last had a session for it; None where it has had none, or does not remember.
    """

    agent: str
    boot: str
    path: bytes
    run: str
    pipe: str
    root: str
    identity: Identity
    excludes: list[str]
    session: str
    sequence: Natural
    staleness: float
    remote_writers: bool
    known: Identity | None = None


class Batch(Frame, frozen=True, array_like=True, tag=2):
    """Evidence to be committed together. One without evidence repeats the last sequence and only brings `low` and `clean_to` forward.

    `low`: no older evidence will follow in this session. `clean_to`: the event queue was drained after this time, and everything marked
    before it has been sent; 0 while nothing is watched. `looks`: numbers of the looks that are answered by this batch or earlier ones.
    `pending`: paths below which something marked before `clean_to` could not be read yet. `writing`: what has changed since the batch
    before of what is known of files: they are being written, are not any more (False), or nobody knows (None). `folded`: directories below
    which there were more changes than the agent keeps apart, and which it has not listed again yet. `unwatched`: directories at or below
    which some cannot be watched, so that no event tells what happens in them: there it is what changed before `unwatched_to` that has been
    sent.
    """

    sequence: Natural
    via: Via
    low: Stamp
    clean_to: Stamp
    looks: list[Natural]
    pending: list[bytes]
    evidence: list[Evidence]
    writing: list[tuple[bytes, bool | None]] = []
    folded: list[bytes] = []
    unwatched: list[bytes] = []
    unwatched_to: Stamp = 0


class Mark(Frame, frozen=True, array_like=True, tag=3):
    """A snapshot or an audit begins or ends here, between batches. `at` is when watching began: what was listed since is followed live."""

    sequence: Natural
    phase: Via
    ends: bool
    at: Stamp


class Bye(Frame, frozen=True, array_like=True, tag=4):
    """The agent ends the session; everything it had to say has been said if `drained`."""

    reason: str
    drained: bool


class Ping(Frame, frozen=True, array_like=True, tag=5):
    """Asks for the view clock; `sent` is the agent's CLOCK_BOOTTIME in ns, `error` what it believes of its own offset."""

    sent: int
    error: Natural


# Session, fusion to agent


class Welcome(Frame, frozen=True, array_like=True, tag=1):
    """The session stands. `now` is the view clock at the answer, `highest` the agent's highest committed stamp, `window` the number of
    batches that may wait for their acknowledgement. `snapshot` asks for a listing of everything, `why` says what for. `quiet` is for how
    many seconds a file must have been as it is to count as settled. `entries` are as many as there are, 0 if there was
    no snapshot yet: by them the agent says how far the next one is.
    """

    session: str
    slot: Natural
    role: Role
    clock: str
    now: Stamp
    highest: Stamp
    sequence: Natural
    window: Natural
    snapshot: bool
    why: str
    quiet: float = 0.0
    entries: Natural = 0


class Ack(Frame, frozen=True, array_like=True, tag=2):
    """Everything up to `sequence` is committed."""

    sequence: Natural


class NewRole(Frame, frozen=True, array_like=True, tag=3):
    """The agent's part in serving the root has changed."""

    role: Role


class Look(Frame, frozen=True, array_like=True, tag=4):
    """Read these paths again and say so with `number` in a batch: `paths` as they are, `directories` listed, with all below if
    `recursive`. `via` is the act that made it necessary, and by which what is found is to be labelled."""

    number: Natural
    paths: list[bytes]
    directories: list[bytes]
    recursive: bool
    via: Via = Via.ASKED


class Pong(Frame, frozen=True, array_like=True, tag=5):
    """The view clock was `now` when a ping of `sent` was answered."""

    sent: int
    now: Stamp


class Stalled(Frame, frozen=True, array_like=True, tag=6):
    """Nothing is committed at the moment, and `why`; empty: something is again. Pings are answered meanwhile."""

    why: str


AgentControl = HelloAgent | States | Heartbeat | Done
FusionControl = WelcomeAgent | HeartbeatEcho | Command | GoAway | Refuse
AgentSession = Hello | Batch | Mark | Bye | Ping
FusionSession = Welcome | Ack | NewRole | Look | Pong | Stalled | GoAway | Refuse

_T = TypeVar("_T")
_encoder = msgspec.msgpack.Encoder()


agent_control = msgspec.msgpack.Decoder(AgentControl)
fusion_control = msgspec.msgpack.Decoder(FusionControl)
agent_session = msgspec.msgpack.Decoder(AgentSession)
fusion_session = msgspec.msgpack.Decoder(FusionSession)


def encode(frame: Frame) -> bytes:
    """The bytes of a frame."""
    return _encoder.encode(frame)


def decode(decoder: msgspec.msgpack.Decoder[_T], data: bytes) -> _T:
    """The frame that `data` is, exactly; else `MalformedInput` with the place and the reason."""
    if len(data) > LARGEST_FRAME:
        raise MalformedInput(f"a frame of {len(data):,} bytes is larger than {LARGEST_FRAME:,}")
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # A text that is no UTF-8 comes up as UnicodeDecodeError: msgspec does not make it one of its own.
        raise MalformedInput(f"malformed frame: {error}") from error
