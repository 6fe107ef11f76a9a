"""Imports go one way (DESIGN §8): core knows neither side, no side the other, pure modules no I/O, and adapters not one another."""

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("fustor_core", "fustor_agent", "fustor_fusion")

# A name stands for the module and for all below it, whether it exists yet or not.
PURE = (
    "fustor_core.digest",
    "fustor_core.errors",
    "fustor_core.evidence",
    "fustor_core.glob_tokens",
    "fustor_core.globs",
    "fustor_core.paths",
    "fustor_core.printable",
    "fustor_core.settings_faults",
    "fustor_core.settings_keys",
    "fustor_core.state.errors",
    "fustor_core.state.projection",
    "fustor_core.state.step",
    "fustor_core.state.tables",
    "fustor_core.state.vocabulary",
    "fustor_core.times",
    "fustor_core.wire",
    "fustor_agent.outbox",
    "fustor_agent.session.outgoing",
    "fustor_agent.audit.plan",
    "fustor_agent.audit.share",
    "fustor_agent.reading.pace",
    "fustor_agent.parallelism",
    "fustor_agent.phases",
    "fustor_agent.audit.same",
    "fustor_agent.sources.fs.places",
    "fustor_agent.sources.fs.writes",
    "fustor_agent.session.walks",
    "fustor_agent.noticing.writing",
    "fustor_agent.noticing.young",
    "fustor_fusion.api.openapi",
    "fustor_fusion.api.operations",
    "fustor_fusion.sessions.contradictions",
    "fustor_fusion.merge",
    "fustor_fusion.pipe_replies",
    "fustor_fusion.query",
    "fustor_fusion.settling",
    "fustor_fusion.sessions.writing",
    "fustor_fusion.replies",
    "fustor_fusion.trust",
    "fustor_fusion.verify",
    "fustor_fusion.views",
)
IMPURE = {"aiohttp", "asyncio", "fcntl", "ctypes", "http", "os", "random", "selectors", "signal"}
IMPURE |= {"socket", "sqlite3", "subprocess", "tempfile", "threading", "time", "uvloop"}

# Each module of these packages is an adapter, except what the adapters of a package share: that knows no outside library.
ADAPTERS = ("fustor_agent.sources", "fustor_agent.senders", "fustor_fusion.receivers", "fustor_fusion.stores", "fustor_fusion.api")
SHARED = (
    "fustor_fusion.receivers.looking_again",
    "fustor_fusion.receivers.session",
    "fustor_fusion.stores.answers",
    "fustor_fusion.stores.cursors",
    "fustor_fusion.stores.reading",
)
OUTSIDE = {"aiohttp", "http", "redis", "socket", "sqlite3"}
COMPOSERS = ("fustor_agent.app", "fustor_fusion.app")


def is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def adapter_of(module: str) -> str | None:
    """The adapter that a module belongs to: `fustor_fusion.stores.sqlite` for it, for all below it, and for `sqlite_tree` beside it.

    The ports that adapters fit, which everybody may name, are in the package itself or in its `ports`. The API is one adapter as a whole.
    """
    for package in ADAPTERS:
        if not module.startswith(f"{package}.") or module in SHARED or module == f"{package}.ports":
            continue
        first = module.removeprefix(f"{package}.").split(".")[0].split("_")[0]
        return package if package == "fustor_fusion.api" else f"{package}.{first}"
    return None


def imports_of(module: str, source: str, modules: Container[str], *, is_package: bool = False) -> Iterator[str]:
    """Every module that the source imports: relative ones, those inside functions, those for type checkers, and `import_module("…")`.

    `from package import name` imports `package.name` where that is one of `modules`, else a name that the package itself defines.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: None if is_package and node.level == 1 else (1 if is_package else 0) - node.level]
                base = ".".join([*parents, base] if base else parents)
            named = {f"{base}.{alias.name}" for alias in node.names}
            yield from sorted({name if name in modules else base for name in named})
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "importlib.import_module", "__import__"):
            yield from (str(argument.value) for argument in node.args[:1] if isinstance(argument, ast.Constant))


def faults(module: str, imported: Iterable[str]) -> list[str]:
    """What the rule has against these imports."""
    side = module.partition(".")[0]
    forbidden = {"fustor_core": ("fustor_agent", "fustor_fusion"), "fustor_agent": ("fustor_fusion",), "fustor_fusion": ("fustor_agent",)}[
        side
    ]
    found = []
    for name in imported:
        own, other = adapter_of(module), adapter_of(name)
        if any(is_below(name, package) for package in forbidden):
            found.append(f"{module} imports {name}: {side} knows nothing of it")
        if any(is_below(module, pure) for pure in PURE) and name.partition(".")[0] in IMPURE:
            found.append(f"{module} imports {name}: pure modules do no I/O and know no clock")
        if module in SHARED and name.partition(".")[0] in OUTSIDE:
            found.append(f"{module} imports {name}: that is for one adapter to know")
        if other and own and own != other:
            found.append(f"{module} imports {name}: adapters do not know one another")
        if other and not own and module not in COMPOSERS:
            found.append(f"{module} imports {name}: only app.py names concrete adapters")
    return found


def sources() -> Mapping[str, Path]:
    """Every module of the three packages and its file."""
    files = [file for package in PACKAGES for file in sorted((CHECKOUT / package).rglob("*.py"))]
    return {".".join(file.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


MODULES = sources()
SYNTHETIC = {"fustor_fusion.client", "fustor_agent.senders.websocket", "fustor_fusion.stores.sqlite", "fustor_fusion.stores.memory"}
SYNTHETIC |= {"fustor_agent.sources.fs.walk", "fustor_fusion.api.routes", "fustor_fusion.api.ports"}


@pytest.mark.parametrize(("module", "file"), MODULES.items())
def test_imports_go_one_way(module: str, file: Path) -> None:
    assert faults(module, imports_of(module, file.read_text("utf-8"), MODULES, is_package=file.name == "__init__.py")) == []


def says_it_is_pure(source: str) -> bool:
    """Whether the docstring of a module promises that it does no I/O."""
    return re.search(r"\bPure\b|: pure\b", ast.get_docstring(ast.parse(source)) or "") is not None


@pytest.mark.parametrize(("module", "file"), [each for each in MODULES.items() if says_it_is_pure(each[1].read_text("utf-8"))])
def test_a_module_that_says_it_is_pure_is(module: str, file: Path) -> None:
    imported = imports_of(module, file.read_text("utf-8"), MODULES, is_package=file.name == "__init__.py")
    assert [name for name in imported if name.partition(".")[0] in IMPURE] == []


def test_all_three_packages_are_looked_at() -> None:
    assert {module.partition(".")[0] for module in MODULES} == set(PACKAGES)
    assert "fustor_core.settings" in MODULES


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fustor_core.pipe", "import fustor_agent"),
        ("fustor_core.pipe", "def late():\n    from fustor_fusion.client import Client"),
        ("fustor_core.pipe", "from importlib import import_module\nimport_module('fustor_fusion.app')"),
        ("fustor_agent.app", "from fustor_fusion import client"),
        ("fustor_fusion.app", "if TYPE_CHECKING:\n    from fustor_agent.outbox import Outbox"),
        ("fustor_core.evidence", "import time"),
        ("fustor_core.wire", "from os.path import join"),
        ("fustor_core.state.tables", "import asyncio.locks as locks"),
        ("fustor_agent.outbox", "import aiohttp"),
        ("fustor_fusion.merge", "import sqlite3"),
        ("fustor_fusion.merge.rules", "import socket"),
        ("fustor_agent.sources.fs", "from fustor_agent.senders.websocket import Sender"),
        ("fustor_agent.sources.fs", "from ..senders import websocket"),
        ("fustor_agent.sources.fs.walk", "from fustor_agent.sources.s3 import Bucket"),
        ("fustor_fusion.stores.sqlite", "from . import memory"),
        ("fustor_fusion.api.routes", "from fustor_fusion.stores.sqlite import SqliteStore"),
        ("fustor_fusion.receivers.websocket", "from fustor_fusion.api.routes import routes"),
        ("fustor_fusion.stores.reading", "from fustor_fusion.stores.sqlite import SqliteStore"),
        ("fustor_fusion.stores.reading", "import sqlite3"),
        ("fustor_fusion.sessions.table", "from fustor_fusion.stores import sqlite"),
        ("fustor_agent.cli", "import fustor_agent.sources.fs"),
    ],
)
def test_the_rule_finds_what_breaks_it(module: str, source: str) -> None:
    assert faults(module, imports_of(module, source, SYNTHETIC))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fustor_fusion.app", "from fustor_fusion.stores.sqlite import SqliteStore\nfrom fustor_fusion.api import routes"),
        ("fustor_fusion.sessions.table", "from fustor_fusion.stores import RootStore"),
        (
            "fustor_fusion.stores.sqlite",
            "import sqlite3\nfrom fustor_fusion.stores import RootStore\nfrom fustor_fusion.merge import applied",
        ),
        ("fustor_fusion.stores.sqlite", "from fustor_fusion.stores.reading import Reading"),
        ("fustor_fusion.stores.sqlite_tree", "from fustor_fusion.stores.sqlite import schema"),
        ("fustor_fusion.roots.root", "from fustor_fusion.api.ports import Roots"),
        ("fustor_agent.sources.fs.watch", "from . import walk\nfrom fustor_agent.sources.fs.walk import Walk\nimport os"),
        ("fustor_fusion.api.routes", "from fustor_core.http.problems import Problem"),
        ("fustor_core.clock", "import time"),
        ("fustor_core.evidence", "import timeit_like_name"),
        ("fustor_core.pipe", "import fustor_agents"),
    ],
)
def test_the_rule_lets_pass_what_keeps_it(module: str, source: str) -> None:
    assert faults(module, imports_of(module, source, SYNTHETIC)) == []


def test_relative_imports_are_resolved() -> None:
    source = "from . import sqlite\nfrom . import Store\nfrom ..merge import rule"
    assert list(imports_of("fustor_fusion.stores", source, SYNTHETIC, is_package=True)) == [
        "fustor_fusion.stores.sqlite",
        "fustor_fusion.stores",
        "fustor_fusion.merge",
    ]
