"""What `fustor wait` does. Fusion does the waiting; this asks again when it has waited for long enough."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from fustor_core.errors import ConfigurationError, NoSuchPath, NotFreshEnough, Unreachable
from fustor_core.paths import show
from fustor_core.printable import one_line
from fustor_core.units import format_duration, parse_duration
from fustor_fusion.commands import json_lines
from fustor_fusion.commands.asking import Asking, asking
from fustor_fusion.commands.options import Connection
from fustor_fusion.commands.typed import Place
from fustor_fusion.replies import Answer, Rest

_AT_ONCE: Final = 20.0
"""Seconds that fusion waits before it answers that it is not so."""
_AT_ONCE_WATCHED: Final = 1.0
"""The same where a person sees how far it is."""
_RETRY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is waited for; times in seconds."""

    settled: bool
    quiet: float | None
    timeout: float | None
    as_json: bool


def parse_time(option: str, text: str | None) -> float | None:
    """The seconds of an option, if it is given."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"{option} {text!r}: {error}") from None


async def wait_for(connection: Connection, typed: bytes, wanted: Wanted) -> int:
    """Wait for one path. Raises NotFreshEnough where the time passes before, NoSuchPath where it is not even there then."""
    if connection.max_age is not None or connection.require_complete:
        raise ConfigurationError("wait: what it says is fresh and complete anyway; leave out --max-age and --require-complete")
    async with asking(connection) as run:
        place = await run.place(typed, may_come=True)
        with _status_line() as status:
            answer = await _Waiting(run, place, wanted, status).until_so()
        if wanted.as_json:
            run.output.write(json_lines.document(answer.data, answer.meta))
    return run.code


class _Waiting:
    def __init__(self, run: Asking, place: Place, wanted: Wanted, status: "_Status") -> None:
        self._run = run
        self._place = place
        self._wanted = wanted
        self._status = status
        now = asyncio.get_running_loop().time()
        self._deadline = None if wanted.timeout is None else now + wanted.timeout
        self._heard: Answer[Rest] | None = None

    async def until_so(self) -> Answer[Rest]:
        """The first answer that is what was waited for."""
        while True:
            left = self._left()
            turn = _AT_ONCE_WATCHED if self._status.seen else _AT_ONCE
            patience = turn if left is None else max(min(left, turn), 0.0)
            answer = await self._ask(patience)
            if answer is not None and self._is_so(answer.data):
                return answer
            left = self._left()
            if left is not None and left <= 0:
                raise self._too_late()
            self._status.show(self._words())

    def _left(self) -> float | None:
        return None if self._deadline is None else self._deadline - asyncio.get_running_loop().time()

    def _is_so(self, rest: Rest) -> bool:
        return rest.confirmed if self._wanted.settled else rest.exists

    async def _ask(self, patience: float) -> Answer[Rest] | None:
        """What fusion says after so many seconds at most; None where it cannot be reached: it could, when the path was looked up."""
        # How far to trust an answer is part of the question; what is said of the last one is what counts.
        self._run.trust.forget()
        try:
            answer = await self._run.client.rest(self._place.view, quiet=self._wanted.quiet, wait=patience, settled=self._wanted.settled)
        except Unreachable as error:
            self._status.show(f"no answer: {error}")
            await asyncio.sleep(min(_RETRY, max(self._left() or _RETRY, 0.0)))
            return None
        self._heard = answer
        return answer

    def _too_late(self) -> Exception:
        after = format_duration(self._wanted.timeout or 0.0)
        if self._heard is not None and not self._heard.data.exists:
            return NoSuchPath(f"{show(self._place.typed)} did not appear within {after}")
        return NotFreshEnough(f"{show(self._place.typed)}: not settled after {after}: {self._words()}; wait longer, or see what writes it")

    def _words(self) -> str:
        """How far it is."""
        if self._heard is None:
            return "fusion has not answered"
        rest, meta = self._heard.data, self._heard.meta
        if not rest.exists:
            return "it is not there yet"
        amount = f"{rest.files:,} {'file' if rest.files == 1 else 'files'}, {rest.bytes:,} bytes"
        if rest.files_written:
            return f"{amount}; being written: {rest.files_written:,}"
        if rest.settled is None or not meta.complete:
            why = "; ".join(each.message for each in meta.conditions) or "it has not been listed yet"
            return f"{amount}; not known whether it rests: {why}"
        return f"{amount}; changed last at {rest.changed_at}"


class _Status:
    """One line on a terminal's standard error that is replaced by the next."""

    def __init__(self) -> None:
        self.seen = sys.stderr.isatty()
        self._shown = False

    def show(self, text: str) -> None:
        if self.seen:
            sys.stderr.write(f"\r\x1b[K{one_line(text)}")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def _status_line() -> Iterator[_Status]:
    status = _Status()
    try:
        yield status
    finally:
        status.clear()
