"""Shell patterns on bytes, as GNU find's -name and -path match them with glibc's fnmatch and no flags.

`*` is any run, `?` one character, `[…]` one of a set (`!` or `^` negates; ranges in code point order; classes such as `[:digit:]`), a
backslash takes the next character as it is. No character is special in what is matched: `*` takes a leading period, and `/` in a path.

What one character is follows glibc in a UTF-8 locale: where pattern and text are both UTF-8, they match if they do so character by
character, or else byte by byte (so `é` matches `?` and `??` alike); where either is not UTF-8, they are compared byte by byte. In any
other locale (`utf8=False`) it is bytes always. Malformed patterns go with glibc too: an unterminated `[` is that character, a backslash
at the end matches nothing.

Two limits: sequences beyond U+10FFFF, which glibc takes as characters, are bytes here; and among the classes `alpha`, `alnum` and
`punct`, combining marks and symbols that Unicode calls alphabetic (vowel signs, circled letters) are no letters here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from fustor_core.glob_tokens import ANY, RUN, MatchesNothing, Token, matcher, tokens

Matcher = Callable[[bytes], bool]


class Literal(Enum):
    """Where the text of a `Prefilter` stands in whatever the pattern matches."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    INFIX = "infix"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Prefilter:
    """A literal that every match has at a known place. With `sufficient`, whatever has it there is a match."""

    kind: Literal
    text: bytes
    sufficient: bool


def compile(pattern: bytes, *, ignore_case: bool = False, utf8: bool = True) -> Matcher:  # noqa: A001 - read as globs.compile
    """Whether a name or a path matches `pattern`, as a function of its bytes. `utf8`: whether the characters of the locale are UTF-8."""
    literal = prefilter(pattern, ignore_case=ignore_case)
    if literal.sufficient:
        return _plain(literal)
    by_byte = matcher(pattern.decode("latin-1"), ignore_case=ignore_case, wide=False)
    try:
        text = pattern.decode() if utf8 else None
    except UnicodeDecodeError:
        text = None
    if text is None:
        return lambda name: by_byte(name.decode("latin-1"))
    by_character = matcher(text, ignore_case=ignore_case, wide=True)
    same_in_ascii = text.isascii()

    def matches(name: bytes) -> bool:
        try:
            characters = name.decode()
        except UnicodeDecodeError:
            return by_byte(name.decode("latin-1"))
        if by_character(characters):
            return True
        return not (same_in_ascii and characters.isascii()) and by_byte(name.decode("latin-1"))

    return matches


def prefilter(pattern: bytes, *, ignore_case: bool = False) -> Prefilter:
    """The most useful literal that all matches of `pattern` have, byte for byte: for an index to look up before anything is matched.

    With `ignore_case` only characters without case make up literals.
    """
    try:
        parsed = tokens(pattern.decode("latin-1"))
    except MatchesNothing:
        return Prefilter(Literal.NONE, b"", sufficient=False)
    if b"[" in pattern and not pattern.isascii():
        # A set may end elsewhere when it is read as characters: only what stands before the first is sure.
        parsed = [*tokens(pattern[: pattern.index(b"[")].decode("latin-1")), ANY, RUN] if b"\\" not in pattern else [RUN, ANY]
    runs, loose = _runs(parsed, ignore_case=ignore_case)
    if len(runs) == 1:
        return Prefilter(Literal.EXACT, runs[0], sufficient=True)
    places = (Literal.PREFIX, runs[0]), (Literal.SUFFIX, runs[-1]), (Literal.INFIX, max(runs, key=len))
    kind, text = next(((kind, text) for kind, text in places if text), (Literal.NONE, b""))
    return Prefilter(kind, text, sufficient=loose and sum(map(bool, runs)) <= 1)


def _runs(parsed: list[Token], *, ignore_case: bool) -> tuple[list[bytes], bool]:
    """The literal runs between wildcards (empty where two wildcards meet), and whether all those wildcards are `*`."""
    runs, loose = [""], True
    for token in parsed:
        if isinstance(token, str) and not (ignore_case and (token.isalpha() or not token.isascii())):
            runs[-1] += token
        else:
            loose = loose and token is RUN
            runs.append("")
    return [run.encode("latin-1") for run in runs], loose


def _plain(literal: Prefilter) -> Matcher:
    """The match of a pattern that is no more than its literal."""
    text = literal.text
    match literal.kind:
        case Literal.EXACT:
            return text.__eq__
        case Literal.PREFIX:
            return lambda name: name.startswith(text)
        case Literal.SUFFIX:
            return lambda name: name.endswith(text)
        case Literal.INFIX:
            return lambda name: text in name
        case Literal.NONE:
            return lambda _: True
