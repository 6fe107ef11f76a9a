"""The command `fustor wait`."""

import click

from fustor_fusion.commands.options import Connection, connection_options

_EXAMPLES = """\b
Examples:
  fustor wait /data/upload --settled && process /data/upload
  fustor wait /data/upload --settled --for 5m --timeout 2h
  fustor wait /data/upload/DONE --timeout 1h
"""


@click.command(short_help="Wait until a path is there, or an upload is complete.", epilog=_EXAMPLES)
@click.argument("path", type=click.Path(path_type=bytes))
@click.option("--settled", is_flag=True, help="Until nothing at and below PATH is being written, or has changed for a while.")
@click.option("--for", "quiet", metavar="TIME", help="How long that is, e.g. 60s. [default: `settled.quiet` of fusion]")
@click.option("--timeout", metavar="TIME", help="Give up after this, e.g. 10m. [default: never]")
@connection_options
def wait(path: bytes, settled: bool, quiet: str | None, timeout: str | None, connection: Connection, as_json: bool) -> int:
    """Wait until PATH exists; with --settled also until it is settled, with all below it.

    That an upload is complete is a guess: nobody is seen to write, nothing has changed for a while, and the answer lacks nothing that had
    happened when the command began. A PATH that is not there is waited for.

    Exit codes: 0 it is so; 5 it was not before --timeout; 1 PATH was not even there.
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.waiting import Wanted, parse_time, wait_for

    wanted = Wanted(settled, parse_time("--for", quiet), parse_time("--timeout", timeout), as_json)
    if wanted.quiet is not None and not settled:
        raise click.UsageError("--for says how long a path must have been as it is: give --settled, too")
    return run(wait_for(connection, path, wanted))
