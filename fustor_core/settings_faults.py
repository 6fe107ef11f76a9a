"""What pydantic finds wrong with settings, as one line that names the file or variable, the key, the fault and the remedy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fustor_core.settings_keys import Types, holds_secret, known_keys, nearest, types_at, types_below

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Origins:
    """Where settings came from: the names by which options and variables gave the values that they gave, and the file for the others."""

    prefix: str
    file: Path | None
    variables: Mapping[tuple[str, ...], str]
    options: Mapping[tuple[str, ...], str]

    def from_variable(self, keys: Keys) -> bool:
        """Whether a variable, and no option, gave what stands at `keys`."""
        return not _giver(self.options, keys) and bool(_giver(self.variables, keys))

    def name(self, keys: Keys) -> str:
        """How a message calls what gave the value at `keys`."""
        if option := _giver(self.options, keys):
            return f"option {option}"
        return _giver(self.variables, keys) or (str(self.file) if self.file else "settings")

    def variable(self, keys: Keys) -> str:
        """The variable by which a value at `keys` is given."""
        return "__".join((self.prefix, *map(str, keys))).upper()


@dataclass(frozen=True)
class _Place:
    """Where a fault is: the keys that lead there, what may stand there, and what may hold it."""

    keys: Keys
    types: Types
    above: Types

    def __str__(self) -> str:
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.keys).removeprefix(".")


def first_fault(error: ValidationError, model: type[BaseModel], origins: Origins) -> str:
    """The most telling fault in one line, and how many there are besides it.

    An unknown key comes first: where a required key is misspelt, it is the cause, and that the key is missing only follows.
    """
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    sentence = " ".join(_sentence(faults[0], _place(faults[0], model), origins).split())
    others = len(faults) - 1
    return f"{sentence} ({others} more fault{'s' if others > 1 else ''})" if others else sentence


def _place(fault: ErrorDetails, model: type[BaseModel]) -> _Place:
    """The fault's place in the settings.

    pydantic puts the name of a union's arm between the keys, where the settings have nothing: what leads nowhere is left out.
    """
    keys: list[str | int] = []
    types = above = types_at(model, ())
    for index, key in enumerate(fault["loc"]):
        below = types_below(types, key)
        if below or (index == len(fault["loc"]) - 1 and fault["type"] == "extra_forbidden"):
            above, types = types, below
            keys.append(key)
    return _Place(tuple(keys), types, above)


def _sentence(fault: ErrorDetails, place: _Place, origins: Origins) -> str:
    origin = origins.name(place.keys)
    match fault["type"]:
        case "extra_forbidden":
            return f'{origin}: unknown key "{place}"; {_suggestion(place, origins)}'
        case "missing":
            in_list = any(isinstance(key, int) for key in place.keys)
            return f'{origin}: "{place}" is missing; add it' + ("" if in_list else f", or set {origins.variable(place.keys)}")
        case "union_tag_not_found":
            return f'{origin}: "{place}.{_tag_key(fault)}" is missing; add it'
        case "union_tag_invalid":
            allowed = fault["ctx"]["expected_tags"].replace("'", '"')
            return f'{origin}: "{place}.{_tag_key(fault)}" should be one of {allowed}, not "{fault["ctx"]["tag"]}"'
    return f'{origin}: "{place}" {_wish(fault)}{_found(fault, place)}' if place.keys else f"{origin}: {_wish(fault)}"


def _tag_key(fault: ErrorDetails) -> str:
    return str(fault["ctx"]["discriminator"]).strip("'")


def _suggestion(place: _Place, origins: Origins) -> str:
    known = known_keys(place.above)
    meant = nearest(str(place.keys[-1]), known)
    if not meant:
        return f"known here: {', '.join(known)}" if known else "drop it"
    return (
        f"did you mean {origins.variable((*place.keys[:-1], meant))}?" if origins.from_variable(place.keys) else f'did you mean "{meant}"?'
    )


def _wish(fault: ErrorDetails) -> str:
    """What should stand there, in the middle of a sentence."""
    if fault["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return "should be a mapping"
    if fault["type"] in ("list_type", "tuple_type", "set_type", "frozen_set_type"):
        return "should be a list"
    return fault["msg"].removeprefix("Value error, ").removeprefix("Input ").partition(", unable to ")[0]


def _found(fault: ErrorDetails, place: _Place) -> str:
    """What stands there instead, unless it is large or secret."""
    value = fault["input"]
    if holds_secret(place.types):
        return ""
    if isinstance(value, str):
        return f', not "{value[:80]}"'
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if value is None:
        return "; nothing stands there"
    return f", not {value}" if isinstance(value, int | float) else ""


def _giver(names: Mapping[tuple[str, ...], str], keys: Keys) -> str | None:
    """The name that gave what stands at `keys`, something below it, or all of what is around it."""
    for given, name in names.items():
        shared = min(len(given), len(keys))
        if keys and given[:shared] == keys[:shared]:
            return name
    return None
