"""The query commands against a fusion that answers from a real tree: what they print, and the exit codes that they end with."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from aiohttp import web
from click.testing import CliRunner

from fustor_core.cli import outcome
from tests.fake_fusion import FakeFusion, problem

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[bytes]:
        return sorted(self.out.splitlines())


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def tree(tmp_path: Path) -> bytes:
    top = tmp_path / "source"
    for directory in ("sub/deep", "empty", "other"):
        (top / directory).mkdir(parents=True)
    (top / "a.py").write_bytes(b"x" * 5000)
    (top / ".hidden").write_bytes(b"")
    (top / "sub" / "b.py").write_bytes(b"x" * 10)
    (top / "sub" / "new\nline").write_bytes(b"x" * 1234)
    (top / "sub" / "deep" / "old").write_bytes(b"old")
    os.utime(top / "sub" / "deep" / "old", ns=(0, 1_000_000_001))
    (top / "sub" / "link").symlink_to("b.py")
    os.mkfifo(top / "other" / "pipe")
    with open(os.fsencode(top) + b"/other/\xff\xfe", "wb") as file:
        file.write(b"yy")
    with open(top / "other" / "sparse", "wb") as file:
        file.truncate(1 << 20)
    os.chmod(top / "a.py", 0o4755)
    return os.fsencode(top)


@pytest.fixture
async def fusion(tree: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[FakeFusion]:
    fake = FakeFusion(tree)
    runner = web.AppRunner(fake.application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    monkeypatch.setenv("FUSTOR_URL", f"http://{host}:{port}")
    monkeypatch.setenv("FUSTOR_KEY", fake.key)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
    yield fake
    await runner.cleanup()


@pytest.fixture
def run() -> Run:
    async def in_thread(name: str, *arguments: str | bytes) -> Ran:
        return await asyncio.to_thread(_run, name, [os.fsdecode(argument) for argument in arguments])

    return in_thread


def _run(name: str, arguments: list[str]) -> Ran:
    command: click.Command = getattr(import_module(f"fustor_fusion.commands.{name}"), name)
    with CliRunner().isolation() as (out, err, _):
        code = outcome(command, arguments, name=f"fustor {name}")
        sys.stdout.flush()
        return Ran(code, out.getvalue(), err.getvalue().decode())


def output_of(*words: str | bytes) -> bytes:
    return subprocess.run(words, capture_output=True, check=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}).stdout


def gnu(*words: str | bytes) -> list[bytes]:
    return sorted(re.split(rb"[\0\n]", output_of("find", *words)))


async def test_find_prints_what_find_prints(fusion: FakeFusion, run: Run, tree: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    fusion.boot = BOOT
    monkeypatch.chdir(os.fsdecode(tree))
    expressions: list[tuple[str, ...]] = [
        (),
        ("-name", "*.py"),
        ("-type", "f", "-size", "+1k", "-print0"),
        ("-empty", "-print0"),
        ("!", "-empty", "-type", "d"),
        ("-type", "d", "-name", "sub", "-prune", "-o", "-print0"),
        ("-maxdepth", "1", "-printf", "%P %d %s %m %T@\\0"),
        ("-newermt", "2000-01-01", "-type", "f", "-print0"),
        ("!", "-newermt", "2000-01-01", "-print0"),
        ("-newer", "sub/deep/old", "-print0"),
        ("-mtime", "+1000"),
        ("(", "-name", "*.py", "-o", "-type", "p", ")", "-printf", "%p|%y\\0"),
        ("-iname", "*.PY", "-user", str(os.getuid()), "-links", "1"),
        ("-mindepth", "2", "-type", "l,p,f", "-print0"),
        ("-false",),
    ]
    for starts in ((), (".",), ("./",), ("sub", "other"), (os.fsdecode(tree),), ("sub/../sub",)):
        for expression in expressions:
            ran = await run("find", *starts, *expression)
            assert (ran.code, ran.err) == (0, ""), (starts, expression)
            assert sorted(re.split(rb"[\0\n]", ran.out)) == gnu(*starts, *expression), (starts, expression)


async def test_find_of_a_view_path(fusion: FakeFusion, run: Run) -> None:
    ran = await run("find", "/data", "-name", "*.py")
    assert ran.lines == [b"/data/a.py", b"/data/sub/b.py"]
    assert (await run("find", "/data/sub", "-maxdepth", "0")).out == b"/data/sub\n"
    assert (await run("find", "//data/sub", "-name", "b*")).out == b"//data/sub/b.py\n"
    assert (await run("find", "/", "-maxdepth", "1")).lines == [b"/", b"/data"]


async def test_find_asks_for_no_more_than_it_needs(fusion: FakeFusion, run: Run) -> None:
    await run("find", "/data", "-type", "f", "-size", "+1k", "-name", "*.py", "-maxdepth", "2")
    (asked,) = [request for request in fusion.requests if "/find?" in request]
    query = asked.partition("?")[2].split("&")
    assert set(query) == {"path=/data", "min_depth=1", "max_depth=2", "type=file", "min_size=1025", "name=%2A.py", "limit=5000"}


async def test_find_reads_all_pages(fusion: FakeFusion, run: Run, tree: bytes) -> None:
    fusion.page = 2
    assert len((await run("find", "/data", "-print0")).out.split(b"\0")) == len(output_of("find", tree, "-print0").split(b"\0"))


async def test_find_refuses_by_name(fusion: FakeFusion, run: Run) -> None:
    for words, told in (
        (("-exec", "rm", "{}", ";"), "-exec is not taken; nothing is run from here: pipe -print0 into `xargs -0`"),
        (("-atime", "3"), "-atime is not taken; times of access are not indexed"),
        (("-nonsense",), "-nonsense is not taken; it is no word of find"),
        (("-size", "3x"), "-size 3x: it takes a number and one of"),
        (("(", "-name", "a"), "there is a `(` without its `)`"),
        (("-name",), "-name needs an argument"),
        (("-name", "a", "b"), "`b` stands behind the expression"),
        (("-newermt", "soon"), "-newermt soon: it takes a time such as"),
        (("-printf", "%l"), "`%l` is not taken: targets of symbolic links are not indexed"),
    ):
        ran = await run("find", "/data", *words)
        assert ran.code == 2
        assert ran.out == b""
        assert ran.err.startswith("fustor: find")
        assert told in ran.err
        assert ran.err.count("\n") == 1
    assert not fusion.requests


async def test_find_json_streams_entries(fusion: FakeFusion, run: Run) -> None:
    document = json.loads((await run("find", "/data", "-name", "*.py", "--json")).out)
    assert {entry["path"] for entry in document["data"]} == {"/data/a.py", "/data/sub/b.py"}
    assert document["meta"]["complete"] is True
    ran = await run("find", "/data", "--json", "-print")
    assert (ran.code, "--json prints whole entries" in ran.err) == (2, True)


async def test_newer_takes_a_file_of_this_machine(fusion: FakeFusion, run: Run, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    stamp.touch()
    os.utime(stamp, ns=(0, 1_000_000_000))
    ran = await run("find", "/data/sub/deep", "-type", "f", "-newer", str(stamp))
    assert ran.out == b"/data/sub/deep/old\n"
    missing = await run("find", "/data", "-newer", str(tmp_path / "missing"))
    assert missing.code == 1


async def test_du_s_is_the_sum_of_all_sizes(fusion: FakeFusion, run: Run, tree: bytes) -> None:
    total = sum(int(size) for size in gnu(tree, "-type", "f", "-printf", "%s\\n") if size)
    assert (await run("du", "-s", "/data")).out == b"%d\t/data\n" % total
    assert (await run("du", "-sk", "/data")).out == b"%d\t/data\n" % -(-total // 1024)
    assert (await run("du", "-sc", "/data", "/data/sub")).out.splitlines()[-1] == b"%d\ttotal" % (total + 10 + 1234 + 3)


@pytest.mark.parametrize("options", [(), ("-d", "1"), ("-a",), ("-ad", "1"), ("--disk",), ("--disk", "-ad", "1"), ("-s", "--disk")])
async def test_du_adds_up_as_du_does(fusion: FakeFusion, run: Run, tree: bytes, options: tuple[str, ...]) -> None:
    ours = [line.split(b"\t", 1) for line in (await run("du", "-0", *options, "/data")).out.split(b"\0")[:-1]]
    units = ["-B1"] if "--disk" in options else ["-B1", "--apparent-size"]
    theirs = output_of("du", "-0", *units, *(word for word in options if word != "--disk"), tree)
    expected = [line.split(b"\t", 1) for line in theirs.split(b"\0")[:-1]]
    assert [name.replace(b"/data", tree, 1) for _, name in ours] == sorted((name for _, name in expected), key=_post_order)
    if "--disk" in options:
        assert {name.replace(b"/data", tree, 1): size for size, name in ours} == {name: size for size, name in expected}
    else:
        sizes = {name.replace(b"/data", tree, 1): int(size) for size, name in ours}
        files = output_of("find", tree, "-type", "f", "-print0").split(b"\0")[:-1]
        assert sizes == {
            name: sum(os.lstat(file).st_size for file in files if file == name or file.startswith(name + b"/")) for _, name in expected
        }


def _post_order(path: bytes) -> list[bytes]:
    # A byte that no name here has, and that sorts behind all of them, puts a directory behind what it holds.
    return [*path.split(b"/"), b"\xff\xff\xff"]


async def test_du_threshold_and_units(fusion: FakeFusion, run: Run) -> None:
    assert (await run("du", "-h", "-t", "1M", "/data")).out.splitlines() == [b"1.1M\t/data/other", b"1.1M\t/data"]
    assert (await run("du", "-t", "-10", "/data")).lines == [b"0\t/data/empty", b"3\t/data/sub/deep"]
    assert (await run("du", "-t", "1X", "/data")).code == 2
    assert (await run("du", "-s", "-a", "/data")).code == 2


async def test_ls_lists_names(fusion: FakeFusion, run: Run) -> None:
    assert (await run("ls", "/data")).out == b"a.py\nempty\nother\nsub\n"
    assert (await run("ls", "-a", "/data")).out == b".hidden\na.py\nempty\nother\nsub\n"
    assert (await run("ls", "-d", "/data")).out == b"/data\n"
    assert (
        await run("ls", "/data/a.py", "/data/other", "/data/empty")
    ).out == b"/data/a.py\n\n/data/empty:\n\n/data/other:\npipe\nsparse\n\xff\xfe\n"
    assert (await run("ls", "/data/sub")).out == b"b.py\ndeep\nlink\nnew\nline\n"


async def test_ls_l_is_as_ls_has_it(fusion: FakeFusion, run: Run, tree: bytes) -> None:
    ours = (await run("ls", "-lA", "/data")).out
    assert ours == output_of("ls", "-lA", tree)
    ours = (await run("ls", "-lh", "/data/other")).out
    assert ours == output_of("ls", "-lh", "--literal", tree + b"/other")


async def test_stat_shows_every_field(fusion: FakeFusion, run: Run, tree: bytes) -> None:
    found = os.lstat(tree + b"/a.py")
    text = (await run("stat", "/data/a.py")).out.decode()
    for expected in (
        "File: /data/a.py",
        "Size: 5000",
        f"Inode: {found.st_ino}",
        "(4755/-rwsr-xr-x)",
        "regular file",
        "Root: data",
        "complete",
    ):
        assert expected in text
    document = json.loads((await run("stat", "--json", "/data/a.py")).out)
    assert document["data"]["inode"] == str(found.st_ino)
    assert document["meta"]["as_of"]


async def test_stat_format_is_as_stat_has_it(fusion: FakeFusion, run: Run, tree: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    fusion.boot = BOOT
    monkeypatch.chdir(os.fsdecode(tree))
    if os.geteuid() == 0:
        os.chown("sub/b.py", 54_321, 54_322)  # whom nobody knows
    layout = "%n|%N|%s|%b|%B|%f|%F|%a|%A|%u|%U|%g|%G|%h|%i|%y|%Y|%z|%Z|%%|%10s|%-10s|%#a|%#f|%05a|%-5h.|%8n"
    for name in ("a.py", ".hidden", "sub", "sub/b.py", "sub/link", "other/pipe", "sub/new\nline", b"other/\xff\xfe"):
        # Where a symbolic link points to is not indexed, so %N has only its name.
        layout = layout.replace("%N", "%n") if name == "sub/link" else layout
        ours = (await run("stat", "-c", layout, name)).out
        assert ours == output_of("stat", "-c", layout, name)
    ran = await run("stat", "-c", "%x", "a.py")
    assert (ran.code, "%x is not taken" in ran.err) == (2, True)


async def test_one_missing_path_does_not_hide_the_others(fusion: FakeFusion, run: Run) -> None:
    for command in ("ls", "stat", "du", "find"):
        ran = await run(command, "/data/missing", "/data/sub")
        assert ran.code == 1
        assert b"sub" in ran.out or b"b.py" in ran.out
        assert re.fullmatch(r"fustor: .*/data/missing.*\n", ran.err)


async def test_a_relative_path_outside_says_what_is_indexed(
    fusion: FakeFusion, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fusion.boot = BOOT
    ran = await run("ls", ".")
    assert ran.code == 1
    assert f"{tmp_path}/source is" in ran.err


async def test_a_directory_reached_over_a_link(
    fusion: FakeFusion, run: Run, tmp_path: Path, tree: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fusion.boot = BOOT
    (tmp_path / "link").symlink_to(os.fsdecode(tree))
    monkeypatch.chdir(tmp_path / "link" / "sub")
    monkeypatch.setenv("PWD", str(tmp_path / "link" / "sub"))
    assert (await run("find", ".", "-name", "b*")).out == b"./b.py\n"
    assert (await run("find", "..", "-name", "a*")).out == b"../a.py\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--url", "ftp://x"), 2, "is no address of fusion"),
        (("--url", "http://"), 2, "is no address of fusion"),
        (("--url", "127.0.0.1:8102"), 2, "is no address of fusion"),
        (("--url", "http://127.0.0.1:1"), 3, "cannot reach fusion at http://127.0.0.1:1: "),
        (("--key", "wrong"), 2, "does not accept the key"),
        (("--key", "two words"), 2, "the key is no key"),
        (("--key", "narrow"), 4, "the key may not read this view"),
        (("--view", "other"), 2, "there is no view 'other'"),
    ],
)
async def test_errors_are_one_line(fusion: FakeFusion, run: Run, arguments: tuple[str, ...], code: int, told: str) -> None:
    for command in ("ls", "stat", "du", "find"):
        ran = await run(command, "/data", *arguments)
        assert (ran.code, ran.out) == (code, b""), ran.err
        assert told in ran.err
        assert ran.err.count("\n") == 1


async def test_answers_that_are_not_complete(fusion: FakeFusion, run: Run) -> None:
    condition = {"type": "snapshot", "since": None, "message": "snapshot 43 %", "remedy": "wait until it is done"}
    fusion.meta.update(complete=False, conditions=[condition])
    quiet = await run("ls", "/data")
    assert (quiet.code, quiet.err) == (0, "")
    told = await run("ls", "-v", "/data")
    assert told.out == quiet.out
    assert "fustor: not complete: snapshot 43 %; wait until it is done\n" in told.err
    assert (await run("ls", "--require-complete", "/data")).code == 5
    assert "snapshot 43 %" in (await run("find", "-v", "/data", "-name", "a*")).err


async def test_what_waits_outlasts_a_fusion_that_is_started_again(fusion: FakeFusion, run: Run) -> None:
    fusion.rests_lost = 2  # the client itself tries a request once more
    ran = await run("wait", "/data/a.py", "--settled")
    assert (ran.code, ran.err) == (0, "")
    assert len([each for each in fusion.requests if "/rest?" in each]) == 3


async def test_what_is_no_fusion(run: Run, fusion: FakeFusion, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def broken(_: web.Request) -> web.Response:
        return problem(503, "store-unavailable", "the disk is full")

    application = web.Application()
    application.router.add_get("/down/{rest:.*}", broken)
    application.router.add_get("/{rest:.*}", hello)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    ran = await run("ls", "/data", "--url", url)
    assert (ran.code, "is not fusion" in ran.err) == (2, True)
    ran = await run("ls", "/data", "--url", f"{url}/down")
    assert (ran.code, "the disk is full" in ran.err) == (3, True)
    await runner.cleanup()


async def test_the_client_file_s_key_is_shown_to_no_other_address(
    fusion: FakeFusion, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUSTOR_KEY")
    url = os.environ["FUSTOR_URL"]
    file = tmp_path / "no-config" / "fustor" / "client.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"url: {url}\nkey: right\n")
    assert (await run("ls", "/data")).code == 0
    monkeypatch.delenv("FUSTOR_URL")
    assert (await run("ls", "/data")).code == 0
    file.write_text("url: http://127.0.0.1:9\nkey: right\n")
    assert (await run("ls", "/data", "--url", url)).code == 2


async def test_status_has_one_word_and_one_cause(fusion: FakeFusion, run: Run) -> None:
    assert (await run("status")).out == b"no pipes yet: no agent has reported\n"
    fusion.pipes = [pipe("nas:data", 66), pipe("nas:slow", 34, walk_entries=43, walk_entries_expected=100)]
    assert (await run("status")).out == b"nas:data  live\nnas:slow  snapshot 43 %\n"
    assert "lifecycle Active" in (await run("status", "-v")).out.decode()
    assert json.loads((await run("status", "--json")).out)["data"][0]["id"] == "nas:data"


def pipe(name: str, value: int, **counters: int) -> dict[str, Any]:
    layers = {"lifecycle": "Active", "operational": "Running", "health": "Healthy", "desired": "running", "phase": ""}
    times: dict[str, Any] = {"since": "2024-02-29T12:00:00.000000000Z", "last_heartbeat": None, "version": 4, "conditions": []}
    return {"id": name, "side": "agent", "pipe_state": "RUNNING", "value": value, **layers, **times, "counters": counters}


async def test_a_reader_that_goes_away_is_no_error(fusion: FakeFusion, tree: bytes) -> None:
    for number in range(3000):
        os.mknod(tree + b"/%0200d" % number)
    fusion.page = 500
    command = (
        f"{sys.executable} -c 'from fustor_core.cli import run_command; from fustor_fusion.commands.find import find; run_command(find)'"
    )
    shell = await asyncio.create_subprocess_shell(
        f"{command} /data | head -n 1", stdout=subprocess.PIPE, stderr=subprocess.PIPE, executable="/bin/bash"
    )
    out, err = await shell.communicate()
    assert out.count(b"\n") == 1
    assert err == b""
