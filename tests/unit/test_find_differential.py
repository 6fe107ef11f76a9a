"""`fustor find` evaluates expressions as GNU find does: the same output, byte for byte, over generated expressions on an awkward tree."""

import grp
import os
import pwd
import random
import re
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest

from fustor_fusion.expression.arguments import Context
from fustor_fusion.expression.parse import parse
from fustor_fusion.expression.plan import named_references
from fustor_fusion.expression.visit import Surroundings, Visit
from fustor_fusion.expression.walk import Walk
from fustor_fusion.replies import Entry
from tests.fake_fusion import entry_json, walk

TREES = 4
SEEDS = 8
EXPRESSIONS = int(os.environ.get("FUSTOR_EXPRESSIONS", "2560")) // (TREES * SEEDS)
"""For each of the trees and seeds."""
FIND = shutil.which("find") or "find"
NAMES = [
    "a",
    "A",
    "ab",
    "b.py",
    "B.PY",
    ".hidden",
    "sp ace",
    "new\nline",
    "tab\t",
    "quo'te\"",
    "back\\slash",
    "é",
    "ü",
    "-dash",
    "[x]",
    "*",
]
RAW_NAMES = [b"\xff", b"\xe9t\xe9", b"a\xffb"]


@pytest.fixture(scope="module", params=range(TREES))
def number(request: pytest.FixtureRequest) -> int:
    """Which of the trees."""
    chosen: int = request.param
    return chosen


@pytest.fixture(scope="module")
def tree(number: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """Every kind of file, name, size, mode and age, three directories deep; the present directory is above it."""
    base = os.fsencode(tmp_path_factory.mktemp("differential"))
    random.seed(7 + number)
    top = base + b"/t"
    for directory in (b"", b"/d", b"/d/dd", b"/E", b"/d/prune me", b"/empty", b"/d/\xff\xfe"):
        os.mkdir(top + directory)
        if directory == b"/empty":
            continue
        for name in random.sample([*map(os.fsencode, NAMES), *RAW_NAMES], 9):
            _make(top + directory + b"/" + name)
    os.mkdir(top + b"/d/dd/deep")
    _make(top + b"/d/one")
    os.link(top + b"/d/one", top + b"/d/two", follow_symlinks=False)
    os.chmod(top + b"/E", 0o2750)
    os.chmod(top + b"/empty", 0o1777)
    before = os.getcwd()
    os.chdir(base)
    below.cache_clear()
    yield top
    below.cache_clear()
    os.chdir(before)


def _make(path: bytes) -> None:
    kind = random.choice("fffffffflps")
    if kind == "l":
        os.symlink(random.choice([b"a", b"/nowhere", b"."]), path)
    elif kind == "p":
        os.mkfifo(path)
    elif kind == "s" and len(path) < 100:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
    else:
        with open(path, "wb") as file:
            size = random.choice([0, 0, 1, 511, 512, 513, 1023, 1024, 1025, 5000, 70_000])
            if random.random() < 0.2:
                file.truncate(size * 1000)
            else:
                file.write(b"x" * size)
        os.chmod(path, random.choice([0o644, 0o600, 0o755, 0o4755, 0o2644, 0o000, 0o777, 0o1666]))
    age = random.choice([0, 30, 90, 3500, 3700, 86_300, 86_500, 2 * 86_400 + 7000, 40 * 86_400, 300 * 86_400, -7200, -40 * 86_400])
    # Never a moment ahead: what lies in the future for one of the two would be in the past for the other, which asks the clock later.
    at = time.time_ns() - age * 10**9 - random.choice([0, 1, 123_456_789])
    moment = random.choice([at, at, at, at, -1_500_000_000, 4_102_444_800 * 10**9])
    os.utime(path, ns=(moment, moment), follow_symlinks=False)


def gnu(words: list[bytes], locale: str, zone: str) -> bytes:
    environment = {"LC_ALL": locale, "TZ": zone}
    return subprocess.run([os.fsencode(FIND), *words], env=environment, capture_output=True, check=True, cwd=os.getcwdb()).stdout


def ours(starts: list[bytes], expression: list[bytes], now: int, locale: str) -> bytes:
    """The same find on the same tree, with entries in the shape that fusion sends, in any order."""
    context = Context(divmod(now, 10**9), USERS.get, GROUPS.get, utf8=locale != "C")
    parsed = parse(expression, context)
    out: list[bytes] = []
    around = Surroundings(
        now=context.now,
        write=out.append,
        user={uid: name for name, uid in USERS.items()}.get,
        group={gid: name for name, gid in GROUPS.items()}.get,
        references={path: entry_of(path) for path in named_references(parsed)},
        is_empty=lambda visit: not os.listdir(visit.path),
        utf8=context.utf8,
    )
    walked = Walk(parsed, around)
    deepest = 99 if parsed.max_depth is None else parsed.max_depth
    for start in starts:
        visits = [Visit(entry, path, start, depth) for entry, path, depth in below(start) if depth <= deepest]
        random.shuffle(visits)
        for visit in visits:
            if visit.entry.is_directory:
                walked.scout(replace(visit))
        for visit in visits:
            walked.meet(visit)
    return b"".join(out)


USERS = {each.pw_name: each.pw_uid for each in pwd.getpwall()}
GROUPS = {each.gr_name: each.gr_gid for each in grp.getgrall()}


@cache
def below(start: bytes) -> list[tuple[Entry, bytes, int]]:
    paths = [(start, 0), *walk(start)] if stat.S_ISDIR(os.lstat(start).st_mode) else [(start, 0)]
    return [(entry_of(path), path, depth) for path, depth in paths]


def entry_of(path: bytes) -> Entry:
    return msgspec.convert(entry_json(path, os.lstat(path)), Entry)


def records(output: bytes) -> list[bytes]:
    """What was printed, without its order: each record ends in a NUL or a newline."""
    return sorted(re.split(rb"[\0\n]", output))


class Grammar:
    """Random expressions, as a person might write them and as none would."""

    def __init__(self, seed: int, tree: bytes) -> None:
        self.random = random.Random(seed)
        self.tree = tree

    def expression(self) -> list[bytes]:
        # Tests stand before actions only: GNU find's optimizer moves cheap tests over actions, and swaps the sides of a comma that do
        # nothing, against its own manual.
        words = self.alternative()
        while self.random.random() < 0.3:
            words += [self.random.choice([b"-o", b"-or"]), *self.alternative()]
        if self.random.random() < 0.1:
            words = [*self.random.choice([[b"(", *words, b")"], words]), *self.actions(), b",", *self.disjunction(1), *self.actions()]
        if self.random.random() < 0.2:
            words = [self.random.choice([b"-maxdepth", b"-mindepth"]), b"%d" % self.random.randrange(4), *words]
        return words

    def alternative(self) -> list[bytes]:
        words = self.conjunction(self.random.choice([0, 1, 1, 2, 2, 3]))
        return words + (self.actions() if self.random.random() < 0.7 else [])

    def actions(self) -> list[bytes]:
        return [word for _ in range(self.random.choice([1, 1, 1, 2])) for word in self.action()]

    def disjunction(self, depth: int) -> list[bytes]:
        words = self.conjunction(depth)
        while self.random.random() < 0.25:
            words += [self.random.choice([b"-o", b"-or"]), *self.conjunction(depth)]
        return words

    def conjunction(self, depth: int) -> list[bytes]:
        words = self.primary(depth)
        while self.random.random() < 0.45:
            words += [*self.random.choice([[], [], [b"-a"], [b"-and"]]), *self.primary(depth)]
        return words

    def primary(self, depth: int) -> list[bytes]:
        if depth and self.random.random() < 0.3:
            return [b"(", *self.disjunction(depth - 1), b")"]
        if self.random.random() < 0.2:
            return [self.random.choice([b"!", b"-not"]), *self.primary(depth)]
        return self.test()

    def action(self) -> list[bytes]:
        pick = self.random.random()
        if pick < 0.2:
            return [b"-print0"]
        if pick < 0.3:
            return [b"-print"]
        if pick < 0.45:
            return [b"-prune"]
        count = self.random.randint(1, 5)
        return [b"-printf", b"|".join(self.random.choice(FORMATS) for _ in range(count)) + b"\\0"]

    def signed(self, numbers: list[str]) -> bytes:
        return (self.random.choice(["", "+", "-"]) + self.random.choice(numbers)).encode()

    def test(self) -> list[bytes]:
        name = self.random.choice(sorted(ARGUMENTS))
        return [name.encode(), *([os.fsencode(self.random.choice(ARGUMENTS[name]))] if ARGUMENTS[name] else self.numeric(name))]

    def numeric(self, name: str) -> list[bytes]:
        match name:
            case "-size":
                return [self.signed(["0", "1", "2", "10", "100"]) + self.random.choice([b"", b"b", b"c", b"w", b"k", b"M", b"G"])]
            case "-mtime":
                return [self.signed(["0", "1", "2", "3", "0.5", "30", "41", "1e2"])]
            case "-mmin":
                return [self.signed(["0", "1", "2", "58.9", "60", "61.25", "1439", "1441", "57600"])]
            case "-ctime":
                # All of the tree has changed at one moment: what is decided by the next seconds is not the same for the two.
                return [self.random.choice([b"0", b"+0", self.signed(["1", "2", "3", "0.5", "30", "41", "1e2"])])]
            case "-cmin":
                return [self.signed(["1439", "1441", "57600"])]
            case "-links" | "-uid" | "-gid":
                return [self.signed(["0", "1", "2", "1000"])]
            case "-inum":
                return [self.signed([str(os.lstat(self.tree + b"/d").st_ino)])]
            case _:
                return []


ARGUMENTS: dict[str, list[str]] = {
    "-name": ["*", "a*", "*.py", "?", "[a-z]*", "[!a]*", ".*", "*\n*", "é", "d", "t", "*[ \t]*", "\\*", "\udcff*", "??"],
    "-iname": ["A*", "*.PY", "É", "b*"],
    "-path": ["*/d/*", "./t/*", "t*", "*/dd/*a*", "*[xé]*"],
    "-ipath": ["*/D/*", "T*"],
    "-wholename": ["*d*"],
    "-regex": [".*/a.*", ".*/d/.*", r".*\.py", r".*/\(a\|b\).*", ".*[^y]", r".*/\w+", ".*[[:alpha:]].*", "t", ".*/..?"],
    "-type": ["f", "d", "l", "f,d", "p,s", "l,p,f"],
    "-perm": [
        "644",
        "-600",
        "/111",
        "-u+s",
        "u=rw,go=r",
        "/022",
        "-1000",
        "000",
        "-000",
        "/000",
        "+x",
        "-u=rX,g=x",
        "a=rw",
        "g=u",
        "u=rwx,g=u-w",
    ],
    "-user": [pwd.getpwuid(os.getuid()).pw_name, "0", "4711"],
    "-group": [grp.getgrgid(os.getgid()).gr_name, "0"],
    "-newermt": [
        "2024-01-01",
        "yesterday",
        "2 days ago",
        "1 hour ago",
        "@0",
        "1960-01-01 12:30",
        "2090-01-01T00:00:00Z",
        "2024-02-29 10:00:00.5 +0530",
    ],
    "-newer": ["t/d/one", "t/E"],
    "-newercm": ["t/d/one"],
    "-newermc": ["t/empty"],
    "-cnewer": ["t/d/one"],
    "-empty": [],
    "-true": [],
    "-false": [],
    **{name: [] for name in ("-size", "-mtime", "-ctime", "-mmin", "-cmin", "-links", "-uid", "-gid", "-inum")},
}
FORMATS = [
    *b"%p %f %h %H %P %s %b %k %d %m %M %u %U %g %G %i %n %y %S %t %c %T@ %T+ %TY-%Tm-%Td %TT %TX %Ta %Tb %Tc %Tj %TU".split(),
    *b"%Tk %Tl %TI %TZ %Tz %TH %TM %TS %Tp %Tr %TD %TF %TR %Ts %TG %TV %Te %TC %Ty %Tw %TW %Tx %Th %TA %TB %Tg %Tu %TP".split(),
    *b"%C@ %C+ %Cx %20p %-20f. %5d %05d %+d %-4d. %#m %05m %-6m. %10M %.3M %8s %-8s. %.2s %.0f %3y %6S %25t %%".split(),
    rb"\t\n\\\101\1234\0",
    b"plain",
]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_same_output_as_find(tree: bytes, number: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    locale, zone = ("C", "C.UTF-8")[seed % 2], ("UTC", "America/New_York", "Asia/Kolkata", "<+0845>-8:45")[seed % 4]
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    grammar = Grammar(number * SEEDS + seed, tree)
    for _ in range(EXPRESSIONS):
        expression = grammar.expression()
        starts = grammar.random.choice([[b"t"], [b"./t"], [b"t/d", b"t/E"], [b"t/"], [b"."], [b"t/d/one"], [tree]])
        before = records(ours(starts, expression, time.time_ns(), locale))
        theirs = records(gnu([*starts, *expression], locale, zone))
        # It asks the clock itself, and a file may have come of age in between: then it says what we say afterwards.
        assert theirs == before or theirs == records(ours(starts, expression, time.time_ns(), locale)), (starts, expression)


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    below.cache_clear()
    yield
    time.tzset()


def test_ls_shows_what_find_shows(tree: bytes) -> None:
    # Targets of symbolic links are not indexed, so links are left out.
    expression = [b"!", b"-type", b"l", b"-ls"]
    expected = gnu([b"t", *expression], "C", os.environ.get("TZ", "UTC"))
    assert records(ours([b"t"], expression, time.time_ns(), "C")) == records(expected)


def test_paths_are_printed_as_typed(tree: bytes) -> None:
    for start in (b"t", b"t/", b"./t", b"t//", b".", b"./", b"./t/../t", tree, tree + b"/", b"t/d/", b"./t//d///"):
        expression = [b"-printf", b"[%p|%f|%h|%H|%P|%d]\\0"]
        assert records(ours([start], expression, time.time_ns(), "C")) == records(gnu([start, *expression], "C", "UTC"))


def test_directories_whose_name_is_one_letter_keep_their_slash_in_h(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "dd").mkdir()
    monkeypatch.chdir(tmp_path)
    below.cache_clear()
    for start in (b"d/", b"d//", b"dd/", b"dd//", b"./d//", b"./", b".//"):
        assert ours([start], [b"-maxdepth", b"0", b"-printf", b"%h|%f"], 0, "C") == gnu(
            [start, b"-maxdepth", b"0", b"-printf", b"%h|%f"], "C", "UTC"
        )
