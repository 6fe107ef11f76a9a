"""What operators may ask of a pipe over HTTP, and what they are told: the same on both sides (DESIGN §6)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from fustor_core.errors import MalformedInput
from fustor_core.http.problems import Problem
from fustor_core.wire import Verb

VERBS: Final = (Verb.PAUSE, Verb.RESUME, Verb.STOP, Verb.START, Verb.RESTART, Verb.SNAPSHOT, Verb.HALT)
LONGEST_REASON: Final = 1000
_NOT_POSSIBLE: Final = "not-possible"
_STATUS: Final = {"no-such-pipe": 404, _NOT_POSSIBLE: 409, "not-recorded": 503}
_TRUTHS: Final = {"": True, "true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Act:
    """A verb, and why. Only with `after_halt` does a start end a halt."""

    verb: Verb
    reason: str = ""
    after_halt: bool = False


def parse(verb: Verb, query: str) -> Act:
    """The act that `POST …/VERB?reason=…&after_halt=true` asks for. Raises MalformedInput."""
    known = ("reason", "after_halt") if verb is Verb.START else ("reason",)
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise MalformedInput(f"there is no parameter {name!r} here; there are {', '.join(known)}")
        if name in given:
            raise MalformedInput(f"{name} is given twice: give it once")
        given[name] = value
    reason = given.get("reason", "")
    if len(reason) > LONGEST_REASON:
        raise MalformedInput(f"reason: {len(reason):,} characters are more than {LONGEST_REASON:,}")
    after_halt = _TRUTHS.get(given.get("after_halt", "false").lower())
    if after_halt is None:
        raise MalformedInput("after_halt: should be true or false")
    return Act(verb, reason, after_halt)


def not_possible(message: str, allowed: tuple[str, ...] | list[str]) -> Problem:
    """A 409 that says what is possible instead."""
    return refusal(_NOT_POSSIBLE, message, allowed)


def refusal(code: str, message: str, allowed: tuple[str, ...] | list[str] = ()) -> Problem:
    """The problem that a command which was not carried out is to who asked."""
    status = _STATUS.get(code, 503)
    members = {"allowed": list(allowed)} if status == 409 else {}
    return Problem(status, code or "failed", message, members, {"Retry-After": "1"} if status == 503 else {})
