"""find's language: what is parsed, what is refused and in which words, what is asked of fusion, and how times are read."""

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.errors import ConfigurationError
from fustor_core.evidence import Kind
from fustor_fusion.expression import moments
from fustor_fusion.expression.arguments import Context
from fustor_fusion.expression.modes import parse_mode
from fustor_fusion.expression.parse import Words, parse, separate
from fustor_fusion.expression.plan import Filters, plan
from fustor_fusion.expression.regex import compile_regex
from fustor_fusion.expression.tree import Action, And, Comma, Constant, Do, Glob, Node, Not, Or
from fustor_fusion.replies import Entry

NOW = (1_700_000_000, 500)
CONTEXT = Context(NOW, {"root": 0, "7": 1007}.get, {"wheel": 10}.get)
A, B, C = Glob(b"a"), Glob(b"b"), Glob(b"c")


def words(text: str) -> list[bytes]:
    return [os.fsencode(word) for word in text.split()]


def tree_of(text: str) -> Node:
    return parse(words(text), CONTEXT, printing=False).root


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Constant(True)),
        ("-name a", A),
        ("-name a -name b", And((A, B))),
        ("-name a -a -name b -and -name c", And((A, B, C))),
        ("-name a -o -name b -name c", Or((A, And((B, C))))),
        ("-name a -name b -o -name c", Or((And((A, B)), C))),
        ("-name a , -name b -o -name c", Comma((A, Or((B, C))))),
        ("( -name a -o -name b ) -name c", And((Or((A, B)), C))),
        ("! -name a -name b", And((Not(A), B))),
        ("! ( -name a -o -name b )", Not(Or((A, B)))),
        ("! -not -name a", Not(Not(A))),
        ("-name -o -o -name !", Or((Glob(b"-o"), Glob(b"!")))),
    ],
)
def test_precedence(text: str, expected: Node) -> None:
    assert tree_of(text) == expected


def test_without_an_action_it_prints() -> None:
    assert parse(words("-name a -o -name b"), CONTEXT).root == And((Or((A, B)), Do(Action.PRINT)))
    assert parse(words("-name a -prune"), CONTEXT).root == And((And((A, Do(Action.PRUNE))), Do(Action.PRINT)))
    assert parse(words("-name a -print0"), CONTEXT).root == And((A, Do(Action.PRINT0)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-name", "-name needs an argument"),
        ("-name a -o", "nothing follows `-o`"),
        ("-o -name a", "nothing before `-o`"),
        ("! -a", "nothing before `-a`"),
        ("!", "nothing follows `!`"),
        ("( )", "nothing between"),
        ("(", "nothing follows `(`"),
        ("( -name a", "`(` without its `)`"),
        ("-name a )", "`)` without its `(`"),
        ("-name a b", "paths come first"),
        ("-delete", "fusion only reads"),
        ("-exec ls {} +", "nothing is run from here"),
        ("-newerma x", "times of access are not indexed"),
        ("-xtype f", "never followed"),
        ("-frob", "-frob is not taken; it is no word of find"),
        ("-maxdepth -1", "-maxdepth -1: it takes a whole number"),
        ("-links 1.5", "-links 1.5: it takes a whole number"),
        ("-uid +-1", "it takes a whole number"),
        ("-uid ²", "it takes a whole number"),
        (f"-uid {'9' * 5000}", "it takes a whole number"),
        (f"-size {'9' * 5000}k", "it takes a number and one of"),
        ("-inum 99999999999999999999", "it takes a whole number"),
        ("-size k", "it takes a number and one of"),
        ("-type fd", "with commas between"),
        ("-type f,f", "with commas between"),
        ("-mtime x", "it takes a number"),
        ("-mtime 1e999", "it takes a number"),
        ("-perm 999", "it takes a mode"),
        ("-perm u", "it takes a mode"),
        ("-perm 17777", "it takes a mode"),
        ("-user nobody-here", "a name that this machine knows"),
        ("-user -1", "a name that this machine knows"),
        ("-newermt garbage", "it takes a time such as"),
        ("-regex [", "a `[` has no `]`"),
        ("-regex \\(a", "has no `\\)`"),
        ("-regex a\\1", "refers to a group"),
        ("-printf %q", "there is no directive `%q`"),
        ("-printf %A@", "times of access"),
        ("-printf %Tq", "`%Tq` is no form of a time"),
        ("-printf \\q", "there is no escape"),
        ("-printf %", "ends in `%`"),
        ("-printf %99999s", "wider than"),
    ],
)
def test_what_is_refused_is_named(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse(words(text), CONTEXT)
    assert told in str(error.value)


def test_nesting_has_an_end() -> None:
    parse(words("( " * 60 + "-name a" + " )" * 60), CONTEXT)
    for text in ("! " * 5000 + "-name a", "( " * 5000 + "-name a" + " )" * 5000):
        with pytest.raises(ConfigurationError, match="nested more than"):
            parse(words(text), CONTEXT)


def test_a_long_chain_is_no_nesting() -> None:
    parse(words("-name a " + "-o -name b " * 5000), CONTEXT)


OPTIONS = {b"--url": True, b"--json": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Words([], [], [])),
        ("a b -name c", Words([], [b"a", b"b"], [b"-name", b"c"])),
        ("--json a -name c --url x", Words([b"--json", b"--url", b"x"], [b"a"], [b"-name", b"c"])),
        ("a --url=x ( -name --json )", Words([b"--url=x"], [b"a"], [b"(", b"-name", b"--json", b")"])),
        (") , - -name a", Words([], [b")", b",", b"-"], [b"-name", b"a"])),
        ("-maxdepth 1 ! -samefile x", Words([], [], [b"-maxdepth", b"1", b"!", b"-samefile", b"x"])),
        ("a --url", Words([b"--url"], [b"a"], [])),
    ],
)
def test_options_paths_and_expression_are_told_apart(text: str, expected: Words) -> None:
    assert separate(words(text), OPTIONS) == expected


REFERENCES = {b"ref": Entry("/r", "r", Kind.FILE, mtime="2024-01-01T00:00:00.000000001Z", ctime="2024-01-02T00:00:00.000000000Z")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("-name *.py", {"name": b"*.py"}),
        ("-iname *.py -type f,l", {"iname": b"*.py", "type": "file,symlink"}),
        ("-type p,s", {"type": "other"}),
        ("-size +1k", {"min_size": 1025}),
        ("-size -1k", {"max_size": 0}),
        ("-size 2k", {"min_size": 1025, "max_size": 2048}),
        ("-size 0", {"max_size": 0}),
        ("-size -0", {}),
        ("-size +99999999999G", {}),
        ("-uid 5", {"uid": 5}),
        ("-uid +5", {}),
        ("-user root", {"uid": 0}),
        ("-user 7", {"uid": 1007}),
        ("-group wheel", {}),
        ("-mmin -1", {"newer": (NOW[0] - 60, 500)}),
        ("-mmin +1", {"older": (NOW[0] - 60, 500)}),
        ("-mmin 2", {"newer": (NOW[0] - 120, 500), "older": (NOW[0] - 59, 500)}),
        ("-mtime -1", {"newer": (NOW[0] - 86_401, 500)}),
        ("-mtime +1", {"older": (NOW[0] - 2 * 86_400, 500)}),
        ("-ctime +1", {}),
        ("-newermt @5.25", {"newer": (5, 250_000_000)}),
        ("-newer ref", {"newer": (1_704_067_200, 1)}),
        ("-newermc ref", {"newer": (1_704_153_600, 0)}),
        ("-newercm ref", {}),
        ("-empty", {"empty": True}),
        ("! -empty", {}),
        ("-settled -type f", {"settled": True, "type": "file"}),
        ("! -settled", {}),
        ("-name a -o -name b", {}),
        ("( -name a -o -name b ) -type d", {"type": "dir"}),
        ("( -name a -type f )", {"name": b"a", "type": "file"}),
        ("-name a -print -type f", {"name": b"a"}),
        ("-name a -prune -o -type f", {}),
        ("-name a -type d -prune -size 0", {"name": b"a", "type": "dir"}),
        ("-print , -name a", {}),
        ("-name a -name b", {"name": b"a"}),
        ("-path */a -perm 644 -links 1", {}),
    ],
)
def test_fusion_filters_what_it_can(text: str, expected: Filters) -> None:
    made = plan(parse(words(text), CONTEXT), REFERENCES)
    assert made.filters == {"min_depth": 1, "max_depth": None, **expected}


def test_depths_and_what_must_be_learnt_first_are_in_the_plan() -> None:
    made = plan(parse(words("-maxdepth 4 -mindepth 2 ( -empty -o -name a ) -prune"), CONTEXT), {})
    assert (made.filters, made.asks_empty, made.prunes) == ({"min_depth": 2, "max_depth": 4}, True, True)
    assert not plan(parse(words("-empty"), CONTEXT), {}).asks_empty


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01", (1_704_063_600, 0)),
        ("20240101", (1_704_063_600, 0)),
        ("2024-07-01 12:30", (1_719_829_800, 0)),
        ("2024-07-01T12:30:15.123456789", (1_719_829_815, 123_456_789)),
        ("2024-07-01 12:30:15,5 +0200", (1_719_829_815, 500_000_000)),
        ("2024-07-01T10:30:15Z", (1_719_829_815, 0)),
        ("2024-07-01 10:30 UTC", (1_719_829_800, 0)),
        ("@1719829815", (1_719_829_815, 0)),
        ("@-1.5", (-2, 500_000_000)),
        ("now", NOW),
        ("3 hours ago", (NOW[0] - 3 * 3600, 500)),
        ("1 day ago", (NOW[0] - 86_400, 500)),
        ("yesterday", (NOW[0] - 86_400, 500)),
        # Three weeks before, the clocks were an hour ahead.
        ("3 weeks ago", (NOW[0] - 21 * 86_400 - 3600, 500)),
    ],
)
def test_times_as_people_write_them(text: str, expected: tuple[int, int]) -> None:
    assert moments.parse_moment(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "2024", "2024-13-01", "2024-02-30", "12:30", "2024-01-01 25:00", "@", "@x", "next week", "2024-01-01 12:30 +99"]
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller has the words
        moments.parse_moment(text, NOW)


@given(st.integers(0, 0o7777))
def test_octal_modes_are_themselves(mode: int) -> None:
    assert parse_mode(f"{mode:o}", directory=False) == mode


@pytest.mark.parametrize(
    ("text", "expected"),
    [("u=rw,go=r", 0o644), ("a+x", 0o111), ("+t", 0o1000), ("ug+s", 0o6000), ("u=rwx,g=u-w", 0o750), ("=rw", 0o666), ("u+rwx-w", 0o500)],
)
def test_symbolic_modes(text: str, expected: int) -> None:
    assert parse_mode(text, directory=False) == expected


def test_capital_x_is_for_directories() -> None:
    assert (parse_mode("a=rX", directory=False), parse_mode("a=rX", directory=True)) == (0o444, 0o555)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        (rb".*\.\(c\|h\)", b"./a.c", b"./a.cc"),
        (rb"a+b?", b"aaab", b"b"),
        (rb"\(a\)\1", b"aa", b"a"),
        (rb"*a", b"*a", b"a"),
        (rb"a\+", b"a+", b"aa"),
        (rb"a{2}", b"a{2}", b"aa"),
        (rb"^a$", b"a", b"^a$"),
        (rb"x^a", b"x^a", b"xa"),
        (rb"[]a-c]*", b"]abc", b"d"),
        (rb"[\]", b"\\", b"]"),
        (rb"\<a\> b", b"a b", b"ab"),
        (b".", "é".encode(), b"\xff"),
        (b"[^a]", b"\n", b"\xff"),
        (rb"\W", b"-", b"a"),
    ],
)
def test_regular_expressions(pattern: bytes, matching: bytes, other: bytes) -> None:
    matches = compile_regex(pattern, utf8=True)
    assert matches(matching)
    assert not matches(other)
