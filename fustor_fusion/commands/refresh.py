"""The command `fustor refresh`."""

from collections.abc import Sequence

import click

from fustor_fusion.commands.options import Connection, connection_options


@click.command(short_help="Have the agents look at a path at once.", context_settings={"help_option_names": ["--help"]})
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=bytes))
@click.option("-r", "--recursive", is_flag=True, help="All below a directory too, not only what it holds.")
@connection_options
def refresh(paths: tuple[bytes, ...], recursive: bool, connection: Connection, as_json: bool) -> int:
    """Have the agents look at each PATH, and return when what they found is in the view.

    This is for what no event tells of (another host that writes, a file that is mapped into memory), where waiting for the next audit
    would take too long. Where they could not read what was to be looked at, that is said, and the exit code is 5.
    """
    from fustor_fusion.commands.asking import run

    return run(_refresh_each(connection, paths, recursive=recursive, as_json=as_json))


async def _refresh_each(connection: Connection, paths: Sequence[bytes], *, recursive: bool, as_json: bool) -> int:
    from fustor_core.cli import print_error
    from fustor_core.errors import NoSuchPath, NotFreshEnough
    from fustor_core.paths import show
    from fustor_fusion.commands import json_lines
    from fustor_fusion.commands.asking import asking, not_read
    from fustor_fusion.commands.typed import Place

    async with asking(connection) as asked:

        async def refresh_one(place: Place) -> None:
            answer = await asked.client.refresh(place.view, recursive=recursive)
            if as_json:
                asked.output.write(json_lines.document(answer.data, answer.meta))
            if answer.data.unread:
                asked.code = NotFreshEnough.exit_code
                print_error(not_read(place.typed, answer.data.unread))
            elif not answer.data.exists:
                raise NoSuchPath(f"{show(place.typed)}: the agents looked, and nothing is there")

        await asked.each_place(paths, refresh_one)
    return asked.code
