"""The command `fustor changes`."""

import click

from fustor_fusion.commands.options import Connection, connection_options

_EXAMPLES = """\b
Examples:
  fustor changes /data                      what fusion remembers of late
  fustor changes /data --follow             and what happens from here on
  fustor changes /data --after now --follow --json | while read -r change; do …
"""


@click.command(short_help="What has changed, and what changes.", epilog=_EXAMPLES)
@click.argument("path", type=click.Path(path_type=bytes), default=b".")
@click.option("-f", "--follow", is_flag=True, help="Go on as changes come, until Ctrl-C.")
@click.option("--after", metavar="CURSOR", help="Begin behind this: `meta.next` of an earlier --json, or `now`.")
@connection_options
def changes(path: bytes, follow: bool, after: str | None, connection: Connection, as_json: bool) -> int:
    """Print what changed at and below PATH (by default the present directory), one change a line: when fusion learnt of it, what it was,
    and where.

    \b
    appeared  it is new there            gone    it is not there any more, with all that was below it
    changed   its attributes are others  listed  a snapshot listed this directory for the first time: all in it may be new

    Fusion keeps the last 100,000 changes of each root. Where some are missing after CURSOR the exit code is 5. With --json and --follow
    each line is one change.
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.feed import show_changes

    return run(show_changes(connection, path, follow=follow, after=after, as_json=as_json))
