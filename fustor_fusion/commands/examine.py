"""What `fustor doctor` does: gathers what there is to see, and prints what `diagnosis` makes of it."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Final

from fustor_core import host
from fustor_core.errors import NoSuchPath, NotFreshEnough, Unreachable
from fustor_core.hanging import answers
from fustor_core.paths import show
from fustor_core.printable import one_line
from fustor_core.times import parse_instant
from fustor_fusion import diagnosis
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import Asking, asking
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.output import Output
from fustor_fusion.diagnosis import Finding, Word
from fustor_fusion.replies import Meta, Usage

ANSWERS_WITHIN: Final = 2.0
"""Seconds that a directory of this machine has to answer."""
_COLOURS: Final = {Word.OK: b"32", Word.WARN: b"33", Word.FAIL: b"1;31"}


async def examine(connection: Connection, path: bytes | None, *, as_json: bool) -> int:
    """Print all findings; the exit code says whether something failed."""
    code, meta = 0, Meta(None, False, [])
    findings: list[Finding] = []
    try:
        # What is demanded is demanded of answers about PATH; everything else is to be found whatever that is.
        async with asking(replace(connection, max_age=None, require_complete=False)) as run:
            findings += await _of_fusion(run, connection.url)
            findings += await _of_here(run)
            if path is not None:
                findings += await _of_path(run, connection, path)
            meta = run.trust.meta
            # What it has to say of trust it says as findings.
            run.trust.forget()
    except Unreachable as error:
        findings.append(Finding(Word.FAIL, "fusion", str(error), "start it: fustor up, or fustor fusion run"))
        findings += diagnosis.of_files(await asyncio.to_thread(host.own_processes))
        code = error.exit_code
    _show(Output(), findings, meta, as_json=as_json)
    return code or (NotFreshEnough.exit_code if any(each.word is Word.FAIL for each in findings) else 0)


async def _of_fusion(run: Asking, url: str) -> list[Finding]:
    began, clock = time.time(), time.monotonic()
    fusion = await run.client.host()
    half = (time.monotonic() - clock) / 2
    seconds, nanoseconds = parse_instant(fusion.now)
    findings = [Finding(Word.OK, "fusion", f"answers at {url}")]
    findings += diagnosis.of_versions(version("fustor"), fusion)
    findings += diagnosis.of_space(fusion)
    findings.append(diagnosis.of_clock(seconds + nanoseconds / 1e9 - began - half, half))
    findings += diagnosis.of_agents(fusion.agents)
    for pipe in await run.client.pipes():
        findings += diagnosis.of_pipe(pipe)
    for root in run.roots:
        findings += diagnosis.of_root(root)
    return findings


async def _of_here(run: Asking) -> list[Finding]:
    """What can be seen of this machine."""
    processes = await asyncio.to_thread(host.own_processes)
    findings = diagnosis.of_files(processes)
    mounts = {source.mount for source in run.sources}
    if mounts:
        needed = sum([(await _usage(run, mount)).directories for mount in mounts])
        agents = [each.user for each in processes if "agent" in each.command]
        limits = await asyncio.to_thread(host.limits)
        findings += diagnosis.of_watches(limits, agents[0] if agents else os.geteuid(), needed)
    return findings + await asyncio.to_thread(of_permissions, [source.path for source in run.sources])


async def _usage(run: Asking, mount: bytes) -> Usage:
    return (await run.client.usage(mount)).data


def of_permissions(sources: Sequence[bytes]) -> list[Finding]:
    """Whether what is indexed of this machine answers, is there, and may be read by this user."""
    # A source goes by the path that it was given, and by the one that this leads to.
    real = answers([partial(os.path.realpath, source) for source in sources], ANSWERS_WITHIN)
    places = sorted({resolved or source for source, resolved in zip(sources, real, strict=True)})
    found = answers([partial(_of_place, place) for place in places], ANSWERS_WITHIN)
    return [finding or diagnosis.of_silence(show(place)) for place, finding in zip(places, found, strict=True)]


def _of_place(place: bytes) -> Finding:
    try:
        return diagnosis.of_permissions(show(place), [show(each) for each in _unreadable_at(place)])
    except OSError as error:
        return diagnosis.of_absence(show(place), os.strerror(error.errno or 0))


def _unreadable_at(place: bytes) -> list[bytes]:
    """The root and the directories right in it that this user may not read; what is further below, its pipe names."""
    try:
        below = [entry.path for entry in os.scandir(place) if entry.is_dir(follow_symlinks=False)]
    except PermissionError:
        return [place]
    return sorted(path for path in below if not os.access(path, os.R_OK | os.X_OK))


async def _of_path(run: Asking, connection: Connection, typed: bytes) -> list[Finding]:
    try:
        place = await run.place(typed)
        async with asking(connection, local_paths=False) as demanding:
            meta = (await demanding.stat(place)).meta
            demanding.trust.forget()
    except NotFreshEnough as error:
        return [Finding(Word.FAIL, f"path {show(typed)}", str(error), "see what is said of its root and its pipe")]
    except NoSuchPath as error:
        return [Finding(Word.FAIL, f"path {show(typed)}", str(error), "see whether it is below a root, and not excluded")]
    return diagnosis.of_answer(f"path {show(typed)}", meta.complete, meta.as_of, meta.conditions)


def _show(output: Output, findings: Sequence[Finding], meta: Meta, *, as_json: bool) -> None:
    if as_json:
        output.write(json_lines.document(list(findings), meta))
    else:
        for finding in findings:
            word = str(finding.word).ljust(4).encode()
            if output.is_terminal:
                word = b"\x1b[" + _COLOURS[finding.word] + b"m" + word + b"\x1b[0m"
            text = f"{finding.subject}: {finding.what}" + (f"; {finding.remedy}" if finding.remedy else "")
            output.write(word + b"  " + one_line(text).encode("utf-8", "surrogateescape") + b"\n")
    output.flush()
