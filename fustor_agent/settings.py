"""The settings of an agent: one file, the environment (`FUSTOR_AGENT__…`), options. `config/agent.yaml` shows all of them."""

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from fustor_agent.reading.pace import LoadLimits, Window
from fustor_core.sections import Log, Name, default_data
from fustor_core.settings import Section, Settings
from fustor_core.state import LifecycleState
from fustor_core.state_keeping import StateSettings
from fustor_core.units import BytePath, Duration


class Listen(Section):
    """Where the agent serves its own state."""

    host: str = "127.0.0.1"
    port: int = Field(default=8103, ge=0, le=65535)


class Fusion(Section):
    """The fusion that evidence goes to. The key is given itself, or as a file that holds it."""

    url: str = "http://127.0.0.1:8102"
    key: SecretStr | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _one_key(self) -> "Fusion":
        if self.key is not None and self.key_file is not None:
            raise ValueError("give key or key_file, not both")
        return self


class FileTree(Section):
    """A directory and all below it. `writers: remote` where other hosts write there too, of which no event comes to this one."""

    type: Literal["fs"] = "fs"
    path: BytePath
    exclude: tuple[str, ...] = ()
    cross_mounts: bool = False
    staleness: Duration = 0.0
    writers: Literal["local", "remote"] = "local"


class Pipe(Section):
    """What is read, and the name of the root that it becomes."""

    source: FileTree
    root: Name


def _window(text: object) -> str:
    """The window as `HH:MM-HH:MM`; ValueError for anything else."""
    if not isinstance(text, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", text.strip()):
        raise ValueError("should be a time of day such as 22:00-06:00")
    return text.strip()


class Load(Section):
    """How much reading the storage has to bear, for all pipes together: `parallel` at a time, and walks (snapshots, audits, new directories
    with all below) at most `max_ops_per_second` entries and directories; these rest where one takes longer than
    `back_off_when_latency_exceeds`. Snapshots and audits run only in the `windows`, where there are any."""

    parallel: int = Field(default=16, ge=1, le=256)
    max_ops_per_second: int | None = Field(default=None, ge=1)
    windows: tuple[Annotated[str, BeforeValidator(_window)], ...] = ()
    back_off_when_latency_exceeds: Duration | None = None

    def limits(self) -> LoadLimits:
        """The same, as what decides takes them."""
        windows = [Window(*(60 * int(time[:2]) + int(time[3:]) for time in text.split("-"))) for text in self.windows]
        return LoadLimits(self.parallel, self.max_ops_per_second or 0.0, self.back_off_when_latency_exceeds or 0.0, windows)


class Audit(Section):
    """How often a pipe looks for what no event told it: everything is read once in `every`, little by little, and directories alone are
    looked at, all of them, every `shallow`; 0 for never."""

    every: Duration = 86400.0
    shallow: Duration = 600.0


class Reconnect(Section):
    """How a lost fusion is looked for: after a random time of up to `first`, doubling up to `most`; for ever, unless `attempts` are set.
    A loss that lasts longer than `critical_after` is a fault."""

    first: Duration = 0.25
    most: Duration = 30.0
    attempts: int | None = Field(default=None, ge=1)
    critical_after: Duration = 300.0


class Drain(Section):
    """How long a stopping pipe may take to deliver what it has."""

    timeout: Duration = 10.0


class Deadlines(Section):
    """How long a pipe may stay in a lifecycle that should pass by itself; for ever, unless it is set."""

    initializing: Duration | None = None
    recovering: Duration | None = None
    shutting_down: Duration | None = None

    def by_lifecycle(self) -> dict[LifecycleState, float]:
        """Those that are set, in seconds."""
        each = {
            LifecycleState.INITIALIZING: self.initializing,
            LifecycleState.RECOVERING: self.recovering,
            LifecycleState.SHUTTING_DOWN: self.shutting_down,
        }
        return {lifecycle: seconds for lifecycle, seconds in each.items() if seconds is not None}


class AgentSettings(Settings):
    """Everything that an agent can be told."""

    id: Name
    data: Path = Field(default_factory=partial(default_data, "agent"))
    listen: Listen = Listen()
    fusion: Fusion = Fusion()
    load: Load = Load()
    audit: Audit = Audit()
    reconnect: Reconnect = Reconnect()
    drain: Drain = Drain()
    deadlines: Deadlines = Deadlines()
    state: StateSettings = StateSettings()
    log: Log = Log()
    pipes: dict[Name, Pipe] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_pipe_a_root(self) -> "AgentSettings":
        roots = [pipe.root for pipe in self.pipes.values()]
        for root in roots:
            if roots.count(root) > 1:
                # Each would take the place of the other's session.
                raise ValueError(f"pipes: several of them become root {root}; give each a root of its own")
        return self
