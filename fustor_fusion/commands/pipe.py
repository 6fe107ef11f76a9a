"""The commands `fustor pipe …`: see pipes, and steer them."""

from collections.abc import Callable
from typing import Any, Final

import click

from fustor_fusion.commands.options import Connection, address_options

_EXAMPLES = """\b
Examples:
  fustor pipe list
  fustor pipe show nas-1:research
  fustor pipe pause nas-1:research --reason "the disks are being replaced"
  fustor pipe halt --all --reason "smoke in the server room"
  fustor pipe start nas-1:research --after-halt
  fustor pipe audit nas-1:research --path projects/x
  fustor pipe confirm nas-1:research --reason "moved to the new array"
"""
_HELP: Final = {"help_option_names": ["-h", "--help"]}


@click.group(short_help="See pipes one by one, and steer them.", context_settings=_HELP, epilog=_EXAMPLES)
def pipe() -> None:
    """See what pipes do, and say what they should do. A pipe is named AGENT:PIPE.

    What an operator wants is accepted when the agent has recorded it, and done as soon as the pipe can: over lost connections and restarts.
    Exit codes: 1 no such pipe, 3 the agent or fusion cannot be reached, 4 refused.
    """


@pipe.command("list", short_help="Every pipe in one line.", context_settings=_HELP)
@address_options
def list_pipes(connection: Connection, as_json: bool) -> int:
    """Show every pipe, what it does and what it should do."""
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.pipes import show_all

    return run(show_all(connection, as_json=as_json))


@pipe.command(short_help="All about one pipe.", context_settings=_HELP)
@click.argument("id")
@address_options
def show(id: str, connection: Connection, as_json: bool) -> int:  # noqa: A002 (the word of the interface)
    """Show the layers, flags, conditions and counters of the pipe ID, and what audits of its root found that no event had told, with the
    directories in which most of it was."""
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.pipes import show_one

    return run(show_one(connection, id, as_json=as_json))


@pipe.command(short_help="What a pipe has been through.", context_settings=_HELP)
@click.argument("id")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="Show so many steps.")
@address_options
def history(id: str, last: int, connection: Connection, as_json: bool) -> int:  # noqa: A002 (the word of the interface)
    """Show the steps of the pipe ID, oldest first."""
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.pipes import show_history

    return run(show_history(connection, id, last, as_json=as_json))


def _steering(verb: str, short_help: str, text: str, *options: Callable[[Any], Any], reason_needed: bool = False) -> None:
    """Add a command that says `verb` to one pipe, or to all of them."""

    def say(
        id: str | None,  # noqa: A002
        everyone: bool,
        reason: str,
        connection: Connection,
        as_json: bool,
        after_halt: bool = False,
        path: str | None = None,
        shallow: bool = False,
    ) -> int:
        from fustor_fusion.commands.asking import run
        from fustor_fusion.commands.pipes import steer

        if (id is None) is not everyone:
            raise click.UsageError("name one pipe (AGENT:PIPE), or --all")
        if path == "":
            # A variable that a script forgot to set, more likely than everything.
            raise click.UsageError("--path is empty: name a path, or leave it out to audit everything")
        raw = (path or "").encode("utf-8", "surrogateescape")
        return run(steer(connection, id, verb, reason=reason, after_halt=after_halt, path=raw, shallow=shallow, as_json=as_json))

    command: Callable[..., int] = address_options(say)
    for option in (
        *options,
        _NEEDED if reason_needed else _REASON,
        click.option("--all", "everyone", is_flag=True, help="Every pipe of every agent."),
        click.argument("id", required=False),
    ):
        command = option(command)
    pipe.command(verb, short_help=short_help, help=text, context_settings=_HELP)(command)


_WHY: Final = "Why, for whoever reads the history."
_NEEDED: Final = click.option("--reason", metavar="TEXT", required=True, help=_WHY)
_REASON: Final = click.option("--reason", metavar="TEXT", default="", help=_WHY)
_path = click.option(
    "--path", metavar="PATH", help="Only PATH and all below it: a path of this machine, of a view, or in the root of the pipe."
)
_shallow = click.option("--shallow", is_flag=True, help="Only the directories that have moved since they were last listed.")
_after_halt = click.option("--after-halt", is_flag=True, help="Also if it was halted.")

_steering("pause", "Hold a pipe.", "Hold the pipe ID: it reads nothing, and keeps its session and what it has noticed.")
_steering("resume", "Let a pipe go on.", "Let the pipe ID go on after a pause.")
_steering("stop", "Stop a pipe.", "Stop the pipe ID, after it has delivered what it has; its agent goes on.")
_steering("start", "Start a pipe.", "Start the pipe ID after a stop or a failure; after a halt only with --after-halt.", _after_halt)
_steering("restart", "Stop a pipe and start it.", "Stop the pipe ID, after it has delivered what it has, and start it.")
_steering(
    "audit",
    "Have a pipe compare everything.",
    "Have the pipe ID read everything, or what is at and below --path, and repair what fusion knows otherwise. Changes are followed "
    "meanwhile, and what fusion knows already is not sent again.",
    _path,
    _shallow,
)
_steering(
    "confirm",
    "Say that what a pipe shows is meant.",
    "Say that what the pipe ID shows is meant.\n\nWhere its root is another file system or directory than it was, nothing of that is "
    "taken: it may be a mount point without its disk. `fustor status -v` then shows `root-gone`. If the right root comes back, the pipe "
    "goes on by itself; after this command it goes on with the new one, within seconds.\n\nWhere more than half of a root would be lost "
    "at once, that is held back until a second look; after this command the agent looks at once.",
)
_steering("snapshot", "Have a pipe list everything again.", "Have the pipe ID list everything again.")
_steering(
    "halt", "Stop a pipe at once.", "Stop the pipe ID at once, whatever it does; only `start --after-halt` ends that.", reason_needed=True
)
