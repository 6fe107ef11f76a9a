"""The one `fustor` command: it finds its parts by entry points, and imports only the part that is called."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Final, NoReturn

import click

from fustor_core.errors import ConfigurationError, FustorError
from fustor_core.printable import one_line

GROUP: Final = "fustor.commands"
INTERRUPTED: Final = 130
OUTPUT_CLOSED: Final = 141

# Order and one line of help, so that `fustor --help` imports none of the commands. A test holds each line against the command's own.
COMMANDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Run": {
        "up": "Index directories of this machine: an agent and fusion, until Ctrl-C.",
        "agent": "Run an agent beside the data, or check its settings.",
        "fusion": "Run fusion, or check its settings.",
    },
    "Watch": {
        "status": "What every pipe is doing, and how well.",
        "pipe": "See pipes one by one, and steer them.",
        "doctor": "What is not as it should be, and what to do.",
    },
    "Ask": {
        "ls": "What a directory holds.",
        "stat": "Everything known about a path.",
        "find": "What is below a path and meets find's expressions.",
        "du": "How much is below a path.",
        "changes": "What has changed, and what changes.",
        "wait": "Wait until a path is there, or an upload is complete.",
        "refresh": "Have the agents look at a path at once.",
        "verify": "Have the agents read again what fusion claims.",
    },
}


class InstalledCommands(click.Group):
    """The commands that the installed distributions provide in the entry-point group `fustor.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = [name for commands in COMMANDS.values() for name in commands]
        return own + sorted(set(entry_points(group=GROUP).names) - set(own))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry_point in entry_points(group=GROUP, name=cmd_name):
            return _loaded(entry_point)
        return None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if not self.get_command(ctx, args[0]) and not args[0].startswith("-"):
            meant = get_close_matches(args[0], self.list_commands(ctx), n=1)
            ctx.fail(f'no such command "{args[0]}"' + (f'; did you mean "{meant[0]}"?' if meant else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name for commands in COMMANDS.values() for name in commands}
        others = {name: "" for name in self.list_commands(ctx) if name not in own}
        for section, commands in {**COMMANDS, "More": others}.items():
            if commands:
                with formatter.section(section):
                    formatter.write_dl(list(commands.items()))


@click.command(cls=InstalledCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fustor", message="%(prog)s %(version)s")
def fustor() -> None:
    """One live index of what is stored in many places, which says how far to trust it."""


def run_command(command: click.Command, arguments: Sequence[str] | None = None, *, name: str | None = None) -> NoReturn:
    """Run the command, and end the process with its exit code.

    A command ends well by returning, with another code by returning that or by `Context.exit`, and badly by raising a FustorError: that is
    printed as one line on standard error.
    """
    sys.exit(outcome(command, sys.argv[1:] if arguments is None else arguments, name=name or os.path.basename(sys.argv[0])))


def outcome(command: click.Command, arguments: Sequence[str], *, name: str) -> int:
    """The exit code of the command, once its output is written and its error, if any, printed."""
    # click's own main() would do this, but it ends with 1 where nobody reads the output any more, and 1 means "no such path".
    try:
        with command.make_context(name, list(arguments)) as context:
            code = command.invoke(context)
        with printing():
            sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        _report_usage(error)
        return error.exit_code
    except (FustorError, BaseExceptionGroup) as error:
        return _report(error)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        _abandon_output()
        return OUTPUT_CLOSED
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """The console script `fustor`."""
    run_command(fustor, name="fustor")


@contextmanager
def printing() -> Iterator[None]:
    """While standard output is written: that there is no room for it is for whoever sent it there to mend (ConfigurationError), and no bug.

    BrokenPipeError, where nobody reads any more, passes.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _abandon_output()
        raise ConfigurationError(f"the output cannot be written: {error.strerror}; make room, or send it elsewhere") from error


def _abandon_output() -> None:
    # The interpreter flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_error(message: str) -> None:
    """The message on standard error, in one line: it may quote a name that holds a newline or a terminal's commands."""
    click.echo(f"fustor: {one_line(message)}", err=True)


def _loaded(entry_point: EntryPoint) -> click.Command:
    command = entry_point.load()
    if not isinstance(command, click.Command):
        raise ConfigurationError(f"the entry point {entry_point.value} is no click command; correct or remove the package that brings it")
    return command


def _report_usage(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    # click's parser does not know in which command it stands.
    context = error.ctx if isinstance(error, click.UsageError) else None
    help_text = f"; see `{context.command_path} --help`" if context is not None else ""
    print_error(error.format_message().rstrip(".") + help_text)


def _report(error: FustorError | BaseExceptionGroup[BaseException]) -> int:
    """Print the first error, where all are Fustor's own; the others follow from it. Anything else is a bug, and rises."""
    known = [leaf for leaf in _leaves(error) if isinstance(leaf, FustorError)]
    if len(known) < sum(1 for _ in _leaves(error)):
        raise error
    print_error(str(known[0]))
    return known[0].exit_code


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


if __name__ == "__main__":
    main()
