"""A whole Fustor for a test: a real fusion and real agents, as processes that can be stopped, killed and started again."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_from_bytes

import yaml

from fustor_core.times import parse_instant
from tests.disk import Thing, on_disk
from tests.memory import resident
from tests.polling import eventually

KEY = "fustor-test-key"
KEY_HASH = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()
NOT_YOUNG = {"settled": {"quiet": 0}}
"""Settings of fusion by which nothing is looked at again because it changed a moment ago."""


_given: set[int] = set()


def free_port() -> int:
    """A port on which nobody listens, and another one each time: none of those that the kernel gives to outgoing connections, which other
    tests make by the thousand and of which one may have it before whoever this is for listens."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


class Problem(OSError):
    """An answer that is an error: its status and its document."""

    def __init__(self, status: int, document: Any) -> None:  # Any: JSON
        super().__init__(f"{status}: {document}")
        self.status = status
        self.document = document


def ask(method: str, port: int, target: str, headers: Mapping[str, str], patience: float = 20) -> Any:
    """The JSON of an answer; raises Problem where it is one."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=patience)) as connection:
        connection.request(method, target, headers=dict(headers))
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status >= 400:
            raise Problem(response.status, answer)
        return answer


class Process:
    """One side, as a child process; its log goes to a file."""

    def __init__(self, name: str, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        variables = {**os.environ, **(environment or {})}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True, env=variables
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = 20.0) -> int:
        """Ask it to stop; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(within)

    def wait(self, within: float) -> int:
        """Its exit code, when it has ended by itself."""
        return self._process.wait(within)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def memory(self) -> int:
        """Bytes of memory that it occupies at the moment."""
        return 1024 * resident(self.pid)

    def log_lines(self) -> list[dict[str, Any]]:
        """The lines of its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


class System:
    """One fusion and one agent with one root, at `root`; `wrapper` is put before the agent's command. Further agents may `join`."""

    def __init__(
        self,
        directory: Path,
        root: Path | None = None,
        name: str = "data",
        *,
        cross_mounts: bool = False,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.root = root or directory / name
        self.root.mkdir(exist_ok=True)
        self.name = name
        self.port, self.agent_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.fusion: Process | None = None
        self.agent: Process | None = None
        self.agent_id = "nas-1"
        self.fusion_extra: dict[str, Any] = {}
        self.agent_extra: dict[str, Any] = {}
        self.source = {"path": str(self.root), "cross_mounts": cross_mounts}
        self.wrapper = wrapper
        self.fusion_wrapper: Sequence[str] = ()
        self.module = "fustor_core.cli"
        """What both sides are run by."""
        self.environment: dict[str, dict[str, str]] = {}
        """What is in the environment of each side beside that of the test."""
        self.others: list[OtherAgent] = []

    @property
    def pipe(self) -> str:
        return f"{self.agent_id}:{self.name}"

    def start_fusion(self) -> Process:
        fusion = self.launch_fusion()
        eventually(self._answers, within=20, what="fusion answers")
        return fusion

    def launch_fusion(self) -> Process:
        """Start it, and do not wait until it answers."""
        key = {"name": "test", "hash": KEY_HASH, "scopes": ["push:*", "read:*", "operate", "metrics"]}
        # A storm that removes most of its tree is believed soon.
        own = {"listen": {"port": self.port}, "data": str(self.directory / "fusion"), "keys": [key], "guard": {"delay": 1}}
        settings = {**own, **self.fusion_extra}
        self.fusion = self.start_process("fusion", settings, self.fusion_wrapper)
        return self.fusion

    def _answers(self) -> bool:
        assert self.fusion is not None
        assert self.fusion.alive, self.fusion.log.read_text()
        return bool(self.get("/livez")["data"]["live"])

    def start_agent(self) -> Process:
        settings = {**self._agent_settings(self.agent_id, "agent", self.agent_port), **self.agent_extra}
        self.agent = self.start_process("agent", settings, self.wrapper)
        return self.agent

    def _agent_settings(self, agent_id: str, data: str, port: int) -> dict[str, Any]:
        return {
            "id": agent_id,
            "data": str(self.directory / data),
            "listen": {"port": port},
            "fusion": {"url": self.url, "key": KEY},
            "reconnect": {"first": 0.05, "most": 0.5},
            "pipes": {self.name: {"root": self.name, "source": self.source}},
        }

    def join(self, agent_id: str, *, extra: Mapping[str, Any] | None = None, wrapper: Sequence[str] = ()) -> "OtherAgent":
        """Another agent of the same root, started; `extra` are further settings, which take the place of the usual ones."""
        port = free_port()
        settings = {**self._agent_settings(agent_id, f"other-{len(self.others)}", port), **(extra or {})}
        self.others.append(OtherAgent(self, f"other-{len(self.others)}", settings, wrapper))
        self.others[-1].start()
        return self.others[-1]

    def start_process(self, side: str, settings: dict[str, Any], wrapper: Sequence[str] = (), name: str = "") -> Process:
        """Start a side with these settings; its files go by `name`, or by that of the side."""
        name = name or side
        file = self.directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(settings))
        command = [*wrapper, sys.executable, "-m", self.module, side, "run", "--config", str(file)]
        return Process(name, command, self.directory / f"{name}.log", self.environment.get(side, {}))

    def start(self) -> "System":
        self.start_fusion()
        self.start_agent()
        return self

    def end(self) -> None:
        for process in (self.agent, *(other.process for other in self.others), self.fusion):
            if process is not None and process.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGCONT)
                process.kill()

    # Asking

    def get(self, path: str, *, port: int | None = None, key: str | None = KEY) -> Any:
        """The JSON of an answer; raises Problem."""
        return ask("GET", port or self.port, path, {} if key is None else {"Authorization": f"Bearer {key}"})

    def post(self, what: str, path: bytes = b"/", **parameters: object) -> Any:
        """Have something done in the default view at `path`, a path of the view; the JSON of the answer. Raises Problem."""
        return ask("POST", self.port, self._target(what, path, parameters), {"Authorization": f"Bearer {KEY}"}, patience=120)

    def _target(self, what: str, path: bytes, parameters: Mapping[str, object]) -> str:
        more = "".join(f"&{name}={quote(str(value), safe='')}" for name, value in parameters.items())
        return f"/v1/views/default/{what}?path={quote_from_bytes(path, safe='/')}{more}"

    def query(self, what: str, path: bytes = b"/", **parameters: object) -> Any:
        """A query of the default view; `path` is a path of the view."""
        return self.get(self._target(what, path, parameters))

    def mount(self, path: bytes = b"") -> bytes:
        """The path in the view of a path in the root."""
        return b"/" + self.name.encode() + (b"/" + path if path else b"")

    def in_view(self) -> dict[bytes, Thing | None]:
        """Everything that the view has of the root, by its path there."""
        found: dict[bytes, Thing | None] = {}
        for entry in self.all_entries():
            path = base64.b64decode(entry["path_b64"]) if "path_b64" in entry else entry["path"].encode()
            found[path[len(self.mount()) + 1 :]] = to_thing(entry)
        return found

    def all_entries(self) -> Iterator[dict[str, Any]]:
        after: str | None = None
        while True:
            answer = self.query("find", self.mount(), limit=10_000, **({"after": after} if after else {}))
            yield from answer["data"]
            after = answer["meta"]["next"]
            if after is None:
                return

    def meta(self, path: bytes = b"") -> Any:
        return self.query("stat", self.mount(path))["meta"]

    def wait_complete(self, within: float = 60.0) -> None:
        eventually(lambda: self.meta()["complete"], within=within, what="the view is complete")

    def wait_equal(self, within: float = 15.0) -> None:
        """View and disk agree in every field, and the answer says that it is complete."""

        def compare() -> bool:
            disk, view = on_disk(os.fsencode(self.root)), self.in_view()
            if disk != view:
                raise AssertionError(difference(disk, view))
            return True

        eventually(compare, within=within, what="view and disk agree")

    def wait_listed_without_agent(self) -> None:
        """View and disk agree, though no agent vouches for it any more."""
        disk, view = on_disk(os.fsencode(self.root)), self.in_view()
        assert disk == view, difference(disk, view)

    def states(self, port: int | None = None, pipe: str | None = None) -> list[str]:
        """The pipe states of the agent's pipe so far, as fusion (or the agent's own port) tells them."""
        rows = self.get(f"/v1/pipes/{quote(pipe or self.pipe)}/history", port=port, key=None if port else KEY)["data"]
        return [row["pipe_state"] for row in rows]

    def state(self, pipe: str | None = None) -> str:
        return str(self.get(f"/v1/pipes/{quote(pipe or self.pipe)}")["data"]["pipe_state"])

    def roles(self) -> dict[str, str]:
        """Of the sessions of the root that stand, the part of each agent."""
        return {each["agent"]: each["role"] for each in self.get("/v1/sessions")["data"] if each["root"] == self.name}

    def root_facts(self, view: str = "default") -> Any:
        """What fusion says of the root as a whole."""
        [facts] = [each for each in self.get(f"/v1/views/{view}/roots")["data"] if each["root"] == self.name]
        return facts


class OtherAgent:
    """A further agent of a system, with an id, data and a port of its own."""

    def __init__(self, system: System, name: str, settings: dict[str, Any], wrapper: Sequence[str]) -> None:
        self._system = system
        self._name = name
        self._wrapper = wrapper
        self.settings = settings
        self.process: Process | None = None

    @property
    def id(self) -> str:
        return str(self.settings["id"])

    @property
    def pipe(self) -> str:
        return f"{self.id}:{self._system.name}"

    def start(self) -> Process:
        self.process = self._system.start_process("agent", self.settings, self._wrapper, name=self._name)
        return self.process

    def running(self) -> Process:
        """The process, which has been started."""
        assert self.process is not None
        return self.process

    def states(self) -> list[str]:
        """The states of its pipe so far, as fusion tells them."""
        return self._system.states(pipe=self.pipe)


def to_thing(entry: dict[str, Any]) -> Thing | None:
    """An entry of the API as it would be on disk; None if its attributes are not known."""
    if entry["size"] is None:
        return None
    seconds, nanoseconds = parse_instant(entry["mtime"])
    changed, changed_ns = parse_instant(entry["ctime"])
    return Thing(
        entry["type"],
        entry["size"],
        entry["allocated"],
        entry["mode"],
        entry["uid"],
        entry["gid"],
        entry["nlink"],
        int(entry["inode"]),
        seconds * 10**9 + nanoseconds,
        changed * 10**9 + changed_ns,
    )


def difference(disk: dict[bytes, Thing], view: dict[bytes, Thing | None]) -> str:
    """What differs, shortly."""
    missing, extra = sorted(disk.keys() - view.keys()), sorted(view.keys() - disk.keys())
    wrong = [(path, disk[path], view[path]) for path in sorted(disk.keys() & view.keys()) if disk[path] != view[path]]
    return f"missing {len(missing)}: {missing[:5]}; extra {len(extra)}: {extra[:5]}; wrong {len(wrong)}: {wrong[:3]}"
