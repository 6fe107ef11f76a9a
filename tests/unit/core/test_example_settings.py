"""The files in config/ are what they say: settings that load, and that name every key there is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from fustor_agent.settings import AgentSettings
from fustor_core.settings import Settings, load
from fustor_fusion.app import authorizer_of, views_of
from fustor_fusion.settings import FusionSettings

CONFIG = Path(__file__).parents[3] / "config"
UNSHOWN = {
    "fusion.key",
    "reconnect.attempts",
    "load.max_ops_per_second",
    "load.back_off_when_latency_exceeds",
    "deadlines.initializing",
    "deadlines.recovering",
    "state.url",
}
"""Keys that an example cannot show, because they exclude another or have no default: they are in its comments."""


@pytest.mark.parametrize(
    ("kind", "file", "prefix"), [(AgentSettings, "agent.yaml", "FUSTOR_AGENT"), (FusionSettings, "fusion.yaml", "FUSTOR_FUSION")]
)
def test_an_example_loads_and_is_complete(kind: type[Settings], file: str, prefix: str) -> None:
    settings = load(kind, prefix=prefix, environ={}, file=CONFIG / file)
    shown = keys_of(yaml.safe_load((CONFIG / file).read_text("utf-8")))
    missing = {key for key in keys_of(settings) if key not in shown} - UNSHOWN
    assert not missing
    for key in UNSHOWN & keys_of(settings):
        assert f"{key.rpartition('.')[2]}:" in (CONFIG / file).read_text("utf-8")


def test_the_example_of_fusion_is_one_that_fusion_would_start_with() -> None:
    settings = load(FusionSettings, prefix="FUSTOR_FUSION", environ={}, file=CONFIG / "fusion.yaml")
    authorizer_of(settings)
    views = views_of(settings)
    assert views.names() == ["default", "lab"]


def keys_of(value: Any, prefix: str = "") -> set[str]:  # Any: what a YAML file holds
    """The dotted keys, without those below names that the operator chooses."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if not isinstance(value, dict):
        return {prefix}
    if prefix in ("pipes", "views"):
        return {prefix} | (keys_of(next(iter(value.values())), f"{prefix}.*") if prefix == "pipes" and value else set())
    found = set[str]()
    for key, below in value.items():
        found |= keys_of(below, f"{prefix}.{key}" if prefix else str(key))
    return found
