"""The settings of fusion: one file, the environment (`FUSTOR_FUSION__…`), options. `config/fusion.yaml` shows all of them."""

import re
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from fustor_core.sections import Log, Name, default_data
from fustor_core.settings import Section, Settings
from fustor_core.state_keeping import StateSettings
from fustor_core.units import Duration
from fustor_fusion.settling import DEFAULT_QUIET


class Listen(Section):
    """Where agents and queries come in. `names` are further hosts it is called by, `origins` sites whose pages may call it."""

    host: str = "127.0.0.1"
    port: int = Field(default=8102, ge=0, le=65535)
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


class KeySettings(Section):
    """A key: its name, the SHA-256 of its text as `sha256:HEX`, and what it may do."""

    name: str
    hash: str
    scopes: list[str] = Field(min_length=1)

    @field_validator("hash")
    @classmethod
    def _check_hash(cls, value: str) -> str:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
            raise ValueError("should be sha256: and 64 hexadecimal digits, as `fustor fusion key` prints")
        return value


class SessionSettings(Section):
    """How agents are dealt with: batches that may wait for their acknowledgement, seconds between heartbeats, and after how long a silent
    leader is replaced."""

    window: int = Field(default=16, ge=1, le=1024)
    heartbeat_every: Duration = 1.0
    lease: Duration = 10.0


class Settled(Section):
    """For how long a file must have been as it is to count as settled."""

    quiet: Duration = DEFAULT_QUIET


class GuardSettings(Section):
    """What counts as a mass loss, which is applied only when a second look after `delay` says the same: more than the share `max_loss` of a
    root of more than `min_entries` within `window`. A `max_loss` of 1 turns it off."""

    max_loss: float = Field(default=0.5, gt=0, le=1)
    min_entries: int = Field(default=1000, ge=0)
    window: Duration = 60.0
    delay: Duration = 30.0


class FusionSettings(Settings):
    """Everything that fusion can be told."""

    id: Name = "fusion"
    data: Path = Field(default_factory=partial(default_data, "fusion"))
    listen: Listen = Listen()
    open: bool = False
    keys: tuple[KeySettings, ...] = ()
    views: dict[Name, dict[Name, str]] = Field(default_factory=dict)
    store: Literal["sqlite", "memory"] = "sqlite"
    session: SessionSettings = SessionSettings()
    settled: Settled = Settled()
    guard: GuardSettings = GuardSettings()
    state: StateSettings = StateSettings()
    log: Log = Log()
