"""Settings: frozen, complete or refused, read once. Options win over the environment, that over the file, that over the defaults.

A side's variables are `PREFIX__SECTION__KEY`: `FUSTOR_AGENT__LISTEN__PORT=8103` says `listen: {port: 8103}`. A list or a mapping
is given whole, as YAML: `FUSTOR_FUSION__KEYS='[{name: ops, …}]'`.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from fustor_core.errors import ConfigurationError
from fustor_core.settings_faults import Origins, first_fault
from fustor_core.settings_keys import holds_scalar, holds_structure, known_keys, nearest, types_at
from fustor_core.yaml_text import parse_value, read_mapping, write_text

Layer = Mapping[str, Any]

# pydantic-settings asks a class for its sources, and hands over nothing of the call that wants them.
_LAYERS: ContextVar[tuple[Layer, ...]] = ContextVar("_LAYERS", default=())


class Section(BaseModel):
    """A part of the settings: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Settings(BaseSettings):
    """The settings of one side: frozen, and a key that they do not know is an error.

    Constructed directly they hold what is given and defaults; only `load` looks at a file and at the environment.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, *(InitSettingsSource(settings_cls, dict(layer)) for layer in _LAYERS.get()))


S = TypeVar("S", bound=Settings)


def load(
    settings_class: type[S],
    *,
    prefix: str,
    environ: Mapping[str, str],
    file: Path | None = None,
    options: Mapping[str, object] | None = None,
) -> S:
    """The settings that options, environment, file and defaults make together, the first that speaks winning key by key.

    `options` has dotted keys (`listen.port`); one that is None was not given. Raises ConfigurationError, in one line, for the first fault.
    """
    in_file = {} if file is None else read_mapping(file)
    in_environ = _from_environ(settings_class, prefix, environ)
    in_options = _from_options(options or {})
    token = _LAYERS.set((in_environ.tree, in_file))
    try:
        return settings_class(**in_options.tree)
    except ValidationError as error:
        origins = Origins(prefix, file, in_environ.names, in_options.names)
        raise ConfigurationError(first_fault(error, settings_class, origins)) from None
    finally:
        _LAYERS.reset(token)


def dump(settings: BaseModel) -> str:
    """The effective configuration as YAML that `load` accepts, except that secrets are masked."""
    return write_text(_masked(settings.model_dump()))


@dataclass
class _Tree:
    """Values by path, and under which name each was given."""

    tree: dict[str, Any] = field(default_factory=dict)
    names: dict[tuple[str, ...], str] = field(default_factory=dict)

    def put(self, path: tuple[str, ...], value: object, name: str) -> None:
        for other, other_name in self.names.items():
            shared = min(len(other), len(path))
            if other[:shared] == path[:shared]:
                raise ConfigurationError(f"{name}: says the same as {other_name}, which is given too; drop one of them")
        self.names[path] = name
        branch = self.tree
        for key in path[:-1]:
            branch = branch.setdefault(key, {})
        branch[path[-1]] = value


def _from_options(options: Mapping[str, object]) -> _Tree:
    given = _Tree()
    for name, value in options.items():
        if value is not None:
            given.put(tuple(name.split(".")), value, name)
    return given


def _from_environ(settings_class: type[BaseModel], prefix: str, environ: Mapping[str, str]) -> _Tree:
    given = _Tree()
    for name in sorted(environ):
        if name.startswith(f"{prefix}__"):
            path = tuple(name.removeprefix(f"{prefix}__").lower().split("__"))
            given.put(path, _typed(settings_class, path, environ[name], name), name)
        elif name == prefix or name.startswith(f"{prefix}_"):
            # One underscore for two is the likely slip; silence would leave the default in force.
            raise ConfigurationError(f"{name}: unknown variable; {_advice(settings_class, prefix, name)}")
    return given


def _advice(settings_class: type[BaseModel], prefix: str, name: str) -> str:
    words = name.removeprefix(prefix).strip("_").lower()
    meant = (
        "__".join(words.split("_"))
        if types_at(settings_class, words.split("_"))
        else nearest(words, known_keys(types_at(settings_class, ())))
    )
    return f"did you mean {prefix}__{meant.upper()}?" if meant else f"its variables are {prefix}__SECTION__KEY; unset it"


def _typed(settings_class: type[BaseModel], path: tuple[str, ...], text: str, name: str) -> object:
    """The text itself, except where a list or a mapping belongs: there it is YAML.

    A scalar is never read as YAML, which would make a truth value of a host named `no`.
    """
    types = types_at(settings_class, path)
    if holds_structure(types) and (text.lstrip()[:1] in ("[", "{") or not holds_scalar(types)):
        return parse_value(text, name)
    return text


def _masked(value: Any) -> Any:
    if isinstance(value, SecretStr | SecretBytes):
        return "**********"
    if isinstance(value, Mapping):
        return {key: _masked(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(held) for held in value]
    return value
