"""The commands `fustor fusion …` and `fustor-fusion`. What takes time to import is imported where it is used, so that `--help` does not
wait."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from fustor_core.cli import run_command

if TYPE_CHECKING:
    from fustor_fusion.settings import FusionSettings

PREFIX = "FUSTOR_FUSION"

_config = click.option(
    "--config", type=click.Path(path_type=Path), help="The settings file; see config/fusion.yaml for all that it may say."
)
_port = click.option("--port", type=click.IntRange(0, 65535), help="Listen on this port instead of the configured one.")
_open = click.option("--open", "is_open", is_flag=True, default=None, help="Let everybody in, without keys: only on a loopback address.")


@click.group(short_help="Run fusion, or check its settings.")
def fusion() -> None:
    """Fusion receives from all agents, merges what they saw into views, and answers queries.

    Settings come from --config, then from FUSTOR_FUSION__SECTION__KEY in the environment, then from options; what comes later wins.
    """


@fusion.command(short_help="Run until Ctrl-C.")
@_config
@_port
@_open
def run(config: Path | None, port: int | None, is_open: bool | None) -> None:
    """Run fusion until Ctrl-C or SIGTERM; a second one ends it at once."""
    import asyncio

    from fustor_core import telemetry
    from fustor_fusion import app

    settings = _load(config, port, is_open)
    telemetry.configure(settings.log.level, format=settings.log.format)
    asyncio.run(app.run(settings))


@fusion.command(short_help="Print the effective settings, or what is wrong with them.")
@_config
@_port
@_open
def check(config: Path | None, port: int | None, is_open: bool | None) -> None:
    """Print the effective settings as YAML, secrets masked; exit code 2 and one line if something is wrong with them."""
    from fustor_core.settings import dump
    from fustor_fusion import app

    settings = _load(config, port, is_open)
    app.authorizer_of(settings)
    app.views_of(settings)
    click.echo(dump(settings), nl=False)


@fusion.command(short_help="Set the store of a root aside, to be filled anew.")
@click.argument("roots", metavar="[ROOT]...", nargs=-1)
@_config
def rebuild(roots: tuple[str, ...], config: Path | None) -> None:
    """Set the stores of ROOT... aside (all, if none is named), where they are damaged, or of a newer version. Fusion must not be running.

    Nothing is deleted: the files keep their content under another name. When fusion runs again, the agents list everything anew.
    """
    from fustor_core.printable import escaped
    from fustor_fusion.roots.rebuild import set_aside

    moved = set_aside(_load(config, None, None).data, list(roots))
    for file in moved:
        click.echo(f"set aside: {escaped(os.fsencode(file))}")
    if not moved:
        click.echo("no root is kept here: there is nothing to set aside")


@fusion.command(short_help="Make a new key.")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, help="push:ROOT, read:VIEW, operate or metrics; repeat for several. [default: read:*]")
def key(name: str, scopes: tuple[str, ...]) -> None:
    """Print a new key called NAME, and what to put under `keys` in fusion's settings for it."""
    from fustor_core.yaml_text import write_text
    from fustor_fusion.authorization import Key, hash_key, new_key

    text = new_key()
    granted = scopes or ("read:*",)
    Key(name, hash_key(text), granted)
    click.echo(f"# The key itself, for whoever is {name}; it is not stored anywhere:\n#   {text}\n# In the settings of fusion:")
    click.echo(write_text({"keys": [{"name": name, "hash": f"sha256:{hash_key(text)}", "scopes": list(granted)}]}), nl=False)


def _load(config: Path | None, port: int | None, is_open: bool | None) -> "FusionSettings":
    from fustor_core.settings import load
    from fustor_fusion.settings import FusionSettings

    return load(FusionSettings, prefix=PREFIX, environ=os.environ, file=config, options={"listen.port": port, "open": is_open})


def main() -> NoReturn:
    """The console script `fustor-fusion`."""
    run_command(fusion, name="fustor-fusion")
