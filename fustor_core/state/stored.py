"""Records and steps as texts, and back again: the one place that knows how they are stored."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from fustor_core.state.errors import RestoreError
from fustor_core.state.orders import Event
from fustor_core.state.records import Transition
from fustor_core.state.stores import Fields, StoredStep
from fustor_core.state.vocabulary import (
    EventType,
    HealthState,
    LifecycleState,
    MachineState,
    OperationalState,
    Phases,
)

SCHEMA: Final = "1"

Desired: TypeAlias = Literal["running", "paused", "stopped", "halted"]
DESIRES: Final[tuple[Desired, ...]] = get_args(Desired)


class Record(NamedTuple):
    """Where a machine stood after `version` steps, and who saved it.

    `epoch` counts the owners: each that begins to save takes the next, so what an earlier one still sends is refused. `event` is the
    last event's id, another for each attempt to save. `desired` is what an operator wants, None where nobody said. `since` is when the
    state last changed and `at` when this record came to be, in nanoseconds UTC since 1970.
    """

    run: str
    epoch: int
    version: int
    state: MachineState
    desired: Desired | None
    reason: str | None
    event: str
    since: int
    at: int


def to_fields(record: Record) -> Fields:
    """The record as it is stored; every field is there, and empty stands for None."""
    numbers = {"epoch": record.epoch, "version": record.version, "since": record.since, "at": record.at}
    return {
        "schema": SCHEMA,
        "run": record.run,
        **{name: str(value) for name, value in numbers.items()},
        **_state_fields(record.state),
        "desired": record.desired or "",
        "reason": record.reason or "",
        "event": record.event,
    }


def from_fields(fields: Fields) -> Record:
    """The record that was stored; raises `RestoreError` where it is truncated, illegal or of an unknown schema."""
    schema = fields.get("schema")
    if schema is not None and schema != SCHEMA:
        raise RestoreError(f"the record has schema {schema!r}, and this program knows {SCHEMA}; use the program that wrote it")
    try:
        return _record(fields)
    except KeyError as error:
        raise RestoreError(f"the record is truncated: {error} is missing") from error
    except ValueError as error:
        raise RestoreError(f"the record is illegal: {error}") from error


def _record(fields: Fields) -> Record:
    if not fields["schema"]:
        raise ValueError("the schema is empty")
    desired = desired_in(fields)
    if fields["desired"] != (desired or ""):
        raise ValueError(f"{fields['desired']!r} is none of {', '.join(DESIRES)}")
    return Record(
        run=fields["run"],
        epoch=_count(fields["epoch"]),
        version=_count(fields["version"]),
        state=_state(fields),
        desired=desired,
        reason=fields["reason"] or None,
        event=fields["event"],
        since=int(fields["since"]),
        at=int(fields["at"]),
    )


def desired_in(fields: Fields) -> Desired | None:
    """What is desired by this record, whole or not; None where it says nothing that this program knows."""
    return next((known for known in DESIRES if known == fields.get("desired")), None)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(f"{number} is no count")
    return number


def _state_fields(state: MachineState) -> dict[str, str]:
    layers = {"lifecycle": str(state.lifecycle), "operational": str(state.operational), "health": str(state.health)}
    flags = {name: "1" if value else "0" for name, value in zip(Phases._fields[1:], state.phases[1:], strict=True)}
    return {**layers, "sync": state.sync or "", **flags}


def _state(fields: Fields) -> MachineState:
    """A `KeyError` or a `ValueError` where the fields make no legal state."""
    flags = {name: fields[name] for name in Phases._fields[1:]}
    for name, flag in flags.items():
        if flag not in ("0", "1"):
            raise ValueError(f"{name} is 0 or 1, not {flag!r}")
    sync = fields["sync"] or None
    return MachineState(
        LifecycleState(fields["lifecycle"]),
        OperationalState(fields["operational"]),
        HealthState(fields["health"]),
        sync,  # type: ignore[arg-type]  # a state refuses what is no phase
        **{name: flag == "1" for name, flag in flags.items()},
    )


def to_step(change: Transition) -> StoredStep:
    """A step as a row of the stored history: JSON in ASCII, so that any reason can be stored anywhere."""
    step = {
        "schema": SCHEMA,
        "machine": change.machine,
        "run": change.run,
        "version": change.version,
        "at": change.at,
        "events": [[str(event), _plain(payload)] for event, payload in change.events],
        "before": _state_fields(change.before),
        "after": _state_fields(change.after),
        "value": int(change.pipe_state),
        "reason": change.reason,
    }
    return StoredStep(change.version, json.dumps(step, separators=(",", ":"), skipkeys=True, default=str))


def _plain(value: Any) -> Any:  # a payload holds what its event takes, mappings among it
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def from_step(row: StoredStep) -> Transition | None:
    """The step that was stored; None where the text is not one that this program knows."""
    try:
        step = json.loads(row.text)
        if step["schema"] != SCHEMA or step["version"] != row.version:
            return None
        before, after = _state(step["before"]), _state(step["after"])
        events: tuple[Event, ...] = tuple((EventType(name), _frozen(payload)) for name, payload in step["events"])
        texts = str(step["machine"]), str(step["run"])
        return Transition(*texts, row.version, int(step["at"]), events, before, after, before != after, step["reason"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _frozen(value: Any) -> Any:  # the opposite of `_plain`
    return MappingProxyType({key: _frozen(inner) for key, inner in value.items()}) if isinstance(value, dict) else value
