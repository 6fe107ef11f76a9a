"""What each route of the API is for, what it takes and what it answers: the words and types that `openapi` makes a document of. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fustor_core.evidence import Kind
from fustor_core.http.acting import LONGEST_REASON
from fustor_core.http.pipes import PipeShape, TransitionShape
from fustor_core.wire import Verb
from fustor_fusion.api import shapes
from fustor_fusion.api.host import HostShape
from fustor_fusion.api.looking import RefreshShape, VerifyShape
from fustor_fusion.api.parameters import DEFAULT_LIMIT, DEFAULT_SAMPLE, HIGHEST_LIMIT, HIGHEST_SAMPLE

Schema = Mapping[str, Any]
"""A JSON Schema."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One that may be given in the query string; `schema` is of the text that it has there."""

    name: str
    about: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Operation:
    """`data` is the type of that member of the answer; None where the answer is no JSON, but `media`."""

    about: str
    data: Any  # a type, or a list of one
    parameters: tuple[Parameter, ...] = ()
    status: int = 200
    media: str = "application/json"


_TRUTH: Final = {"type": "boolean"}
_WHOLE: Final = {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
_TEXT: Final = {"type": "string"}
_FRACTION: Final = r"(\.[0-9]{1,9})?"
# Few enough digits for each unit that no five of them together are more than the 292 years that can be counted in nanoseconds.
_SECONDS: Final = f"[0-9]{{1,9}}{_FRACTION}"
_WITH_UNIT: Final = "|".join(f"[0-9]{{1,{digits}}}{_FRACTION}({units})" for digits, units in ((9, "ms|s"), (7, "m"), (5, "h"), (4, "d")))
_DURATION: Final = {"type": "string", "pattern": f"^({_SECONDS}|({_WITH_UNIT}){{1,5}})$", "examples": ["10m", "1h30m", "0.5"]}
_SIZE: Final = {
    "type": "string",
    "pattern": "^([0-9]{1,18}|[0-9]{1,9}([KMG]iB|[kMG]B)|[0-9]{1,6}(TiB|TB))$",
    "examples": ["4096", "10MiB"],
}
_TIME: Final = {"type": "string", "format": "date-time"}

PATH: Final = Parameter(
    "path",
    "where in the view: the bytes of the path, percent-encoded (`+` is a plus); `/` if it is left out",
    {"type": "string", "pattern": r"^/[^\u0000]*$"},
)
_QUIET: Final = Parameter("quiet", "for how long what counts as settled must have rested", _DURATION)
_DEMANDS: Final = (
    Parameter("max_age", "412 if the answer would be older than this", _DURATION),
    Parameter("require_complete", "412 if something may be missing in the answer", _TRUTH),
)
_PAGE: Final = (
    Parameter("limit", "entries in one page", {"type": "integer", "minimum": 1, "maximum": HIGHEST_LIMIT, "default": DEFAULT_LIMIT}),
    Parameter("after", "`meta.next` of the page before: opaque", _TEXT),
)
_FILTERS: Final = (
    Parameter("name", "shell pattern that the name matches", _TEXT),
    Parameter("iname", "the same, upper and lower case alike", _TEXT),
    Parameter("type", "kinds of entries, with commas between them", {"type": "array", "items": {"enum": [kind.value for kind in Kind]}}),
    Parameter("min_size", "at least so many bytes", _SIZE),
    Parameter("max_size", "at most so many bytes", _SIZE),
    Parameter("newer", "modified after this time", _TIME),
    Parameter("older", "modified before this time", _TIME),
    Parameter("uid", "the owner, by number", _WHOLE),
    Parameter("min_depth", "levels below the path, at least; 0 is the path itself", _WHOLE),
    Parameter("max_depth", "levels below the path, at most", _WHOLE),
    Parameter("empty", "only empty files and directories, or only what is not", _TRUTH),
    Parameter("settled", "only what is known to be settled, or only what is known not to be", _TRUTH),
)
_REASON: Final = Parameter("reason", "why, for the history", {"type": "string", "maxLength": LONGEST_REASON})
_REST: Final = (
    Parameter("settled", "whether it has to be settled (by default), or only there", _TRUTH),
    Parameter("wait", "how long to wait for that: 60s at most", _DURATION),
)
_FEED: Final = (
    Parameter("limit", "changes in one page", {"type": "integer", "minimum": 1, "maximum": HIGHEST_LIMIT, "default": DEFAULT_LIMIT}),
    Parameter("after", "`meta.next` of the page before: opaque; `now`: behind all that there is; left out: from the first", _TEXT),
    Parameter("wait", "how long to wait for something, where there is nothing: 60s at most", _DURATION),
)
_SAMPLE: Final = (
    Parameter(
        "sample",
        "so many entries of each root, picked at random",
        {"type": "integer", "minimum": 1, "maximum": HIGHEST_SAMPLE, "default": DEFAULT_SAMPLE},
    ),
    Parameter("all", "every entry instead", _TRUTH),
)
_ACTS: Final = {
    Verb.PAUSE: "The pipe reads nothing, and keeps its session",
    Verb.RESUME: "It goes on",
    Verb.STOP: "It delivers what it knows, then ends",
    Verb.START: "It starts",
    Verb.RESTART: "It stops and starts, also after a failure",
    Verb.AUDIT: "Everything is read again, and repaired where it is not as it was known",
    Verb.SNAPSHOT: "Everything is listed again",
    Verb.HALT: "It ends at once",
}
_MORE: Final = {
    Verb.START: (Parameter("after_halt", "also after a halt", _TRUTH),),
    Verb.AUDIT: (
        Parameter("path", "where in the root, percent-encoded; all of it if left out", _TEXT),
        Parameter("shallow", "only directories that changed, by their own times; of the whole root", _TRUTH),
    ),
}

OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/livez"): Operation("Whether the process lives", shapes.Live),
    ("GET", "/readyz"): Operation("Whether it can answer (503 if not)", shapes.Ready),
    ("GET", "/metrics"): Operation("Figures for Prometheus", None, media="text/plain"),
    ("GET", "/openapi.json"): Operation("This document", None, media="application/json"),
    ("GET", "/v1/views"): Operation("The views that the key may read", list[shapes.ViewShape]),
    ("GET", "/v1/views/{view}/roots"): Operation("The roots of a view, and how far to trust each", list[shapes.RootShape], _DEMANDS),
    ("GET", "/v1/views/{view}/stat"): Operation("One entry", shapes.EntryShape, (PATH, _QUIET, *_DEMANDS)),
    ("GET", "/v1/views/{view}/list"): Operation(
        "What a directory holds, by name", list[shapes.EntryShape], (PATH, *_PAGE, _QUIET, *_DEMANDS)
    ),
    ("GET", "/v1/views/{view}/find"): Operation(
        "What matches, at and below a path", list[shapes.EntryShape], (PATH, *_FILTERS, *_PAGE, _QUIET, *_DEMANDS)
    ),
    ("GET", "/v1/views/{view}/usage"): Operation("Totals of a path and all below it", shapes.UsageShape, (PATH, *_DEMANDS)),
    ("GET", "/v1/views/{view}/rest"): Operation("Whether a path is there and rests", shapes.RestShape, (PATH, *_REST, _QUIET, *_DEMANDS)),
    ("GET", "/v1/views/{view}/changes"): Operation(
        "What changed at and below a path, in the order it was learnt; 410 if some since `after` are not kept",
        list[shapes.ChangeShape],
        (PATH, *_FEED, *_DEMANDS),
    ),
    ("POST", "/v1/views/{view}/refresh"): Operation(
        "Have the agents look, and answer when they have",
        RefreshShape,
        (PATH, Parameter("recursive", "at everything below it too", _TRUTH)),
    ),
    ("POST", "/v1/views/{view}/verify"): Operation("Compare what is claimed with what the agents read", VerifyShape, (PATH, *_SAMPLE)),
    ("GET", "/v1/pipes"): Operation("All pipes", list[PipeShape]),
    ("GET", "/v1/pipes/{id}"): Operation("One pipe", PipeShape),
    ("GET", "/v1/pipes/{id}/history"): Operation("Every step that it took, the oldest first", list[TransitionShape]),
    **{
        ("POST", f"/v1/pipes/{{id}}/{verb.value}"): Operation(about, PipeShape, (_REASON, *_MORE.get(verb, ())), status=202)
        for verb, about in _ACTS.items()
    },
    ("POST", "/v1/pipes/{id}/confirm"): Operation("The root that it shows is the one that is meant", PipeShape, (_REASON,), status=202),
    ("GET", "/v1/host"): Operation("Fusion as a process: its version, clock and disk, and the agents that it knows", HostShape),
    ("GET", "/v1/sessions"): Operation("The sessions of agents", list[shapes.SessionShape]),
    ("GET", "/v1/events"): Operation("Every step of every pipe, as it is taken", None, media="text/event-stream"),
}
"""By method and path. The connections of agents (`docs/protocol.md`) are not HTTP, and not here."""
UNDESCRIBED: Final = frozenset({"/v1/session", "/v1/agent"})
UNKNOWN: Final = Operation("", None)
"""A route that was forgotten here: a mistake of ours, which tests find, and nobody else has to suffer from."""
