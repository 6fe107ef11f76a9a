"""The command `fustor doctor`."""

import click

from fustor_fusion.commands.options import Connection, connection_options

_EXAMPLES = """\b
Examples:
  fustor doctor                  this machine, fusion, agents, pipes and roots
  fustor doctor /srv/data/a      how far to trust what is known of that, too
  fustor doctor --json | jq '.data[] | select(.word != "ok")'
"""


@click.command(
    short_help="What is not as it should be, and what to do.", context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES
)
@click.argument("path", required=False, type=click.Path(path_type=bytes))
@connection_options
def doctor(path: bytes | None, connection: Connection, as_json: bool) -> int:
    """Look at this machine and ask fusion, and print one line for each finding: ok, warn or fail, what it is, and what to do.

    Of this machine: inotify watches needed and allowed, open files, the clock, whether what is indexed here can be read. By fusion:
    versions, room for its stores, agents and their clocks, and the conditions of every pipe and root; with PATH, those of answers about it.

    --max-age and --require-complete are demands on the answers about PATH: where they are not met, that is a finding that failed.

    The exit code is 0 where nothing failed, 3 where fusion cannot be reached, 5 where something failed, so that answers are not as fresh or
    complete as they could be.
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.examine import examine

    return run(examine(connection, path, as_json=as_json))
