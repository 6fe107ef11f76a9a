"""The command `fustor ls`."""

import time

import click

from fustor_fusion.commands.options import Connection, connection_options, fresh_option

_EXAMPLES = """\b
Examples:
  fustor ls /data                names, one a line
  fustor ls -l . ../logs         sizes, owners, times as `ls -l` shows them
  fustor ls -ld /data/new.iso    the entry itself
"""


@click.command(short_help="What a directory holds.", context_settings={"help_option_names": ["--help"]}, epilog=_EXAMPLES)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=bytes))
@click.option("-l", "is_long", is_flag=True, help="Mode, links, owner, group, size and time too.")
@click.option("-a", "-A", "--all", "with_hidden", is_flag=True, help="Also names that begin with a period.")
@click.option("-d", "--directory", "themselves", is_flag=True, help="Directories themselves, not what they hold.")
@click.option("-h", "--human-readable", "human", is_flag=True, help="With -l: sizes such as 4.0K, 1.5G.")
@click.option("-1", "_one", is_flag=True, help="One name a line, as it is anyway.")
@connection_options
@fresh_option
def ls(
    paths: tuple[bytes, ...],
    is_long: bool,
    with_hidden: bool,
    themselves: bool,
    human: bool,
    _one: bool,
    connection: Connection,
    as_json: bool,
) -> int:
    """List what the directories PATH hold (by default the present one), by name.

    PATH is a path of the view (/data/a) or of this machine, if an agent here indexes it. Targets of symbolic links and device numbers are
    not indexed, so -l leaves them out.
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.listing import Listing, list_paths

    wanted = Listing(is_long, with_hidden, themselves, human, as_json, now=int(time.time()))
    return run(list_paths(connection, paths or (b".",), wanted))
