"""The command `fustor status`."""

import sys

import click

from fustor_fusion.commands.options import Connection, address_options

_EXAMPLES = """\b
Examples:
  fustor status
  fustor status -v            layers, flags, conditions and drift of each pipe
  fustor status --watch       a table that stays up to date, until Ctrl-C
"""


@click.command(
    short_help="What every pipe is doing, and how well.", context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES
)
@click.option("--watch", is_flag=True, help="Show it again whenever something changes, until Ctrl-C.")
@click.option("-v", "--verbose", is_flag=True, help="Layers, flags, counters, conditions and drift of each pipe, too.")
@address_options
def status(watch: bool, verbose: bool, connection: Connection, as_json: bool) -> int:
    """Show one word and one cause for each pipe: `live`, `snapshot 43 %`, `auditing`, `reconnecting: …`, `paused`, `stopped`, `failed: …`.

    The exit code says whether fusion answered (0) or not (3), not how the pipes are.
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.lamps import show_lamps

    if watch and not as_json and sys.stdout.isatty():
        from fustor_fusion.commands.watch import watch as watch_table

        return run(watch_table(connection, verbose=verbose))
    return run(show_lamps(connection, verbose=verbose, as_json=as_json, watch=watch))
