"""The parts of a shell pattern, parsed as glibc's fnmatch reads them, and how they match text. `fustor_core.globs` decides what text is."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from unicodedata import category


class Wildcard(Enum):
    ONE = "?"
    ANY_NUMBER = "*"


ANY = Wildcard.ONE
RUN = Wildcard.ANY_NUMBER


@dataclass(slots=True)
class CharacterSet:
    """A bracket expression. `folded` and `ranges` are compared with the folded character, `exact` and `classes` with the one that is there.

    `dead`: it names a class or a collating symbol that does not exist, and there glibc gives up on every character not matched before.
    """

    negated: bool
    folded: set[str] = field(default_factory=set)
    exact: set[str] = field(default_factory=set)
    ranges: list[tuple[str, str]] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    dead: bool = False


Token = str | Wildcard | CharacterSet
Fold = Callable[[str], str]


class MatchesNothing(Exception):
    """The pattern breaks off at a place where glibc gives up."""


def tokens(pattern: str, fold: Fold = str) -> list[Token]:
    """The parts of `pattern`, its own characters folded; `MatchesNothing` if it breaks off after a backslash or within a range."""
    found: list[Token] = []
    at = 0
    while at < len(pattern):
        c = pattern[at]
        at += 1
        if c == "[":
            reader = _Bracket(pattern, at, fold)
            if reader.read():
                found.append(reader.set)
                at = reader.at
            else:
                found.append(c)
        elif c == "\\":
            if at == len(pattern):
                raise MatchesNothing
            found.append(fold(pattern[at]))
            at += 1
        else:
            found.append(ANY if c == "?" else RUN if c == "*" else fold(c))
    return found


class _Bracket:
    """Reads one bracket expression; `at` stands behind the opening bracket first, and behind the closing one at the end."""

    _CLASS = re.compile(r":([a-y]*):\]")  # glibc's loop takes `z` for the end of a name; no class has one
    _EQUIVALENT = re.compile(r"=(.)=\]", re.DOTALL)
    _SYMBOL = re.compile(r"\.(.*?)\.\]", re.DOTALL)

    def __init__(self, pattern: str, at: int, fold: Fold) -> None:
        self._pattern = pattern
        self._fold = fold
        negated = pattern[at : at + 1] in ("!", "^")
        self.at = at + negated
        self.set = CharacterSet(negated)

    def read(self) -> bool:
        """Whether the bracket is closed. `set` and `at` tell what it holds and where it ends."""
        first = True
        while self.at < len(self._pattern):
            if self._peek() == "]" and not first:
                self.at += 1
                return True
            self._item()
            first = False
        return False

    def _item(self) -> None:
        c = self._next()
        if c == "[" and (named := self._take(self._CLASS)) is not None:
            self.set.dead |= named not in CLASSES
            if not self.set.dead:
                self.set.classes.append(named)
        elif c == "[" and (same := self._take(self._EQUIVALENT)) is not None:
            self._add(self.set.exact, same)
        elif c == "[" and self._peek() == ".":
            symbol = self._symbol()
            is_range = self._peek() == "-" and self.at + 1 < len(self._pattern)
            if not is_range:
                self._add(self.set.exact, symbol)
            self._range(symbol)
        else:
            c = self._fold(self._next() if c == "\\" else c)
            if not (self._peek() == "-" and self._pattern[self.at + 1 : self.at + 2] not in ("", "]")):
                self._add(self.set.folded, c)
            self._range(c)

    def _range(self, low: str) -> None:
        """Read the rest of a range, if `low` begins one."""
        if self._peek() != "-" or self._pattern[self.at + 1 : self.at + 2] == "]":
            return
        self.at += 1
        high = self._next()
        if high == "[" and self._peek() == ".":
            high = self._symbol()
        else:
            high = self._fold(self._next() if high == "\\" else high)
        if not self.set.dead:
            self.set.ranges.append((low, high))

    def _symbol(self) -> str:
        symbol = self._take(self._SYMBOL)
        if symbol is None:
            raise MatchesNothing
        self.set.dead |= len(symbol) != 1
        return symbol

    def _add(self, to: set[str], c: str) -> None:
        if not self.set.dead:
            to.add(c)

    def _peek(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _next(self) -> str:
        c = self._peek()
        self.at += 1
        if not c:
            raise MatchesNothing
        return c

    def _take(self, expression: re.Pattern[str]) -> str | None:
        if match := expression.match(self._pattern, self.at):
            self.at = match.end()
            return match[1]
        return None


def fold_bytes(text: str) -> str:
    """ASCII in lower case; the rest, which stands for bytes, as it is."""
    return text.encode("latin-1").lower().decode("latin-1")


def fold_characters(text: str) -> str:
    """Each character in lower case by itself, as towlower does: as many characters as before."""
    if text.isascii():
        return text.lower()
    return "".join("i" if c == "\u0130" else c.lower() for c in text)


def _is_blank(c: str) -> bool:
    return c == "\t" or (category(c) == "Zs" and c not in "\xa0\u2007\u202f")


def _is_space(c: str) -> bool:
    return c in "\n\v\f\r\u2028\u2029" or _is_blank(c)


def _is_graph(c: str) -> bool:
    return category(c) not in ("Cn", "Cc", "Cs") and not _is_space(c)


def _is_alpha(c: str) -> bool:
    return c.isalpha() or category(c) == "Nl" or (category(c) == "Nd" and not c.isascii())


def _is_alnum(c: str) -> bool:
    return _is_alpha(c) or c in "0123456789"


CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": _is_alpha,
    "digit": lambda c: c in "0123456789",
    "alnum": _is_alnum,
    "upper": str.isupper,
    "lower": str.islower,
    "space": _is_space,
    "blank": _is_blank,
    "punct": lambda c: _is_graph(c) and not _is_alnum(c),
    "print": lambda c: _is_graph(c) or (_is_space(c) and category(c) == "Zs"),
    "graph": _is_graph,
    "cntrl": lambda c: category(c) in ("Cc", "Zl", "Zp"),
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}


def matcher(pattern: str, *, ignore_case: bool, wide: bool) -> Callable[[str], bool]:
    """Whether text matches `pattern`, both decoded alike: from UTF-8 if `wide`, else from Latin-1, where a character stands for a byte."""
    fold: Fold = str if not ignore_case else fold_characters if wide else fold_bytes
    try:
        parsed = tokens(pattern, fold)
    except MatchesNothing:
        return lambda _: False
    if any(isinstance(token, CharacterSet) and (token.classes or token.dead or (ignore_case and token.exact)) for token in parsed):
        return partial(_walk, [_Test(token, fold, wide) if token is not RUN else None for token in parsed])
    matches = re.compile(_expression(parsed), re.DOTALL).fullmatch
    if ignore_case:
        return lambda text: matches(fold(text)) is not None
    return lambda text: matches(text) is not None


def _expression(parsed: list[Token]) -> str:
    """The same as a regular expression. Groups between stars are atomic, so that no pattern makes it try for ever."""
    groups = [""]
    for token in parsed:
        if token is RUN:
            groups.append("")
        else:
            groups[-1] += _element(token)
    if len(groups) == 1:
        return groups[0]
    first, *between, last = groups
    return first + "".join(f"(?>.*?{group})" for group in between if group) + ".*" + last


def _element(token: Token) -> str:
    if isinstance(token, str):
        return re.escape(token)
    if not isinstance(token, CharacterSet):
        return "."
    singles = "".join(map(re.escape, sorted(token.folded | token.exact)))
    ranges = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in token.ranges if low <= high)
    if singles or ranges:
        return f"[{'^' if token.negated else ''}{singles}{ranges}]"
    return "." if token.negated else r"(?!)"


class _Test:
    """Whether one character passes one part of a pattern that is no `*`."""

    def __init__(self, token: Token, fold: Fold, wide: bool) -> None:
        self._token = token
        self._fold = fold
        self._wide = wide

    def __call__(self, c: str) -> bool:
        token = self._token
        if isinstance(token, str):
            return self._fold(c) == token
        if not isinstance(token, CharacterSet):
            return True
        if token.dead and token.negated:
            return False
        return self._is_in(token, c) != token.negated

    def _is_in(self, token: CharacterSet, c: str) -> bool:
        folded = self._fold(c)
        if folded in token.folded or c in token.exact or any(low <= folded <= high for low, high in token.ranges):
            return True
        return (self._wide or c.isascii()) and any(CLASSES[name](c) for name in token.classes)


def _walk(tests: list[_Test | None], text: str) -> bool:
    """Match with one step back to the last `*` at a time: quadratic at worst."""
    at = test = 0
    star, resume = -1, 0
    while at < len(text):
        if test < len(tests) and tests[test] is None:
            star, resume = test, at
            test += 1
        elif test < len(tests) and (passes := tests[test]) is not None and passes(text[at]):
            at += 1
            test += 1
        elif star >= 0:
            resume += 1
            at, test = resume, star + 1
        else:
            return False
    return all(rest is None for rest in tests[test:])
