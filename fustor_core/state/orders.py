"""What an event and its payload ask for, parsed once at the edge.

Every payload may carry `reason`, a text. Beside it an event takes only the keys that it understands; a key that it does not know, or
a value of another type, is refused: a misspelt `requested` would turn an orderly stop into a failure. None means "not given".

| event | key |
|---|---|
| TASK_START | `phase` SNAPSHOT or MESSAGE |
| SET_BACKGROUND | `phase` AUDIT |
| TASK_PAUSE, TASK_RESUME, INTERRUPT | `held` true or false: is it an operator's |
| RECOVER | `partial` true or false: do warnings remain |
| RECOVERY_FAILED | `requested` true or false: is it a stop that was asked for |
| PRIORITY_OVERRIDE | `targets`, layers and their values; or the layers themselves as keys. Its `reason` is needed |

EMERGENCY_STOP takes anything, because it is never refused; only a readable `reason` is kept.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType, NoneType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from fustor_core.state.vocabulary import LAYERS, EventType, HealthState, LifecycleState, OperationalState

# A payload comes from callers of any kind, also over the wire; `read` is the one place that looks into it.
Payload: TypeAlias = Mapping[str, Any]
Event: TypeAlias = tuple[EventType, Payload | None]
Phase: TypeAlias = Literal["SNAPSHOT", "MESSAGE", "AUDIT"]

_Word = TypeVar("_Word", LifecycleState, OperationalState, HealthState)

_PHASES: Final[Mapping[EventType, tuple[Phase, ...]]] = MappingProxyType(
    {EventType.TASK_START: ("SNAPSHOT", "MESSAGE"), EventType.SET_BACKGROUND: ("AUDIT",)},
)
_ANSWERS: Final[Mapping[EventType, str]] = MappingProxyType(
    {
        EventType.TASK_PAUSE: "held",
        EventType.TASK_RESUME: "held",
        EventType.INTERRUPT: "held",
        EventType.RECOVER: "partial",
        EventType.RECOVERY_FAILED: "requested",
    }
)
# Asked first: what nearly every payload holds, and a look into a set is several times faster than `isinstance` of a union.
_PLAIN_TYPES: Final[frozenset[type]] = frozenset({str, bool, int, float, NoneType})


# An override's order depends on its reason, and its targets are mappings; it is rare, and read each time. EMERGENCY_STOP takes anything.
_REMEMBERED: Final = frozenset(EventType) - {EventType.PRIORITY_OVERRIDE, EventType.EMERGENCY_STOP}


class Targets(NamedTuple):
    """What an override makes of each layer; None leaves a layer to follow the others."""

    lifecycle: LifecycleState | None = None
    operational: OperationalState | None = None
    health: HealthState | None = None


_NO_TARGETS: Final = Targets()


class Order(NamedTuple):
    """An event with all of its payload that decides; hashable, so that what it leads to can be remembered."""

    event: EventType
    phase: Phase | None = None
    answer: bool | None = None
    """`held`, `partial` or `requested`, whichever the event takes."""
    targets: Targets = _NO_TARGETS
    justified: bool = False
    """Is there a reason? Only PRIORITY_OVERRIDE asks."""


class Request(NamedTuple):
    """Orders that are one atomic step, with what is recorded of them."""

    orders: tuple[Order, ...]
    events: tuple[Event, ...]
    reason: str | None


class Unreadable(NamedTuple):
    """A payload that its event does not take, and why."""

    event: EventType
    events: tuple[Event, ...]
    why: str


class _Mistake(Exception):
    """What is wrong with a payload."""


PLAIN: Final[Mapping[EventType, Request]] = MappingProxyType(
    {event: Request((Order(event),), ((event, None),), None) for event in EventType},
)
"""Each event without a payload: what most events are, ready-made."""


def read(event: EventType, payload: Payload | None) -> Request | Unreadable:
    """Parse one event; a `TypeError` if it is not an `EventType`."""
    if payload is None:
        plain = PLAIN.get(event)
    elif payload.__class__ is dict:
        plain = _known(event, payload)
    else:
        plain = None
    return plain or read_all(((event, payload),))


_SHAPES: Final[dict[tuple[EventType, tuple[tuple[str, Any], ...]], Request]] = {}
"""Requests of payloads that were read before, by all but their reason; bounded, because only what an event takes comes here."""


def _known(event: EventType, payload: Payload) -> Request | None:
    """The request of a payload like one before, else None. What is remembered is exactly what `read_all` makes of it."""
    given = dict(payload)
    reason = given.pop("reason", None)
    for value in given.values():
        # 1 equals True, and is no answer; what may be changed, or cannot be looked up, is read each time.
        if value.__class__ is not str and value.__class__ is not bool:
            return None
    if event not in _REMEMBERED or (reason is not None and reason.__class__ is not str):
        return None
    shape = (event, tuple(given.items()))
    known = _SHAPES.get(shape)
    if known is None:
        request = read_all(((event, given),))
        if isinstance(request, Unreadable):
            return None
        known = _SHAPES.setdefault(shape, request)
    if not reason:
        # An empty reason is recorded as it was given, and None not at all like one that is missing.
        return None if "reason" in payload else known
    given["reason"] = reason
    return Request(known.orders, ((event, MappingProxyType(given)),), reason)


def read_all(events: Iterable[Event]) -> Request | Unreadable:
    """Parse a batch; a `ValueError` if it is empty, because an empty step would still take a version."""
    batch = tuple(events)
    if not batch:
        raise ValueError("a batch needs at least one event")
    recorded = tuple((event, _recorded(event, payload)) for event, payload in batch)
    orders: list[Order] = []
    reason: str | None = None
    for (event, given), (_, payload) in zip(batch, recorded, strict=True):
        try:
            if payload is None and given is not None and event is not EventType.EMERGENCY_STOP:
                raise _Mistake(f"a payload is a mapping, not {given!r}")
            orders.append(_order(event, payload))
        except _Mistake as mistake:
            return Unreadable(event, recorded, str(mistake))
        if payload:
            reason = payload.get("reason") or reason
    return Request(tuple(orders), recorded, reason)


def _recorded(event: EventType, payload: Payload | None) -> Payload | None:
    """The payload as it is kept: nothing that the caller changes afterwards changes it."""
    if not isinstance(event, EventType):
        raise TypeError(f"an event is an EventType, not {event!r}")
    if not isinstance(payload, Mapping):
        return None
    if event is EventType.EMERGENCY_STOP:
        reason = payload.get("reason")
        return MappingProxyType({"reason": reason}) if isinstance(reason, str) else None
    return MappingProxyType({key: _frozen(value) for key, value in payload.items()})


def _frozen(value: object) -> object:
    if value.__class__ in _PLAIN_TYPES:
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(inner) for key, inner in value.items()})
    # Layers are recorded by their names, so that a record reads the same after it was stored.
    return value.value if isinstance(value, LifecycleState | OperationalState | HealthState) else value


def _order(event: EventType, payload: Payload | None) -> Order:
    if not payload or event is EventType.EMERGENCY_STOP:
        return PLAIN[event].orders[0]
    given = {key: value for key, value in payload.items() if value is not None}
    reason = given.pop("reason", "")
    if not isinstance(reason, str):
        raise _Mistake(f"reason is a text, not {reason!r}")
    phase, answer = _phase(event, given), _answer(event, given)
    override = event is EventType.PRIORITY_OVERRIDE
    targets = _targets(given) if override else _NO_TARGETS
    if given:
        raise _Mistake(f"{event} does not know {', '.join(map(repr, given))}")
    return Order(event, phase, answer, targets, override and bool(reason.strip()))


def _phase(event: EventType, given: dict[str, Any]) -> Phase | None:
    if event not in _PHASES or "phase" not in given:
        return None
    phase = given.pop("phase")
    for known in _PHASES[event]:
        if phase == known:
            return known
    raise _Mistake(f"phase of {event} is {' or '.join(_PHASES[event])}, not {phase!r}")


def _answer(event: EventType, given: dict[str, Any]) -> bool | None:
    if event not in _ANSWERS:
        return None
    answer = given.pop(_ANSWERS[event], None)
    if answer is None or isinstance(answer, bool):
        return answer
    raise _Mistake(f"{_ANSWERS[event]} is true or false, not {answer!r}")


def _targets(given: dict[str, Any]) -> Targets:
    targets = given.pop("targets", {})
    if not isinstance(targets, Mapping):
        raise _Mistake(f"targets are layers and their values, not {targets!r}")
    if unknown := [layer for layer in targets if layer not in LAYERS]:
        raise _Mistake(f"there is no layer {', '.join(map(repr, unknown))}")
    named = {**targets, **{layer: given.pop(layer) for layer in LAYERS if layer in given}}
    return Targets(
        _value(LifecycleState, named.get("lifecycle")),
        _value(OperationalState, named.get("operational")),
        _value(HealthState, named.get("health")),
    )


def _value(words: type[_Word], name: object) -> _Word | None:
    try:
        return None if name is None else words(name)
    except ValueError:
        raise _Mistake(f"{name!r} is none of {', '.join(map(str, words))}") from None
