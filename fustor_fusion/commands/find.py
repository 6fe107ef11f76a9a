"""The command `fustor find`."""

import os
from typing import Any

import click

from fustor_fusion.commands.options import NAMES, Connection, connection_options, fresh_option

_EXAMPLES = """\b
Examples:
  fustor find /data -name '*.csv' -size +100M
  fustor find . -type d -empty
  fustor find /data -newermt yesterday -printf '%T+ %s %p\\n'
  fustor find /data -path /data/tmp -prune -o -mtime +365 -print0 | xargs -0 ls -ld
"""


class FindCommand(click.Command):
    """Options begin with two hyphens, `-v` aside, and may stand anywhere; all else that begins with one belongs to find's language."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from fustor_fusion.expression.parse import separate

        words = separate([os.fsencode(arg) for arg in args], dict(NAMES))
        ctx.meta["find.words"] = words
        return super().parse_args(ctx, [os.fsdecode(option) for option in words.options])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[PATH]...", "[EXPRESSION]"]


@click.command(
    cls=FindCommand,
    short_help="What is below a path and meets find's expressions.",
    context_settings={"help_option_names": ["--help"]},
    epilog=_EXAMPLES,
)
@connection_options
@fresh_option
@click.pass_context
def find(ctx: click.Context, /, connection: Connection, as_json: bool, **_: Any) -> int:
    """Print what is at and below each PATH (by default the present directory) and meets EXPRESSION, as find does.

    \b
    Tests:     -name -iname -path -ipath -regex -type -size -empty -perm
               -user -group -uid -gid -links -inum -settled -true -false
               -mtime -mmin -ctime -cmin -newer -cnewer -newermt -newerXY
    Depth:     -maxdepth -mindepth
    Actions:   -print -print0 -printf -ls -prune -quit
    Operators: ( ) ! -not -a -and -o -or ,

    They mean what they mean to GNU find, and are evaluated as written. Entries come in no promised order. -newer looks its file up in the
    view, or else on this machine. Anything else of find is refused by name.
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.search import search

    words = ctx.meta["find.words"]
    return run(search(connection, words.paths or [b"."], words.expression, as_json=as_json))
