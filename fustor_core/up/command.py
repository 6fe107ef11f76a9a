"""The command `fustor up`."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import click

from fustor_core.client_file import ClientFile, client_file_path, write_client_file
from fustor_core.files import write_private
from fustor_core.printable import one_line
from fustor_core.telemetry import LEVELS
from fustor_core.up import place
from fustor_core.up.plan import Plan, agent_settings, announcement, exclusion, fusion_settings, name_roots, roots_note
from fustor_core.up.processes import Part, run_parts
from fustor_core.xdg import xdg_directory
from fustor_core.yaml_text import write_text


@click.command(short_help="Index directories of this machine: an agent and fusion, until Ctrl-C.")
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=bytes))
@click.option("--port", type=click.IntRange(1, 65535), default=8102, show_default=True, help="Where fusion answers, on 127.0.0.1.")
@click.option("--data", type=click.Path(path_type=Path), help="Where the index is kept. [default: ~/.local/share/fustor]")
@click.option("--open", "is_open", is_flag=True, help="Answer everybody on this machine, without a key.")
@click.option("--log-level", type=click.Choice(LEVELS), help="How much both processes say.")
def up(directories: tuple[bytes, ...], port: int, data: Path | None, is_open: bool, log_level: str | None) -> int:
    """Index the directories DIR, and answer questions about them, until Ctrl-C.

    Starts an agent and fusion on this machine. DIR becomes the root /NAME of the default view, NAME being its last component. The address
    and the key are noted in ~/.config/fustor/client.yaml, where the query commands look for them.
    """
    paths = [place.absolute(path) for path in directories]
    place.check_directories(paths)
    data = Path(os.path.abspath(data or xdg_directory(os.environ, "XDG_DATA_HOME", ".local/share")))
    with place.locked(data) as lock:
        place.check_port(port)
        plan = _made(paths, data, port, is_open=is_open, log_level=log_level)
        parts = (_part("fusion", "fusion", data, plan.port), _part("the agent", "agent", data, plan.agent_port))
        on_ready = _announcing(plan, client_file_path(os.environ))
        return asyncio.run(run_parts(parts, lock=lock, on_ready=on_ready, say=_say))


def _made(paths: list[bytes], data: Path, port: int, *, is_open: bool, log_level: str | None) -> Plan:
    """The plan, with everything that it needs written into the data directory."""
    known = place.known_roots(data)
    roots = name_roots(paths, known)
    real_data = os.path.realpath(os.fsencode(data))
    patterns = {name: exclusion(os.path.realpath(path), real_data) for name, path in roots.items()}
    plan = Plan(
        roots=roots,
        data=str(data),
        port=port,
        agent_port=place.free_port_after(port),
        agent_id=place.agent_id(data),
        key=None if is_open else place.key(data),
        log_level=log_level,
    )
    _write(data / "roots.yaml", roots_note(known, roots))
    _write(data / "fusion.yaml", fusion_settings(plan))
    _write(data / "agent.yaml", agent_settings(plan, {name: pattern for name, pattern in patterns.items() if pattern}))
    return plan


def _part(name: str, command: str, data: Path, port: int) -> Part:
    arguments = (command, "run", "--config", str(data / f"{command}.yaml"))
    return Part(name, (sys.executable, "-m", "fustor_core.up.child", str(os.getpid()), *arguments), port)


def _write(path: Path, content: Mapping[str, object]) -> None:
    write_private(path, f"# Written by `fustor up` at each start; changes are lost.\n{write_text(content)}")


def _announcing(plan: Plan, client_file: Path) -> Callable[[], None]:
    def announce() -> None:
        # Only what answers is noted: a start that failed does not take the address of another that runs.
        write_client_file(client_file, ClientFile(plan.url, plan.key))
        program = "fustor" if shutil.which("fustor") else sys.argv[0]
        click.echo(announcement(plan, program))
        sys.stdout.flush()

    return announce


def _say(message: str) -> None:
    # The terminal may be what went away; that is no reason to leave the children.
    with suppress(OSError):
        click.echo(f"fustor: {one_line(message)}", err=True)
