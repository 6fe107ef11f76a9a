"""Evaluation: the tree becomes one function of an entry, which says whether it matches and performs its actions."""

from collections.abc import Callable, Sequence
from operator import eq, gt, lt
from typing import Final

from fustor_core import globs
from fustor_fusion.expression.listing import Columns
from fustor_fusion.expression.modes import ALL_BITS, type_letter
from fustor_fusion.expression.printf import fill
from fustor_fusion.expression.regex import compile_regex
from fustor_fusion.expression.tree import (
    Action,
    Age,
    And,
    Comma,
    Compare,
    Constant,
    Demand,
    Do,
    Empty,
    Glob,
    NewerThan,
    Node,
    Not,
    Number,
    Or,
    Owner,
    Permission,
    Printf,
    Regex,
    Settled,
    Sign,
    Size,
    Time,
    Type,
)
from fustor_fusion.expression.visit import Quit, Surroundings, Visit
from fustor_fusion.query import Instant
from fustor_fusion.replies import Entry

Evaluate = Callable[[Visit], bool]
_COMPARE: Final[dict[Sign, Callable[[int, int], bool]]] = {Sign.MORE: gt, Sign.LESS: lt, Sign.EXACTLY: eq}
_SECOND: Final = 1_000_000_000


def evaluator(node: Node, around: Surroundings) -> Evaluate:
    """The function that evaluates `node`. A test of an attribute that is not known is false."""
    match node:
        case And(parts):
            return _every([evaluator(part, around) for part in parts])
        case Or(parts):
            return _some([evaluator(part, around) for part in parts])
        case Comma(parts):
            each = [evaluator(part, around) for part in parts]
            return lambda visit: [part(visit) for part in each][-1]
        case Not(of):
            inner = evaluator(of, around)
            return lambda visit: not inner(visit)
        case Do(action):
            return _action(action, around)
        case Printf(form):
            return lambda visit: _done(around.write(fill(form, visit, around)))
        case _:
            return _test(node, around)


# Loops, not all() and any() of generators, which take three times as long: this runs for every entry that fusion sends.
def _every(parts: Sequence[Evaluate]) -> Evaluate:
    def evaluate(visit: Visit) -> bool:
        for part in parts:  # noqa: SIM110
            if not part(visit):
                return False
        return True

    return evaluate


def _some(parts: Sequence[Evaluate]) -> Evaluate:
    def evaluate(visit: Visit) -> bool:
        for part in parts:  # noqa: SIM110
            if part(visit):
                return True
        return False

    return evaluate


def _action(action: Action, around: Surroundings) -> Evaluate:
    match action:
        case Action.PRINT:
            return lambda visit: _done(around.write(around.shown(visit.path) + b"\n"))
        case Action.PRINT0:
            return lambda visit: _done(around.write(visit.path + b"\0"))
        case Action.LS:
            columns = Columns()
            return lambda visit: _done(around.write(columns.line(visit, around)))
        case Action.PRUNE:
            return _prune
        case Action.QUIT:
            return _quit


def _done(_: object) -> bool:
    return True


def _prune(visit: Visit) -> bool:
    visit.pruned = True
    return True


def _quit(_: Visit) -> bool:
    raise Quit


def _test(node: Node, around: Surroundings) -> Evaluate:
    match node:
        case Constant(value):
            return lambda _: value
        case Glob(pattern, ignore_case, whole):
            matches = globs.compile(pattern, ignore_case=ignore_case, utf8=around.utf8)
            return (lambda visit: matches(visit.path)) if whole else (lambda visit: matches(visit.name))
        case Regex(pattern):
            fits = compile_regex(pattern, utf8=around.utf8)
            return lambda visit: fits(visit.path)
        case Type(letters):
            return lambda visit: type_letter(visit.entry.full_mode) in letters
        case Empty():
            return lambda visit: around.is_empty(visit) if visit.entry.is_directory else _is_empty_file(visit.entry)
        case Settled():
            return lambda visit: visit.entry.settled is True
        case _:
            return _attribute_test(node, around)


def _attribute_test(node: Node, around: Surroundings) -> Evaluate:
    match node:
        case Size(sign, value, unit):
            compare = _COMPARE[sign]
            return lambda visit: visit.entry.size is not None and compare(-(-visit.entry.size // unit), value)
        case Compare(number, sign, value):
            compare, get = _COMPARE[sign], _NUMBERS[number]
            return lambda visit: (held := get(visit.entry)) is not None and compare(held, value)
        case Owner(number, value):
            get = _NUMBERS[number]
            return lambda visit: get(visit.entry) == value
        case Permission():
            return lambda visit: visit.entry.mode is not None and _permits(node, visit.entry.mode, visit.entry.is_directory)
        case Age():
            return lambda visit: (at := _time(visit.entry, node.time)) is not None and _is_of_age(node, at)
        case NewerThan(time, reference, of):
            after = reference if isinstance(reference, tuple) else _time(around.references[reference], of)
            return lambda visit: (at := _time(visit.entry, time)) is not None and after is not None and at > after
        case _:
            raise TypeError(f"{node!r} is no test")


_NUMBERS: Final[dict[Number, Callable[[Entry], int | None]]] = {
    Number.UID: lambda entry: entry.uid,
    Number.GID: lambda entry: entry.gid,
    Number.LINKS: lambda entry: entry.nlink,
    Number.INODE: lambda entry: None if entry.inode is None else int(entry.inode),
}


def _time(entry: Entry, time: Time) -> Instant | None:
    return entry.modified if time is Time.MODIFIED else entry.status_changed


def _is_empty_file(entry: Entry) -> bool:
    return entry.size == 0 and type_letter(entry.full_mode) == "f"


def _permits(wanted: Permission, mode: int, is_directory: bool) -> bool:
    bits = wanted.directory if is_directory else wanted.mode
    match wanted.demand:
        case Demand.ALL:
            return mode & bits == bits
        case Demand.ANY:
            return not bits or bool(mode & bits)
        case Demand.EXACTLY:
            return mode & ALL_BITS == bits


def _is_of_age(age: Age, at: Instant) -> bool:
    if age.sign is Sign.LESS:
        return at > age.boundary
    if age.sign is Sign.MORE:
        return at < age.boundary
    past = (at[0] - age.boundary[0]) * _SECOND + at[1] - age.boundary[1]
    return 0 < past <= age.window * _SECOND
