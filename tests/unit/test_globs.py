"""Shell patterns match what GNU find's -name and -iname match, in both kinds of locale."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from fustor_core.globs import Literal, Prefilter, compile, prefilter  # noqa: A004 - the name it is known by

_NAMES = r"""
a A .a ab b z k K i I ss ß ẞ é É aéb € σ Σ ς İ ı [ ] - ! ^ \ * ? [a a] 0 _ : = [a- [!a [] [! [[b [ab x.py .py py X.PY a.b.c
"""
NAMES = [*_NAMES.split(), "a b", "a\nb", "\x01", " "]
BYTES = [b"\xff", b"a\xffb", "é".encode() + b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xa9", "\u212a".encode(), "\u00a0".encode()]

_PATTERNS = r"""
? * ?? ??? ???? a?b *a .* ?a *.py .py* *.* ** *?* x*y a*b *[!a] [a] [!a] [^a] [a-z] [z-a] [a-a] [!a-z] [a-z-9]
[]a] [!]a] [] [ [a [a- [! [[b [] []b a[ *[ [a-] [-a] [--0] [+--] [\]] [\a] [a\-z]
\* \? \\ \a a\ [\ [a\ [*] [?] [[] [[a] [!!] [^^] [a^]
[[:alpha:]] [[:digit:]] [[:alnum:]] [[:upper:]] [[:lower:]] [[:space:]] [[:blank:]] [[:punct:]] [[:print:]] [[:graph:]]
[[:cntrl:]] [[:xdigit:]] [![:alpha:]] *[[:digit:]]* [[:alpha:] [:alpha:] [[:nosuch:]] [a[:nosuch:]] [!a[:nosuch:]]
[[:ALPHA:]] [[:alpha:]-z] [[=a=]] [[=é=]] [[.a.]] [[.-.]] [[.ab.]] [[.a.]-[.z.]] [a-[.z.]] [[=ab=]]
é [é] [!é] [à-ÿ] é? ?é É ß k K [K] [A-Z] [Y-b] [[=K=]] [[.K.]] [[.A.]-[.Z.]] i İ σ ς [!a-z] \K [\K] [é-z]* X.py
"""
PATTERNS = list(map(os.fsencode, _PATTERNS.split()))
BYTE_PATTERNS = [b"*\xff", b"\xff*", b"[\xff]", b"*\xa9", b"\xc3*", b"*[\xa9]", b"[!\xa9]", b"[a-\xff]", b"?\xff?", b"a\nb", b"a b"]

FIND = shutil.which("find") or "find"
LOCALES = pytest.mark.parametrize("locale", ["C", "C.UTF-8"])


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    path = tmp_path_factory.mktemp("names")
    names = [os.fsencode(name) for name in NAMES] + BYTES
    for name in names:
        Path(path, os.fsdecode(name)).touch()
    return path, os.listdir(os.fsencode(path))


def found_by_find(tree: Path, locale: str, test: str, patterns: list[bytes]) -> list[set[bytes]]:
    """What find's `test` matches, for each pattern: one process for all of them."""
    command = [os.fsencode(FIND), os.fsencode(tree), b"-mindepth", b"1"]
    for number, pattern in enumerate(patterns):
        command += [b",", b"("] if number else [b"("]
        command += [test.encode(), pattern, b"-printf", b"%d %%f\\0" % number, b")"]
    output = subprocess.run(command, env={"LC_ALL": locale}, check=True, capture_output=True).stdout
    found: list[set[bytes]] = [set() for _ in patterns]
    for line in output.split(b"\0")[:-1]:
        which, _, name = line.partition(b" ")
        found[int(which)].add(name)
    return found


def random_patterns(count: int) -> list[bytes]:
    random.seed(20)
    parts = [*"*?[]!^-abAz\\.:=", "[:alpha:]", "[:upper:]", "[!a]", "[a-b]", "[[:punct:]]", "*a", "é", "É", "[.b.]"]
    pieces = [os.fsencode(part) for part in parts] + [b"\xff", b"\xc3"]
    return [b"".join(random.choices(pieces, k=random.randint(1, 5))) for _ in range(count)]


@LOCALES
@pytest.mark.parametrize("test", ["-name", "-iname"])
@pytest.mark.parametrize("patterns", [PATTERNS + BYTE_PATTERNS, random_patterns(1000)], ids=["table", "random"])
def test_the_same_as_find(tree: tuple[Path, list[bytes]], locale: str, test: str, patterns: list[bytes]) -> None:
    path, names = tree
    for pattern, expected in zip(patterns, found_by_find(path, locale, test, patterns), strict=True):
        ignore_case = test == "-iname"
        matches = compile(pattern, ignore_case=ignore_case, utf8=locale != "C")
        assert {name for name in names if matches(name)} == expected, (locale, test, pattern)
        literal = prefilter(pattern, ignore_case=ignore_case)
        holds = {name for name in names if _holds(literal, name)}
        assert holds == expected if literal.sufficient else holds >= expected, (locale, test, pattern, literal)


def _holds(literal: Prefilter, name: bytes) -> bool:
    return {
        Literal.EXACT: name == literal.text,
        Literal.PREFIX: name.startswith(literal.text),
        Literal.SUFFIX: name.endswith(literal.text),
        Literal.INFIX: literal.text in name,
        Literal.NONE: True,
    }[literal.kind]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"name", Prefilter(Literal.EXACT, b"name", True)),
        (b"na\\*me", Prefilter(Literal.EXACT, b"na*me", True)),
        (b"*.py", Prefilter(Literal.SUFFIX, b".py", True)),
        (b"log*", Prefilter(Literal.PREFIX, b"log", True)),
        (b"*cache*", Prefilter(Literal.INFIX, b"cache", True)),
        (b"log*.gz", Prefilter(Literal.PREFIX, b"log", False)),
        (b"?.py", Prefilter(Literal.SUFFIX, b".py", False)),
        (b"*a*ccc*bb*", Prefilter(Literal.INFIX, b"ccc", False)),
        (b"*", Prefilter(Literal.NONE, b"", True)),
        (b"?", Prefilter(Literal.NONE, b"", False)),
        (b"[ab]c", Prefilter(Literal.SUFFIX, b"c", False)),
        (b"", Prefilter(Literal.EXACT, b"", True)),
        ("é*".encode(), Prefilter(Literal.PREFIX, "é".encode(), True)),
    ],
)
def test_the_literal_that_an_index_can_look_up(pattern: bytes, expected: Prefilter) -> None:
    assert prefilter(pattern) == expected


def test_without_case_only_what_has_none_is_literal() -> None:
    assert prefilter(b"2024-*.PY", ignore_case=True) == Prefilter(Literal.PREFIX, b"2024-", False)
    assert prefilter(b"a", ignore_case=True) == Prefilter(Literal.NONE, b"", False)


def test_a_hostile_pattern_takes_no_longer_than_its_size_allows() -> None:
    name = b"a" * 4000
    assert not compile(b"*a" * 100 + b"*b*?")(name)
    assert not compile(b"*[[:alpha:]]" * 100 + b"*b*?")(name[:400])
