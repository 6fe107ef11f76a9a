"""What a pipe is doing, in one word and one cause: what a person looks at first (STATES §6). Pure."""

from typing import Final, NamedTuple

from fustor_core.pipe import PipeState
from fustor_fusion.pipe_replies import Pipe
from fustor_fusion.progress import progress

UNKNOWN: Final = "unknown"


class Lamp(NamedTuple):
    """The word, and why; the cause is empty where the word says it all."""

    word: str
    cause: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.cause}" if self.cause else self.word


def lamp(pipe: Pipe) -> Lamp:
    """The lamp of a pipe, from what its state machine says."""
    if pipe.value is None:
        heard = f"no heartbeat since {pipe.last_heartbeat}" if pipe.last_heartbeat else "never heard of"
        return Lamp(UNKNOWN, _first_condition(pipe) or heard)
    state = PipeState(pipe.value)
    if state == PipeState.STOPPED:
        return Lamp("stopped", _desired_otherwise(pipe, "stopped"))
    for bit, word in _STANDING:
        if state & bit:
            halted = word == "failed" and pipe.desired == "halted"
            return Lamp("halted" if halted else word, _cause(pipe, word))
    return _running(pipe, state)


_STANDING: Final = (
    (PipeState.ERROR, "failed"),
    (PipeState.INITIALIZING, "starting"),
    (PipeState.STOPPING, "stopping"),
    (PipeState.DRAINING, "stopping"),
    (PipeState.RECONNECTING, "reconnecting"),
    (PipeState.PAUSED, "paused"),
)


def _running(pipe: Pipe, state: PipeState) -> Lamp:
    cause = _first_condition(pipe)
    if state & PipeState.AUDIT_PHASE:
        return Lamp("auditing", cause)
    if state & PipeState.SNAPSHOT_SYNC:
        done = progress(pipe.counters)
        return Lamp(f"snapshot {done}".rstrip(), cause)
    if state & PipeState.CONF_OUTDATED and not cause:
        cause = "the settings have changed: restart it to apply them"
    if state & PipeState.MESSAGE_SYNC:
        return Lamp("live", cause)
    return Lamp("live" if pipe.side == "fusion" else "ready", cause)


def _cause(pipe: Pipe, word: str) -> str:
    cause = _first_condition(pipe)
    if word == "paused" and pipe.desired == "paused":
        return cause or "held by operator"
    if word in ("failed", "reconnecting") and not cause:
        return _from_health(pipe)
    return cause


def _from_health(pipe: Pipe) -> str:
    return "critical" if pipe.health == "Critical" else ""


def _desired_otherwise(pipe: Pipe, word: str) -> str:
    cause = _first_condition(pipe)
    if cause or not pipe.desired or pipe.desired == word:
        return cause
    return f"should be {pipe.desired}"


def _first_condition(pipe: Pipe) -> str:
    return pipe.conditions[0].message if pipe.conditions else ""
