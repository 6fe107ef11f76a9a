"""find's command line, read as GNU find reads it: which words are paths, which are expression, and the tree that the expression is.

Pure: names of users and groups, and the time, are passed in. Everything that is refused is a ConfigurationError that names it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fustor_core.errors import ConfigurationError
from fustor_fusion.expression import arguments
from fustor_fusion.expression.arguments import Context
from fustor_fusion.expression.printf import parse_format
from fustor_fusion.expression.refused import REFUSED
from fustor_fusion.expression.tree import (
    Action,
    And,
    Comma,
    Constant,
    Do,
    Empty,
    Expression,
    Glob,
    Node,
    Not,
    Number,
    Or,
    Printf,
    Settled,
    Time,
    leaves,
)

_DEEPEST: Final = 100
"""Parentheses and negations inside one another: far more than anyone writes, and less than the interpreter's stack."""

_Argument = Callable[[str, bytes, Context], Node]
_WITHOUT_ARGUMENT: Final[dict[str, Node]] = {
    **{action.value: Do(action) for action in Action},
    "-empty": Empty(),
    "-settled": Settled(),
    "-true": Constant(True),
    "-false": Constant(False),
}
_WITH_ARGUMENT: Final[dict[str, _Argument]] = {
    "-name": lambda _, text, context: Glob(text),
    "-iname": lambda _, text, context: Glob(text, ignore_case=True),
    "-path": lambda _, text, context: Glob(text, whole=True),
    "-ipath": lambda _, text, context: Glob(text, ignore_case=True, whole=True),
    "-wholename": lambda _, text, context: Glob(text, whole=True),
    "-iwholename": lambda _, text, context: Glob(text, ignore_case=True, whole=True),
    "-regex": arguments.regex,
    "-type": arguments.types,
    "-size": arguments.size,
    **{number.value: arguments.number for number in Number},
    "-mtime": lambda name, text, context: arguments.days(name, text, context, Time.MODIFIED),
    "-ctime": lambda name, text, context: arguments.days(name, text, context, Time.STATUS_CHANGED),
    "-mmin": lambda name, text, context: arguments.minutes(name, text, context, Time.MODIFIED),
    "-cmin": lambda name, text, context: arguments.minutes(name, text, context, Time.STATUS_CHANGED),
    "-user": lambda name, text, context: arguments.owner(name, text, Number.UID, context.user_id),
    "-group": lambda name, text, context: arguments.owner(name, text, Number.GID, context.group_id),
    "-perm": arguments.permission,
    "-newer": arguments.newer,
    "-cnewer": arguments.newer,
    **{f"-newer{time.value}{of}": arguments.newer for time in Time for of in "mct"},
    "-printf": lambda name, text, context: Printf(arguments.in_words(name, text, parse_format)),
}
_DEPTHS: Final = ("-mindepth", "-maxdepth")
_NOT: Final = ("!", "-not")
_AND: Final = ("-a", "-and")
_OR: Final = ("-o", "-or")
_OPERATORS: Final = (*_AND, *_OR, ",", ")")


@dataclass(frozen=True, slots=True)
class Words:
    """A command line taken apart: options of the command itself, paths, and the expression, all as they were typed."""

    options: list[bytes]
    paths: list[bytes]
    expression: list[bytes]


def separate(words: Sequence[bytes], options: dict[bytes, bool]) -> Words:
    """Take the command line apart. `options` are the command's own, none of which is a word of find; the value says whether an
    argument follows. They may stand anywhere but where an argument of the expression is due."""
    taken = Words([], [], [])
    rest = iter(words)
    for word in rest:
        name = word.partition(b"=")[0]
        if name in options:
            taken.options.append(word)
            if options[name] and name == word:
                taken.options.extend([following for following in [next(rest, None)] if following is not None])
        elif taken.expression or _begins_expression(word):
            taken.expression.append(word)
            if _takes_argument(word):
                taken.expression.extend([following for following in [next(rest, None)] if following is not None])
        else:
            taken.paths.append(word)
    return taken


def _begins_expression(word: bytes) -> bool:
    # As in GNU find, `)` and `,` are names of files until an expression has begun.
    return (word.startswith(b"-") and len(word) > 1) or word in (b"(", b"!")


def _takes_argument(word: bytes) -> bool:
    text = word.decode("latin-1")
    return text in _WITH_ARGUMENT or text in _DEPTHS or REFUSED.get(text, ("", 0))[1] == 1


def parse(words: Sequence[bytes], context: Context, *, printing: bool = True) -> Expression:
    """The expression that `words` are; if it has no action and `printing` is wanted, it prints. Raises ConfigurationError."""
    parser = _Parser(words, context)
    root = parser.whole()
    acts = any(
        isinstance(leaf, Printf) or (isinstance(leaf, Do) and leaf.action not in (Action.PRUNE, Action.QUIT)) for leaf in leaves(root)
    )
    if printing and not acts:
        root = And((root, Do(Action.PRINT)))
    return Expression(root, parser.min_depth, parser.max_depth)


class _Parser:
    """Recursive descent; each method reads one level of precedence, `,` being the lowest."""

    def __init__(self, words: Sequence[bytes], context: Context) -> None:
        self._words = [word.decode("utf-8", "surrogateescape") for word in words]
        self._context = context
        self._at = 0
        self._depth = 0
        self.min_depth = 0
        self.max_depth: int | None = None

    def whole(self) -> Node:
        if not self._words:
            return Constant(True)
        root = self._list()
        if self._peek() is not None:
            raise ConfigurationError("find: there is a `)` without its `(`")
        return root

    def _list(self) -> Node:
        parts = [self._or()]
        while self._peek() == ",":
            self._at += 1
            self._expect_operand(",")
            parts.append(self._or())
        return parts[0] if len(parts) == 1 else Comma(tuple(parts))

    def _or(self) -> Node:
        parts = [self._and()]
        while (word := self._peek()) in _OR:
            self._at += 1
            self._expect_operand(str(word))
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Node:
        parts = [self._primary()]
        while (word := self._peek()) is not None and word not in (*_OR, ",", ")"):
            if word in _AND:
                self._at += 1
                self._expect_operand(word)
            parts.append(self._primary())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _primary(self) -> Node:
        word = self._next()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ConfigurationError(f"find: the expression is nested more than {_DEEPEST} deep")
        try:
            if word in _NOT:
                self._expect_operand(word)
                return Not(self._primary())
            return self._parenthesis() if word == "(" else self._leaf(word)
        finally:
            self._depth -= 1

    def _parenthesis(self) -> Node:
        if self._peek() == ")":
            raise ConfigurationError("find: parentheses with nothing between them")
        self._expect_operand("(")
        inner = self._list()
        if self._peek() != ")":
            raise ConfigurationError("find: there is a `(` without its `)`")
        self._at += 1
        return inner

    def _leaf(self, word: str) -> Node:
        if word in _OPERATORS:
            raise ConfigurationError(f"find: there is nothing before `{word}`")
        if word in _WITHOUT_ARGUMENT:
            return _WITHOUT_ARGUMENT[word]
        if word in _DEPTHS:
            return self._limit(word, self._argument(word))
        if word in _WITH_ARGUMENT:
            return _WITH_ARGUMENT[word](word, self._argument(word), self._context)
        if not word.startswith("-"):
            raise ConfigurationError(f"find: `{word}` stands behind the expression: paths come first, and patterns need quotes")
        why = REFUSED.get(word, ("it is no word of find",))[0]
        raise ConfigurationError(f"find: {word} is not taken; {why}")

    def _limit(self, name: str, text: bytes) -> Node:
        depth = arguments.depth(name, text)
        if name == "-mindepth":
            self.min_depth = depth
        else:
            self.max_depth = depth
        return Constant(True)

    def _argument(self, name: str) -> bytes:
        if self._peek() is None:
            raise ConfigurationError(f"find: {name} needs an argument")
        return self._next().encode("utf-8", "surrogateescape")

    def _expect_operand(self, operator: str) -> None:
        if self._peek() is None:
            raise ConfigurationError(f"find: nothing follows `{operator}`")

    def _peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _next(self) -> str:
        self._at += 1
        return self._words[self._at - 1]
