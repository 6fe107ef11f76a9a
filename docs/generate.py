"""`python -m docs.generate`: write docs/states.md from the tables that the program itself goes by."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from fustor_core.state import (
    EventType,
    HealthState,
    LifecycleState,
    OperationalState,
    PipeState,
    errors,
    inverse,
    orders,
    vocabulary,
)
from fustor_core.state.deadlines import OVERDUE
from fustor_core.state.projection import CANONICAL
from fustor_core.state.stores import redis
from fustor_core.state.tables import HEALTH, INTERRUPTED, LIFECYCLE, ON_CRITICAL, ON_ENTRY, OPERATIONAL, PHASE_EVENTS, SPECIAL_EVENTS
from fustor_core.state.vocabulary import ALLOWED_OPERATIONAL, LEGAL_TRIPLES, operational_allowed
from fustor_fusion.sessions.states import SESSION, SessionEvent

STATES: Final = Path(__file__).with_name("states.md")

Row = tuple[str, str, str]
Layer = type[LifecycleState] | type[OperationalState] | type[HealthState]

_HEAD: Final = """\
# The states of a pipe

<!-- Written by `make docs` from the tables in fustor_core/state. What is changed here is lost. -->

Every pipe has one state machine of three layers, and a record of phases beside them. What people see first is one number made of all
that, the `PipeState`. An event is taken as one step that nobody sees the middle of, or it is refused and nothing has changed. **What
has no row below is refused.** A new machine is Offline / Idle / Healthy.
"""
_STEPS: Final = """\
## Steps, refusals, and who may stand in the way

Several events may be one step (`handle_events`): all are taken, one after the other, or none. Each step has a version, one more than
the one before, also where it changes nothing. Steps and refusals are kept, with their reasons, the last of each. A layer can be locked
with an owner and a reason: then the events that speak to it are refused, but not what another layer forces on it. EMERGENCY_STOP and
PRIORITY_OVERRIDE pass every lock.
"""
_KEEPING: Final = """\
## Keeping states

A machine with a store keeps its record and its history there: in memory, in an SQLite file, or in Redis. Each save replaces exactly the
record that the writer knows of, else it is a `ConcurrentUpdateError`. Each owner that begins to save takes the next *epoch*, so what an
earlier one still sends is refused.

| policy | a step | while the store is away | after kill -9 |
|---|---|---|---|
| `required` | is stored before anyone sees it | `PersistenceError`, and the state is unchanged | the last acknowledged step, or one more |
| `best_effort` | is seen at once, and stored behind, in order | goes on, and says what is unsaved | a few last steps may be missing |

EMERGENCY_STOP and FAULT take effect in memory at once under either policy, and are stored behind; a step that waited for the store
meanwhile gets `ConcurrentUpdateError`.

`restore_state()` stands exactly where the store has the machine. `restore_state(mode="interrupted")` is for after a crash: unless the
machine was Offline it takes one step with the reason `interrupted`, to Offline; `held`, `failed`, health and Stopped are kept, all else
is Idle. A record that is truncated, illegal or of an unknown schema is a `RestoreError`: the machine is as it was, and its next save
replaces the record.
"""
_WATCHING: Final = """\
## Watching

`subscribe` calls a function, or a coroutine on the loop that subscribed it, once for every step, in the order of the versions;
`changes()` iterates over the same; `wait_for(predicate)` waits for a state, and sees also one that has passed again. One that raises is
counted and disturbs nobody. Behind one that hangs a bounded number of steps waits; then the oldest go and are counted, the versions
show the gap, and `history()` has them. A listener may send events itself; one that answers a hundred in a row is refused.
"""
_SESSIONS: Final = """\
## Sessions

A session of an agent with fusion has a small machine of its own, which `/v1/sessions` shows as `state`; fusion's own pipe does not change
with it. What has no row is refused (`out-of-phase`), and the agent opens a new session.
"""


def states() -> str:
    """The whole text of docs/states.md."""
    parts = (
        _HEAD,
        *_layer("Lifecycle", LifecycleState, [(str(source), str(event), str(to)) for (source, event), to in LIFECYCLE.items()]),
        *_layer("Operation", OperationalState, [(str(source), str(event), str(to)) for (source, event), to in OPERATIONAL.items()]),
        *_layer(
            "Health", HealthState, [(str(at), str(event), str(to)) for (at, event), all_to in HEALTH.items() for to in _in_order(all_to)]
        ),
        _across(),
        _special(),
        _phases(),
        _payloads(),
        _flags(),
        _STEPS,
        _table(("error", "when"), [(f"`{kind.__name__}`", _promise(kind)) for kind in _errors()]),
        _deadlines(),
        _KEEPING,
        _redis(),
        _WATCHING,
        *_sessions(),
    )
    return "\n".join(parts)


def _layer(name: str, layer: Layer, rows: list[Row]) -> Iterator[str]:
    yield f"## {name}: {_promise(layer)[0].lower()}{_promise(layer)[1:]}\n"
    yield _table(("from", "event", "to"), rows)
    lines = [f"    {source} --> {to}: {event}" for source, event, to in rows]
    yield "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```\n"))


def _sessions() -> Iterator[str]:
    rows = [(str(source), str(event), str(to)) for (source, event), to in SESSION.items()]
    yield f"{_SESSIONS}\n{_table(('from', 'event', 'to'), rows)}"
    # An end is possible everywhere: drawn, it would hide the rest.
    lines = [f"    {source} --> {to}: {event}" for source, event, to in rows if event != SessionEvent.END]
    yield "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```\n"))


def _across() -> str:
    entering = [
        (str(lifecycle), ", ".join(_moves(moves)) or "all stay")
        for lifecycle, moves in ON_ENTRY.items()
        if lifecycle is not LifecycleState.OFFLINE
    ]
    allowed = [(str(lifecycle), _words(ALLOWED_OPERATIONAL[lifecycle]), _critical(lifecycle)) for lifecycle in LifecycleState]
    faults = ", ".join(f"{source} goes to {target}" for source, target in ON_CRITICAL.items())
    return "\n".join(
        (
            f"## Across the layers\n\n{len(LEGAL_TRIPLES)} of 90 combinations are legal, and no sequence of events reaches another:\n",
            _table(("lifecycle", "operation, while Healthy or Warning", "operation, while Critical"), allowed),
            "What the lifecycle forces on the operation when it is entered, unless health is Critical (then it is Stopped):\n",
            _table(("entering", "operation"), entering),
            f"When health becomes Critical, {faults}; the others keep their lifecycle. No event of the operation changes another layer.\n",
        )
    )


def _moves(moves: Mapping[OperationalState, OperationalState]) -> Iterator[str]:
    if len(moves) == len(OperationalState):
        yield f"{_words(set(moves.values()))}, whatever it was"
    else:
        yield from (f"{source} becomes {target}" for source, target in moves.items())


def _critical(lifecycle: LifecycleState) -> str:
    return _words(operational_allowed(lifecycle, HealthState.CRITICAL)) or "cannot be"


def _special() -> str:
    paused = _words(INTERRUPTED)
    says = {
        EventType.INTERRUPT: f"{paused} become Paused; elsewhere it is accepted and changes nothing",
        EventType.EMERGENCY_STOP: "Critical, Stopped, and ShuttingDown (Offline stays Offline); never refused, waits for nobody",
        EventType.PRIORITY_OVERRIDE: "the layers that its payload names become that, if the combination is legal; needs a reason",
    }
    rows = [(str(event), says[event]) for event in EventType if event in SPECIAL_EVENTS]
    phase_rows = [(str(event), f"legal in {_words(lifecycles)}; changes only the phases") for event, lifecycles in PHASE_EVENTS.items()]
    return "## Events outside the tables\n\n" + _table(("event", "what it does"), rows + phase_rows)


def _phases() -> str:
    text = _paragraphs(vocabulary.Phases)[1]
    return f"## Phases\n\n{text}\n"


def _payloads() -> str:
    _, *rest = (orders.__doc__ or "").split("\n\n")
    return "## Payloads\n\n" + "\n\n".join(part.replace("\n", " ") if not part.startswith("|") else part for part in rest).strip() + "\n"


def _flags() -> str:
    flags = [(f"`{flag.name}`", str(flag.value)) for flag in PipeState.__members__.values()]
    legal = [(str(value), f"`{PipeState(value)}`", _triples(value)) for value in CANONICAL]
    return "\n".join(
        (
            "## PipeState: the number that people see\n",
            _table(("flag", "value"), flags),
            f"{len(legal)} of 2048 values are legal. Health Warning has no flag. STOPPED is 0: compare with `==`.\n",
            _table(("value", "reads", "layers that may stand behind it"), legal),
        )
    )


def _triples(value: int) -> str:
    """By lifecycle, what operations and healths show this value."""
    lines: dict[tuple[LifecycleState, tuple[HealthState, ...]], list[OperationalState]] = {}
    triples = inverse(value).triples
    for lifecycle in LifecycleState:
        for operational in OperationalState:
            healths = tuple(health for health in HealthState if (lifecycle, operational, health) in triples)
            if healths:
                lines.setdefault((lifecycle, healths), []).append(operational)
    return "; ".join(f"{life} / {_or(operations)} / {_or(healths)}" for (life, healths), operations in lines.items())


def _deadlines() -> str:
    rows = [(str(lifecycle), str(event)) for lifecycle, event in OVERDUE.items()]
    text = (
        "A machine may be given seconds for the lifecycles that should pass by themselves; the pipes of an agent\n"
        "have those of `deadlines` in its settings. When one lasts longer:\n"
    )
    return f"## Deadlines\n\n{text}\n" + _table(("lifecycle", "event"), rows)


def _redis() -> str:
    _, *rest = (redis.__doc__ or "").split("\n\n")
    return "In Redis:\n\n" + "\n\n".join(rest).strip() + "\n"


def _errors() -> Iterable[type[Exception]]:
    return (kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__)


def _promise(thing: type) -> str:
    return _paragraphs(thing)[0]


def _paragraphs(thing: type) -> list[str]:
    return [re.sub(r"\s+", " ", part).strip() for part in (thing.__doc__ or "").split("\n\n")]


def _in_order(values: Iterable[HealthState]) -> list[HealthState]:
    return [health for health in HealthState if health in set(values)]


def _words(values: Iterable[OperationalState | LifecycleState]) -> str:
    found = set(values)
    return ", ".join(str(word) for layer in (LifecycleState, OperationalState) for word in layer if word in found)


def _or(values: Iterable[object]) -> str:
    return " or ".join(map(str, values))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in (head, *rows)]
    return "\n".join((lines[0], "|" + "---|" * len(head), *lines[1:], ""))


if __name__ == "__main__":
    STATES.write_text(states(), "utf-8")
