"""What an operator wants of each pipe, apart from what the pipe does: decided by a table, and recorded before it is accepted."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from fustor_core.errors import ConfigurationError
from fustor_core.files import read_if_there, write_private
from fustor_core.wire import Verb


class Desired(StrEnum):
    """What a pipe should be doing."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    HALTED = "halted"

    @property
    def up(self) -> bool:
        """Whether the pipe should have a session; one that is paused keeps it."""
        return self in (Desired.RUNNING, Desired.PAUSED)


class Wish(Struct, frozen=True):
    """What is wanted of a pipe, and why."""

    desired: Desired = Desired.RUNNING
    reason: str = ""


class NotPossible(Exception):
    """This can never be as things are; `allowed` are the verbs that can."""

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class NothingThere(Exception):
    """What an operator names is not in the root."""


_D = Desired
# What has no row is refused. `start after_halt` is a row of its own: a halt was called for a reason, and ends only by name.
AFTER_HALT: Final = "start after_halt"
DECISIONS: Final[Mapping[tuple[Desired, str], Desired]] = {
    (_D.RUNNING, Verb.PAUSE): _D.PAUSED,
    (_D.RUNNING, Verb.RESUME): _D.RUNNING,
    (_D.RUNNING, Verb.STOP): _D.STOPPED,
    (_D.RUNNING, Verb.START): _D.RUNNING,
    (_D.RUNNING, Verb.RESTART): _D.RUNNING,
    (_D.RUNNING, Verb.SNAPSHOT): _D.RUNNING,
    (_D.RUNNING, Verb.AUDIT): _D.RUNNING,
    (_D.RUNNING, Verb.HALT): _D.HALTED,
    (_D.PAUSED, Verb.PAUSE): _D.PAUSED,
    (_D.PAUSED, Verb.RESUME): _D.RUNNING,
    (_D.PAUSED, Verb.STOP): _D.STOPPED,
    (_D.PAUSED, Verb.START): _D.PAUSED,
    (_D.PAUSED, Verb.RESTART): _D.PAUSED,
    (_D.PAUSED, Verb.HALT): _D.HALTED,
    (_D.STOPPED, Verb.STOP): _D.STOPPED,
    (_D.STOPPED, Verb.START): _D.RUNNING,
    (_D.STOPPED, Verb.RESTART): _D.RUNNING,
    (_D.STOPPED, Verb.HALT): _D.HALTED,
    (_D.HALTED, Verb.HALT): _D.HALTED,
    (_D.HALTED, AFTER_HALT): _D.RUNNING,
}


def decide(desired: Desired, verb: Verb, *, after_halt: bool = False) -> Desired:
    """What is wanted once `verb` has been said. Raises NotPossible for what has no row."""
    said = AFTER_HALT if verb is Verb.START and after_halt and desired is Desired.HALTED else verb.value
    wanted = DECISIONS.get((desired, said))
    if wanted is None:
        allowed = tuple(str(name) for held, name in DECISIONS if held is desired)
        raise NotPossible(f"{verb.value} is not possible while the pipe should be {desired.value}: {' or '.join(allowed)} is", allowed)
    return wanted


class Intents:
    """The wishes for all pipes of one agent, in one file that is whole at any moment. What is not recorded is wanted running."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError where the file is there and cannot be read: to guess could start what was halted."""
        self._path = path
        text = read_if_there(path)
        try:
            self._wishes = msgspec.json.decode(text, type=dict[str, Wish]) if text is not None else {}
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{path}: what is wanted of the pipes cannot be read ({error}); correct it, or remove it to have all of them run"
            ) from None

    def of(self, pipe: str) -> Wish:
        return self._wishes.get(pipe, Wish())

    def record(self, pipe: str, wish: Wish) -> None:
        """The wish holds, and outlasts the process and the machine. Raises ConfigurationError where it cannot be written; then the old one
        holds. It waits for the disk, so it is called on a thread, by one at a time."""
        wishes = {**self._wishes, pipe: wish}
        write_private(self._path, msgspec.json.encode(wishes).decode())
        self._wishes = wishes
