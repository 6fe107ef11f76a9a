"""The command `fustor verify`."""

from collections.abc import Iterator, Sequence

import click

from fustor_fusion.commands.options import Connection, connection_options
from fustor_fusion.replies import Verified

_EXAMPLES = """\b
Examples:
  fustor verify /data                  3,000 entries at random: "0 of 3,000 wrong: under 0.1 % at 95 %"
  fustor verify --sample 50000 /data   more of them, for a lower bound
  fustor verify --all /data/exports    every entry: exact, and takes as long as reading all of it
"""


@click.command(
    short_help="Have the agents read again what fusion claims.", context_settings={"help_option_names": ["--help"]}, epilog=_EXAMPLES
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=bytes))
@click.option("--sample", metavar="N", type=click.IntRange(1, 1_000_000), help="So many entries of each root, at random. [default: 3000]")
@click.option("--all", "everything", is_flag=True, help="Every entry.")
@connection_options
def verify(paths: tuple[bytes, ...], sample: int | None, everything: bool, connection: Connection, as_json: bool) -> int:
    """Have the agents read again what fusion claims at and below each PATH, and say how many claims were wrong.

    What is found is repaired, as everything that an agent sees. What changes while it is verified is left out. The exit code is 0 whether
    or not something was wrong: the numbers say that.
    """
    from fustor_fusion.commands.asking import run

    if sample is not None and everything:
        raise click.UsageError("--all leaves nothing to sample: give one of --sample and --all")
    return run(_verify_each(connection, paths, None if everything else sample or 3_000, as_json=as_json))


async def _verify_each(connection: Connection, paths: Sequence[bytes], sample: int | None, *, as_json: bool) -> int:
    from fustor_fusion.commands import json_lines
    from fustor_fusion.commands.asking import asking
    from fustor_fusion.commands.typed import Place

    async with asking(connection) as asked:

        async def verify_one(place: Place) -> None:
            answer = await asked.client.verify(place.view, sample=sample)
            if as_json:
                asked.output.write(json_lines.document(answer.data, answer.meta))
                return
            for line in _lines(answer.data):
                asked.output.write(asked.output.name(place.typed) + b": " + line + b"\n")

        await asked.each_place(paths, verify_one)
    return asked.code


def _lines(result: Verified) -> Iterator[bytes]:
    from fustor_core.paths import show
    from fustor_fusion.replies import raw

    yield result.statement.encode()
    for kind, count in sorted(result.differences.items(), key=lambda row: (-row[1], row[0])):
        yield f"{count:,} {kind}".encode()
    for example in result.examples:
        yield f"{example.kind}: {show(raw(example.path, example.path_b64))}".encode()
