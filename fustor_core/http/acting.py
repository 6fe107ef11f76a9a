"""What operators may ask of a pipe over HTTP, and what they are told: the same on both sides (DESIGN §6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from fustor_core.errors import MalformedInput
from fustor_core.http.problems import Problem
from fustor_core.paths import check_path
from fustor_core.wire import Verb

VERBS: Final = (Verb.PAUSE, Verb.RESUME, Verb.STOP, Verb.START, Verb.RESTART, Verb.AUDIT, Verb.SNAPSHOT, Verb.HALT)
_PARAMETERS: Final = {Verb.START: ("reason", "after_halt"), Verb.AUDIT: ("reason", "path", "shallow")}
LONGEST_REASON: Final = 1000
_NOT_POSSIBLE: Final = "not-possible"
NO_SUCH_PATH: Final = "no-such-path"
_STATUS: Final = {"no-such-pipe": 404, NO_SUCH_PATH: 404, _NOT_POSSIBLE: 409, "not-recorded": 503}
_TRUTHS: Final = {"": True, "true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Act:
    """A verb, and why. Only with `after_halt` does a start end a halt. An audit is of `path` in the root and all below it, or `shallow`."""

    verb: Verb
    reason: str = ""
    after_halt: bool = False
    path: bytes = b""
    shallow: bool = False


def parse(verb: Verb, query: str) -> Act:
    """The act that `POST …/VERB?reason=…&after_halt=true` asks for. Raises MalformedInput."""
    given = _given(query, _PARAMETERS.get(verb, ("reason",)))
    path = given.get("path", "").encode("utf-8", "surrogateescape").strip(b"/")
    check_path(path)
    after_halt, shallow = _truth(given, "after_halt"), _truth(given, "shallow")
    if shallow and path:
        raise MalformedInput("shallow: such an audit is always of the whole root; leave out path")
    return Act(verb, given.get("reason", ""), after_halt, path, shallow)


def parse_reason(query: str) -> str:
    """The reason in `?reason=…`, where nothing else may be given. Raises MalformedInput."""
    return _given(query, ("reason",)).get("reason", "")


def _given(query: str, known: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        if name not in known:
            raise MalformedInput(f"there is no parameter {name!r} here; there are {', '.join(known)}")
        if name in given:
            raise MalformedInput(f"{name} is given twice: give it once")
        given[name] = value
    if (length := len(given.get("reason", ""))) > LONGEST_REASON:
        raise MalformedInput(f"reason: {length:,} characters are more than {LONGEST_REASON:,}")
    return given


def _truth(given: Mapping[str, str], name: str) -> bool:
    truth = _TRUTHS.get(given.get(name, "false").lower())
    if truth is None:
        raise MalformedInput(f"{name}: should be true or false")
    return truth


def not_possible(message: str, allowed: tuple[str, ...] | list[str]) -> Problem:
    """A 409 that says what is possible instead."""
    return refusal(_NOT_POSSIBLE, message, allowed)


def refusal(code: str, message: str, allowed: tuple[str, ...] | list[str] = ()) -> Problem:
    """The problem that a command which was not carried out is to who asked."""
    status = _STATUS.get(code, 503)
    members = {"allowed": list(allowed)} if status == 409 else {}
    return Problem(status, code or "failed", message, members, {"Retry-After": "1"} if status == 503 else {})
