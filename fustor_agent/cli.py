"""The commands `fustor agent …` and `fustor-agent`. What takes time to import is imported where it is used, so that `--help` does not
wait."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from fustor_core.cli import run_command

if TYPE_CHECKING:
    from fustor_agent.settings import AgentSettings

PREFIX = "FUSTOR_AGENT"

_config = click.option(
    "--config", type=click.Path(path_type=Path), help="The settings file; see config/agent.yaml for all that it may say."
)


@click.group(short_help="Run an agent beside the data, or check its settings.")
def agent() -> None:
    """An agent reads what is on this host, and tells fusion; each of its pipes follows one tree.

    Settings come from --config, then from FUSTOR_AGENT__SECTION__KEY in the environment; the environment wins.
    """


@agent.command(short_help="Run until Ctrl-C.")
@_config
def run(config: Path | None) -> None:
    """Run the agent until Ctrl-C or SIGTERM; a second one ends it at once."""
    import asyncio

    from fustor_agent import app
    from fustor_core import telemetry

    settings = _load(config)
    telemetry.configure(settings.log.level, format=settings.log.format)
    asyncio.run(app.run(settings))


@agent.command(short_help="Print the effective settings, or what is wrong with them.")
@_config
def check(config: Path | None) -> None:
    """Print the effective settings as YAML, secrets masked; exit code 2 and one line if something is wrong with them, or with a root."""
    from fustor_agent import app
    from fustor_core.settings import dump

    settings = _load(config)
    app.check(settings)
    click.echo(dump(settings), nl=False)


def _load(config: Path | None) -> "AgentSettings":
    from fustor_agent.settings import AgentSettings
    from fustor_core.settings import load

    return load(AgentSettings, prefix=PREFIX, environ=os.environ, file=config)


def main() -> NoReturn:
    """The console script `fustor-agent`."""
    run_command(agent, name="fustor-agent")
