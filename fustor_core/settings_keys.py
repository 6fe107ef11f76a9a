"""Which keys a settings class knows, and what belongs at each: for values from the environment, and for suggestions."""

from collections.abc import Iterable, Mapping, Sequence, Set
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr

Types = frozenset[Any]


def types_at(model: type[BaseModel], path: Sequence[str | int]) -> Types:
    """Every type that may stand at `path` below `model`; none where the path leads nowhere."""
    types: Types = frozenset({model})
    for key in path:
        types = types_below(types, key)
    return types


def types_below(types: Types, key: str | int) -> Types:
    """Every type that may stand at `key` in a value of one of these types."""
    return frozenset(arm for held in types for arm in _step(held, key))


def known_keys(types: Types) -> list[str]:
    """The keys that a value of one of these types may have, where they are fixed."""
    return sorted({key for held in types if _is_model(held) for key in held.model_fields})


def holds_structure(types: Iterable[Any]) -> bool:
    """Whether a mapping or a list may stand there."""
    return any(_is_model(held) or _is_mapping(held) or _is_list(held) for held in types)


def holds_scalar(types: Iterable[Any]) -> bool:
    """Whether a single value may stand there."""
    return any(held is not NoneType and not holds_structure([held]) for held in types)


def holds_secret(types: Iterable[Any]) -> bool:
    """Whether what stands there must not be shown."""
    return bool({SecretStr, SecretBytes} & set(types))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def _step(held: Any, key: str | int) -> Iterable[Any]:
    if isinstance(key, int):
        return (arm for item in get_args(held) for arm in _arms(item)) if _is_list(held) else ()
    if _is_model(held):
        field = held.model_fields.get(key)
        return _arms(field.annotation) if field else ()
    if _is_mapping(held):
        return _arms(get_args(held)[1]) if get_args(held) else (Any,)
    return ()


def _arms(annotation: Any) -> Iterable[Any]:
    """The types of a union, each without its metadata."""
    if hasattr(annotation, "__metadata__"):
        yield from _arms(annotation.__origin__)
    elif get_origin(annotation) in (Union, UnionType):
        for arm in get_args(annotation):
            yield from _arms(arm)
    else:
        yield annotation


def _is_model(held: Any) -> bool:
    return isinstance(held, type) and issubclass(held, BaseModel)


def _is_mapping(held: Any) -> bool:
    origin = get_origin(held) or held
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_list(held: Any) -> bool:
    origin = get_origin(held) or held
    return isinstance(origin, type) and issubclass(origin, Sequence | Set) and not issubclass(origin, str | bytes)
