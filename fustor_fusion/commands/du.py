"""The command `fustor du`."""

import click

from fustor_fusion.commands.options import Connection, connection_options, fresh_option

_EXAMPLES = """\b
Examples:
  fustor du -s /data             the sum of the sizes of all files below, in bytes
  fustor du -h -d 1 /data        what fills it, by directory
  fustor du --disk -sh .         what the file system allocated for it
  fustor du -h -t 1G /data       only what is at least 1 GiB
"""


@click.command(short_help="How much is below a path.", context_settings={"help_option_names": ["--help"]}, epilog=_EXAMPLES)
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=bytes))
@click.option("-s", "--summarize", "summarize", is_flag=True, help="Only the total of each PATH.")
@click.option("-d", "--max-depth", type=click.IntRange(0), help="Only directories at most so deep below PATH.")
@click.option("-a", "--all", "with_files", is_flag=True, help="Files too, not only directories.")
@click.option("-c", "--total", "grand_total", is_flag=True, help="A grand total at the end.")
@click.option("-h", "--human-readable", "human", is_flag=True, help="Sizes such as 4.0K, 1.5G.")
@click.option("-k", "kibibytes", is_flag=True, help="In units of 1024 bytes, rounded up.")
@click.option("-b", "--bytes", "--apparent-size", "in_bytes", is_flag=True, help="Sizes of files in bytes, as it is anyway.")
@click.option("--disk", "--allocated", "allocated", is_flag=True, help="What is allocated on disk, directories included, instead of sizes.")
@click.option("-t", "--threshold", metavar="SIZE", help="Only what is at least SIZE (100M), or with -SIZE at most.")
@click.option("-0", "--null", "nul", is_flag=True, help="End each line with NUL instead of newline.")
@click.option("--time", "with_time", is_flag=True, help="The latest modification of anything below, too.")
@connection_options
@fresh_option
def du(
    paths: tuple[bytes, ...],
    summarize: bool,
    max_depth: int | None,
    with_files: bool,
    grand_total: bool,
    human: bool,
    kibibytes: bool,
    in_bytes: bool,
    allocated: bool,
    threshold: str | None,
    nul: bool,
    with_time: bool,
    connection: Connection,
    as_json: bool,
) -> int:
    """Show how much is in each directory at and below PATH (by default the present one).

    The number is the sum of the sizes of regular files, in bytes, each name of a file counted: what
    `find PATH -type f -printf '%s\\n'` adds up to. (GNU's du counts blocks on disk, directories too, and a file with several names once:
    --disk is like it but for the last.) Totals are kept, not counted: one of a million files takes no longer than one of ten.
    """
    from fustor_fusion.commands.asking import run
    from fustor_fusion.commands.totals import Totals, parse_threshold, show_totals

    if summarize and (with_files or max_depth):
        raise click.UsageError("-s shows only totals: leave out -a and -d")
    wanted = Totals(
        max_depth=0 if summarize else max_depth,
        with_files=with_files,
        grand_total=grand_total,
        unit="human" if human else "kibibytes" if kibibytes and not in_bytes else "bytes",
        allocated=allocated and not in_bytes,
        threshold=None if threshold is None else parse_threshold(threshold),
        end=b"\0" if nul else b"\n",
        with_time=with_time,
        as_json=as_json,
    )
    return run(show_totals(connection, paths or (b".",), wanted))
