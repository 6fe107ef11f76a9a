"""YAML, strictly read and plainly written; every fault is one line that names its place."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

import yaml

from fustor_core.errors import ConfigurationError


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that the file holds; an empty file holds an empty one.

    Raises ConfigurationError where the file is missing, not readable, not YAML, or holds something else than a mapping.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; create it or name another") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}; correct the path or its permissions") from None
    return parse_mapping(text, str(path))


def parse_mapping(text: str, origin: str) -> dict[str, Any]:
    """The mapping that `text` holds; `origin` is how a message names the text."""
    content = parse_value(text, origin)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{origin}: holds {_kind(content)} where a mapping belongs; write it as `key: value` lines")
    return content


def parse_value(text: str, origin: str) -> Any:
    """What `text` says as YAML; keys are text, and each stands once in its mapping."""
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigurationError(f"{origin}: {place}{error.problem or error.context}; correct the YAML there") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{origin}: {reason}; correct the YAML") from None


def write_text(content: Mapping[str, Any]) -> str:
    """The YAML of `content`, in its own order; paths and enumerations are written as their values."""
    return yaml.dump(dict(content), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader that refuses what YAML lets through in silence: a key that stands twice, a key that is no text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(problem=f"the key {key_node.value!r} is no text; quote it", problem_mark=key_node.start_mark)
            if key_node.value in seen:
                raise yaml.MarkedYAMLError(problem=f'the key "{key_node.value}" stands twice', problem_mark=key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


class _PlainDumper(yaml.SafeDumper):
    """A SafeDumper that writes no anchors, and knows the values that settings hold."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_enum(dumper: yaml.SafeDumper, value: Enum) -> yaml.Node:
    return dumper.represent_data(value.value)


def _represent_path(dumper: yaml.SafeDumper, value: PurePath) -> yaml.Node:
    return dumper.represent_data(str(value))


def _represent_sequence(dumper: yaml.SafeDumper, value: tuple[object, ...]) -> yaml.Node:
    return dumper.represent_list(value)


def _represent_set(dumper: yaml.SafeDumper, value: frozenset[Any]) -> yaml.Node:
    return dumper.represent_list(sorted(value))


_PlainDumper.add_multi_representer(Enum, _represent_enum)
_PlainDumper.add_multi_representer(PurePath, _represent_path)
_PlainDumper.add_representer(tuple, _represent_sequence)
_PlainDumper.add_representer(frozenset, _represent_set)


def _kind(value: object) -> str:
    return {list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}.get(type(value), "a value")
