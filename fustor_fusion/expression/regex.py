"""Regular expressions as -regex takes them (GNU's `findutils-default`, which is Emacs'), as Python's.

Groups and alternatives are `\\(`, `\\)`, `\\|`; `*`, `+`, `?` repeat, and are themselves where there is nothing to repeat; there are no
intervals and no character classes; a backslash in a set is itself; `.` matches no newline. -regex asks for a match of the whole path, so
it does not matter that GNU looks for the longest match and Python for the first.
"""

import re
from collections.abc import Callable

_ANCHORS = {"b": r"\b", "B": r"\B", "<": r"\b(?=\w)", ">": r"\b(?<=\w)", "`": r"\A", "'": r"\Z"}
_INVALID = "\udc80-\udcff"
"""What bytes that are not UTF-8 become. Nothing matches them but themselves: no `.`, no `\\W`, no negated set."""


def compile_regex(pattern: bytes, *, utf8: bool) -> Callable[[bytes], bool]:
    """Whether a whole path matches. Raises ValueError, in words, for a pattern that find refuses too."""
    if utf8:
        matches = re.compile(_Translator(pattern.decode("utf-8", "surrogateescape"), f"[^\n{_INVALID}]", f"[^\\w{_INVALID}]").translate())
        return lambda path: matches.fullmatch(path.decode("utf-8", "surrogateescape")) is not None
    by_byte = re.compile(_Translator(pattern.decode("latin-1"), r"[^\n]", r"\W").translate(), re.ASCII)
    return lambda path: by_byte.fullmatch(path.decode("latin-1")) is not None


class _Translator:
    def __init__(self, pattern: str, any_character: str, no_word: str) -> None:
        self._pattern = pattern
        self._any = any_character
        self._no_word = no_word
        self._at = 0
        self._out: list[str] = []
        self._open: list[tuple[int, int]] = []
        """Where in `_out` each open group begins, and its number."""
        self._groups = 0
        self._closed: set[int] = set()
        self._atom: int | None = None
        """Where in `_out` the last atom begins; None where there is nothing to repeat."""

    def translate(self) -> str:
        while self._at < len(self._pattern):
            c = self._next()
            if c == "\\":
                self._escape()
            elif c in "*+?" and self._atom is not None:
                self._out[self._atom :] = ["(?:" + "".join(self._out[self._atom :]) + ")" + c]
            elif c == "^" and self._begins():
                self._anchor(r"\A")
            elif c == "$" and self._ends():
                self._anchor(r"\Z")
            elif c == "[":
                self._literal(self._set())
            else:
                self._literal(self._any if c == "." else re.escape(c))
        if self._open:
            raise ValueError(r"a `\(` has no `\)`")
        return "".join(self._out)

    def _escape(self) -> None:
        if self._at == len(self._pattern):
            raise ValueError("it ends in a backslash")
        c = self._next()
        if c == "(":
            self._groups += 1
            self._open.append((len(self._out), self._groups))
            self._anchor("(")
        elif c == ")":
            if not self._open:
                raise ValueError(r"a `\)` has no `\(`")
            begin, number = self._open.pop()
            self._closed.add(number)
            self._out[begin:] = ["".join(self._out[begin:]) + ")"]
            self._atom = begin
        elif c == "|":
            self._anchor("|")
        elif c in _ANCHORS:
            self._anchor(_ANCHORS[c])
        elif c in "123456789":
            if int(c) not in self._closed:
                raise ValueError(f"`\\{c}` refers to a group that there is not")
            self._literal(f"(?:\\{c})")
        else:
            self._literal({"w": r"\w", "W": self._no_word, "s": r"\s", "S": f"[^\\s{_INVALID}]"}.get(c) or re.escape(c))

    def _literal(self, text: str) -> None:
        self._atom = len(self._out)
        self._out.append(text)

    def _anchor(self, text: str) -> None:
        self._out.append(text)
        self._atom = None

    def _begins(self) -> bool:
        return self._at == 1 or self._pattern[: self._at - 1].endswith((r"\(", r"\|"))

    def _ends(self) -> bool:
        return self._at == len(self._pattern) or self._pattern.startswith((r"\)", r"\|"), self._at)

    def _set(self) -> str:
        negated = self._peek() == "^"
        self._at += negated
        items: list[str] = []
        while self._peek() != "]" or not items:
            low = self._element()
            if self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._element()
                items.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
            else:
                items.append(re.escape(low))
        self._at += 1
        content = "".join(items)
        if negated:
            return f"[^{content}{_INVALID}]"
        return f"[{content}]" if content else "(?!)"

    def _element(self) -> str:
        c = self._next()
        delimiter = self._peek()
        if c == "[" and delimiter in (".", "="):
            end = self._pattern.find(delimiter + "]", self._at + 1)
            if end - self._at != 2:
                raise ValueError("a collating element of more than one character")
            c = self._pattern[self._at + 1]
            self._at = end + 2
        return c

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise ValueError("a `[` has no `]`")
        self._at += 1
        return self._pattern[self._at - 1]
