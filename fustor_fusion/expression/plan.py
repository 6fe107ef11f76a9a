"""What fusion can filter itself, so that little is sent: a superset of what matches, from the tests that every entry with an effect passes.

Those are the tests joined by "and" at the top of the expression, up to its first action: what stands behind an action comes after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fustor_core.evidence import Kind
from fustor_fusion.expression.tree import (
    Action,
    Age,
    And,
    Compare,
    Do,
    Empty,
    Expression,
    Glob,
    NewerThan,
    Node,
    Number,
    Owner,
    Printf,
    Settled,
    Sign,
    Size,
    Time,
    Type,
    leaves,
)
from fustor_fusion.query import Instant
from fustor_fusion.replies import Entry

_KINDS: Final = {"f": Kind.FILE, "d": Kind.DIRECTORY, "l": Kind.SYMLINK}
_LARGEST: Final = 2**63 - 1
Filters = dict[str, bytes | str | int | bool | Instant | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ask.

    `filters` are parameters of the `find` route, for what lies below a starting point; the starting point itself is asked for by itself,
    because its name is the one that was typed. `empty_asked`: the filters let only empty directories through. `asks_empty`: -empty is
    asked of other directories. `prunes`: -prune may cut directories off.
    """

    filters: Filters = field(default_factory=dict)
    empty_asked: bool = False
    asks_empty: bool = False
    prunes: bool = False


def plan(expression: Expression, references: Mapping[bytes, Entry]) -> Plan:
    """The plan of an expression; `references` are the entries that -newer names."""
    filters: Filters = {"min_depth": max(expression.min_depth, 1), "max_depth": expression.max_depth}
    for test in _demanded(expression.root):
        for name, value in _filters(test, references).items():
            filters.setdefault(name, value)
    tests = leaves(expression.root)
    empty_asked = filters.get("empty") is True
    return Plan(
        filters,
        empty_asked=empty_asked,
        asks_empty=not empty_asked and any(isinstance(test, Empty) for test in tests),
        prunes=any(isinstance(test, Do) and test.action is Action.PRUNE for test in tests),
    )


def named_references(expression: Expression) -> list[bytes]:
    """The paths, as typed, of the entries that -newer compares with."""
    return [leaf.reference for leaf in leaves(expression.root) if isinstance(leaf, NewerThan) and isinstance(leaf.reference, bytes)]


def _demanded(root: Node) -> list[Node]:
    """The tests that stand before the first action, each of which an entry must pass to have any effect."""
    demanded = []
    for node in _conjuncts(root):
        if any(isinstance(leaf, Do | Printf) for leaf in leaves(node)):
            break
        demanded.append(node)
    return demanded


def _conjuncts(node: Node) -> list[Node]:
    return [conjunct for part in node.of for conjunct in _conjuncts(part)] if isinstance(node, And) else [node]


def _filters(test: Node, references: Mapping[bytes, Entry]) -> Filters:
    """The filters that let everything through that passes `test`."""
    match test:
        case Glob(pattern, ignore_case, whole=False):
            return {"iname" if ignore_case else "name": pattern}
        case Type(letters):
            return {"type": ",".join(sorted({_KINDS.get(letter, Kind.OTHER) for letter in letters}))}
        case Size():
            return _sizes(test)
        case Age(time=Time.MODIFIED):
            return _ages(test)
        case NewerThan(time=Time.MODIFIED, reference=reference, of=of):
            after = reference if isinstance(reference, tuple) else _time(references[reference], of)
            return {} if after is None else _bounds(after, None)
        case Compare(number=Number.UID, sign=Sign.EXACTLY, value=uid) | Owner(number=Number.UID, value=uid) if uid <= _LARGEST:
            return {"uid": uid}
        case Empty():
            return {"empty": True}
        case Settled():
            return {"settled": True}
        case _:
            return {}


def _sizes(test: Size) -> Filters:
    """The sizes that round up to what is asked for."""
    lowest, highest = 0, _LARGEST
    if test.sign is Sign.LESS:
        highest = (test.value - 1) * test.unit
    else:
        lowest = (test.value if test.sign is Sign.MORE else test.value - 1) * test.unit + 1
        highest = test.value * test.unit if test.sign is Sign.EXACTLY else _LARGEST
    filters: Filters = {}
    if 0 < lowest <= _LARGEST:
        filters["min_size"] = lowest
    if 0 <= highest < _LARGEST:
        filters["max_size"] = highest
    return filters


def _ages(test: Age) -> Filters:
    if test.sign is Sign.MORE:
        return _bounds(None, test.boundary)
    if test.sign is Sign.LESS:
        return _bounds(test.boundary, None)
    return _bounds(test.boundary, (test.boundary[0] + test.window + 1, test.boundary[1]))


def _bounds(newer: Instant | None, older: Instant | None) -> Filters:
    bounds = {"newer": newer, "older": older}
    return {name: bound for name, bound in bounds.items() if bound is not None and abs(bound[0]) <= _LARGEST}


def _time(entry: Entry, of: Time) -> Instant | None:
    return entry.modified if of is Time.MODIFIED else entry.status_changed
