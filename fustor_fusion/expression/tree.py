"""The tree that an expression is: frozen values, made by `parse`, evaluated by `evaluate`, looked through by `plan`."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from fustor_fusion.expression.printf import Format
from fustor_fusion.query import Instant


class Sign(Enum):
    """How a number is compared, as it was written: `+n`, `-n`, `n`."""

    MORE = "+"
    LESS = "-"
    EXACTLY = ""


class Time(Enum):
    """Which time of an entry."""

    MODIFIED = "m"
    STATUS_CHANGED = "c"


class Number(Enum):
    """Which number of an entry."""

    UID = "-uid"
    GID = "-gid"
    LINKS = "-links"
    INODE = "-inum"


class Action(Enum):
    """Actions without an argument."""

    PRINT = "-print"
    PRINT0 = "-print0"
    LS = "-ls"
    PRUNE = "-prune"
    QUIT = "-quit"


class Demand(Enum):
    """How the bits of -perm are compared."""

    ALL = "-"
    ANY = "/"
    EXACTLY = ""


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True)
class Glob:
    """-name, -iname; with `whole`: -path, -ipath."""

    pattern: bytes
    ignore_case: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Regex:
    pattern: bytes


@dataclass(frozen=True, slots=True)
class Type:
    """`letters` as -type has them."""

    letters: frozenset[str]


@dataclass(frozen=True, slots=True)
class Size:
    """The size in units of `unit` bytes, rounded up, compared with `value`."""

    sign: Sign
    value: int
    unit: int


@dataclass(frozen=True, slots=True)
class Compare:
    number: Number
    sign: Sign
    value: int


@dataclass(frozen=True, slots=True)
class Age:
    """A time compared with `boundary`: LESS (younger) is after it, MORE (older) before it, EXACTLY at most `window` seconds after it."""

    time: Time
    sign: Sign
    boundary: Instant
    window: int


@dataclass(frozen=True, slots=True)
class NewerThan:
    """A time after `reference`: an instant, or the time `of` another entry, whose path as it was typed is `reference`."""

    time: Time
    reference: Instant | bytes
    of: Time = Time.MODIFIED


@dataclass(frozen=True, slots=True)
class Owner:
    """-user, -group."""

    number: Number
    value: int


@dataclass(frozen=True, slots=True)
class Permission:
    """-perm; `directory` holds the bits for directories, where a symbolic mode with `X` differs."""

    demand: Demand
    mode: int
    directory: int


@dataclass(frozen=True, slots=True)
class Empty:
    """-empty: a regular file of size 0, or a directory that holds nothing."""


@dataclass(frozen=True, slots=True)
class Settled:
    """-settled: not being written, and unchanged for a while."""


@dataclass(frozen=True, slots=True)
class Do:
    action: Action


@dataclass(frozen=True, slots=True)
class Printf:
    format: Format


@dataclass(frozen=True, slots=True)
class Not:
    of: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All are true; those behind the first that is false are not evaluated."""

    of: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One is true; those behind it are not evaluated."""

    of: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Comma:
    """All are evaluated; the value is that of the last."""

    of: "tuple[Node, ...]"


Test: TypeAlias = Constant | Glob | Regex | Type | Size | Compare | Age | NewerThan | Owner | Permission | Empty | Settled
Node: TypeAlias = Test | Do | Printf | Not | And | Or | Comma


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands behind the paths of a find. `root` ends in an action, unless it was parsed without."""

    root: Node
    min_depth: int = 0
    max_depth: int | None = None


def leaves(node: Node) -> "list[Node]":
    """All tests and actions below `node`, from left to right."""
    match node:
        case Not(of):
            return leaves(of)
        case And(parts) | Or(parts) | Comma(parts):
            return [leaf for part in parts for leaf in leaves(part)]
        case _:
            return [node]
