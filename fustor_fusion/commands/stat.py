"""The command `fustor stat`."""

import click

from fustor_fusion.commands.options import Connection, connection_options, fresh_option

_EXAMPLES = """\b
Examples:
  fustor stat /data/report.csv
  fustor stat -c '%n %s %y' *.csv
  fustor stat --json /data/report.csv
"""


@click.command(short_help="Everything known about a path.", context_settings={"help_option_names": ["--help"]}, epilog=_EXAMPLES)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=bytes))
@click.option("-c", "--format", "layout", metavar="FORMAT", help="Print FORMAT and a newline for each PATH, filled in as stat does.")
@connection_options
@fresh_option
def stat(paths: tuple[bytes, ...], layout: str | None, connection: Connection, as_json: bool) -> int:
    """Show what is known about each PATH, and since when: a symbolic link itself, never what it points to.

    \b
    FORMAT takes of stat's directives:
      %n %N name, plain and quoted     %s size          %b %B blocks, and their size
      %f %a %A mode: hexadecimal, octal, as in ls -l   %F type
      %u %U owner   %g %G group        %h links         %i inode
      %y %Y modified   %z %Z status changed: for people, in seconds
      %m where the view has the root mounted
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.stat_block import show_each

    return run(show_each(connection, paths, layout, as_json=as_json))
