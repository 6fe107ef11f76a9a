"""The one command finds its parts lazily, and each of its errors is one line with the right exit code."""

import errno
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from fustor_core import errors
from fustor_core.cli import COMMANDS, GROUP, InstalledCommands, fustor, outcome, run_command

LINES = {name: line for commands in COMMANDS.values() for name, line in commands.items()}
NAMES = list(LINES)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def outcome_of(body: Callable[[], object]) -> int:
    return outcome(click.Command("try", callback=body), [], name="try")


def raising(error: BaseException) -> Callable[[], object]:
    def body() -> None:
        raise error

    return body


def test_the_package_names_an_entry_point_for_each_command() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert sorted(project["entry-points"][GROUP]) == sorted(NAMES)
    assert sorted(entry_points(group=GROUP).names) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_line_in_the_overview_is_the_command_s_own(name: str) -> None:
    (entry_point,) = entry_points(group=GROUP, name=name)
    package = entry_point.module.rpartition(".")[0]
    if not find_spec(package) or not find_spec(entry_point.module):
        pytest.skip(f"{entry_point.module} does not exist")
    command = entry_point.load()
    assert isinstance(command, click.Command)
    assert command.get_short_help_str(200) == LINES[name]


def test_the_overview_groups_the_commands_and_imports_none() -> None:
    process = run(
        "import sys\n"
        "from fustor_core.cli import fustor, outcome\n"
        "code = outcome(fustor, ['--help'], name='fustor')\n"
        "heavy = {'aiohttp', 'asyncio', 'pydantic', 'rich', 'yaml', 'fustor_agent', 'fustor_fusion'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else code)\n"
    )
    assert (process.returncode, process.stderr) == (0, "")
    sections = [line for line in process.stdout.splitlines() if line in ("Run:", "Watch:", "Ask:")]
    assert sections == ["Run:", "Watch:", "Ask:"]
    assert all(f"  {name} " in process.stdout for name in NAMES)


def test_only_the_module_of_the_chosen_command_is_imported() -> None:
    process = run(
        "import sys\n"
        "from fustor_core.cli import fustor, outcome\n"
        "outcome(fustor, ['up', '--help'], name='fustor')\n"
        "others = {'aiohttp', 'pydantic', 'fustor_agent', 'fustor_fusion'} & set(sys.modules)\n"
        "sys.exit(repr(others) if others else 0)\n"
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "DIR..." in process.stdout


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(fustor, ["--version"], name="fustor") == 0
    assert capsys.readouterr().out == f"fustor {version('fustor')}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("the file is wrong; correct it"), 2),
        (errors.NoSuchPath("/a/b: no such path"), 1),
        (errors.Unreachable("nobody answers; start fusion"), 3),
        (errors.Refused("no"), 4),
        (errors.NotFreshEnough("too old"), 5),
        (errors.StoreDamaged("the file is damaged"), 2),
    ],
)
def test_an_error_of_the_family_is_one_line_and_its_exit_code(
    error: errors.FustorError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome_of(raising(error)) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"fustor: {error}\n")


def test_a_message_stays_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    outcome_of(raising(errors.NoSuchPath("a\nb\x1b[2J\udcff\\: no such path")))
    assert capsys.readouterr().err == "fustor: a\\nb\\x1b[2J\\udcff\\: no such path\n"


def test_errors_of_several_tasks_are_reported_by_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    group = BaseExceptionGroup("tasks", [ExceptionGroup("inner", [errors.Unreachable("first")]), errors.Refused("second")])
    assert outcome_of(raising(group)) == 3
    assert capsys.readouterr().err == "fustor: first\n"


def test_a_bug_is_not_dressed_up_as_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        outcome_of(lambda: 1 // 0)
    with pytest.raises(ExceptionGroup):
        outcome_of(raising(ExceptionGroup("tasks", [errors.Unreachable("x"), ZeroDivisionError()])))
    with pytest.raises(OSError, match="No space"):
        outcome_of(raising(OSError(errno.ENOSPC, "No space left on device")))


@pytest.mark.parametrize(("body", "code"), [(lambda: None, 0), (lambda: 5, 5), (lambda: click.get_current_context().exit(4), 4)])
def test_a_command_chooses_its_exit_code(body: Callable[[], object], code: int) -> None:
    assert outcome_of(body) == code


def test_an_interrupt_ends_with_130_and_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome_of(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == ""


def test_nobody_reading_the_output_is_no_error() -> None:
    writer = (
        "import click\n"
        "from fustor_core.cli import run_command\n"
        "run_command(click.Command('try', callback=lambda: [print('x' * 100) for _ in range(10000)] and None), [])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", writer], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    with process, process.stderr:
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@pytest.mark.parametrize("body", ["print('x')", "Output().write(b'x' * 100_000)"])
def test_output_for_which_there_is_no_room_is_one_line_and_ends_with_2(body: str) -> None:
    program = (
        "import click\n"
        "from fustor_core.cli import run_command\n"
        "from fustor_fusion.commands.output import Output\n"
        f"run_command(click.Command('try', callback=lambda: {body}), [])\n"
    )
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            [sys.executable, "-c", program], env=environ, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    told = "fustor: the output cannot be written: No space left on device; make room, or send it elsewhere\n"
    assert (process.returncode, process.stderr) == (2, told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fnd"], 'fustor: no such command "fnd"; did you mean "find"?; see `fustor --help`\n'),
        (["zzzzzz"], 'fustor: no such command "zzzzzz"; see `fustor --help`\n'),
        (["up"], "fustor: Missing argument 'DIR...'; see `fustor up --help`\n"),
        (
            ["pipe", "audit", "nas-1:data", "--path", ""],
            "fustor: --path is empty: name a path, or leave it out to audit everything; see `fustor pipe audit --help`\n",
        ),
        (["status", "--max-age", "10m"], "fustor: No such option '--max-age'; see `fustor status --help`\n"),
        (["pipe", "list", "--max-age", "10m"], "fustor: No such option '--max-age'; see `fustor pipe list --help`\n"),
        (["pipe", "show", "nas-1:data", "--view", "v"], "fustor: No such option '--view'; see `fustor pipe show --help`\n"),
        (["ls", "/data", "--max-age"], "fustor: Option '--max-age' requires an argument\n"),
        (["pipe", "history", "nas-1:data", "--last"], "fustor: Option '--last' requires an argument\n"),
        (["pipe", "show", "nas-1:data", "--json=yes"], "fustor: Option '--json' does not take a value\n"),
    ],
)
def test_wrong_usage_is_one_line_and_ends_with_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(fustor, arguments, name="fustor") == 2
    assert capsys.readouterr().err == message


def test_without_a_command_the_overview_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(fustor, [], name="fustor") == 2
    assert "Run:" in capsys.readouterr().err


def test_commands_of_other_packages_stand_below_our_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(InstalledCommands, "list_commands", lambda *_: [*NAMES, "extra"])
    assert outcome(fustor, ["--help"], name="fustor") == 0
    assert capsys.readouterr().out.endswith("More:\n  extra\n")


def test_running_a_command_ends_the_process() -> None:
    with pytest.raises(SystemExit) as end:
        run_command(click.Command("try", callback=lambda: 3), [])
    assert end.value.code == 3
