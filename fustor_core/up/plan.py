"""What `fustor up` decides: names of roots, and the settings of both sides. Nothing here touches the machine."""

import hashlib
import os
import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fustor_core.errors import ConfigurationError
from fustor_core.printable import escaped

HOST: Final = "127.0.0.1"


@dataclass(frozen=True)
class Plan:
    """One run of `fustor up`: the roots by name, where its data is, and who listens where."""

    roots: Mapping[str, bytes]
    data: str
    port: int
    agent_port: int
    agent_id: str
    key: str | None
    log_level: str | None = None

    @property
    def url(self) -> str:
        """Where fusion answers."""
        return f"http://{HOST}:{self.port}"


def fold(name: str, *, otherwise: str) -> str:
    """The name in the letters that names may have, `[a-z][a-z0-9_-]*`; where none of them are left, `otherwise`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    folded = re.sub(r"[^a-z0-9_]+", "-", plain).strip("-_")
    if not folded:
        return otherwise
    return folded if folded[0].isalpha() else f"{otherwise}-{folded}"


def name_roots(paths: Sequence[bytes], known: Mapping[str, bytes]) -> dict[str, bytes]:
    """A root name for each path: the one it has in `known`, else its last component, folded and made distinct by a number.

    A name in `known` stays with its path for good: given to another tree, it would look as if all of the first had been deleted.
    """
    names = {path: name for name, path in known.items()}
    taken = set(known)
    for path in paths:
        if path not in names:
            names[path] = _distinct(fold(os.fsdecode(os.path.basename(path)), otherwise="root"), taken)
            taken.add(names[path])
    return {names[path]: path for path in paths}


def _distinct(name: str, taken: set[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def exclusion(root: bytes, data: bytes) -> str | None:
    """The pattern that keeps the data directory out of a root that holds it; None for a root that does not.

    Both paths are real. Raises ConfigurationError for a root that lies in the data directory: each commit would be a change to report.
    """
    if _is_in(root, data):
        raise ConfigurationError(f"{escaped(root)}: lies in the data directory {escaped(data)}; choose another with --data")
    if not _is_in(data, root):
        return None
    relative = os.fsdecode(os.path.relpath(data, root))
    return "/" + re.sub(r"([\\*?\[\] !#])", r"\\\1", relative) + "/"


def _is_in(path: bytes, directory: bytes) -> bool:
    return os.path.commonpath((path, directory)) == directory


def fusion_settings(plan: Plan) -> dict[str, Any]:
    """The content of fusion's settings file: one key that may do everything, or none where it is open."""
    settings: dict[str, Any] = {
        "listen": {"host": HOST, "port": plan.port},
        "data": f"{plan.data}/fusion",
        "views": {"default": {}},
        **_log(plan),
    }
    if plan.key is None:
        return settings | {"open": True}
    return settings | {"keys": [{"name": "up", "hash": key_hash(plan.key), "scopes": ["push:*", "read:*", "operate", "metrics"]}]}


def agent_settings(plan: Plan, excludes: Mapping[str, str]) -> dict[str, Any]:
    """The content of the agent's settings file: a pipe for each root, with the root's name; `excludes` has patterns by root."""
    pipes: dict[str, Any] = {}
    for name, path in plan.roots.items():
        source: dict[str, Any] = {"type": "fs", "path": os.fsdecode(path)}
        if name in excludes:
            source["exclude"] = [excludes[name]]
        pipes[name] = {"source": source, "root": name}
    return {
        "id": plan.agent_id,
        "data": f"{plan.data}/agent",
        "listen": {"host": HOST, "port": plan.agent_port},
        "fusion": {"url": plan.url} if plan.key is None else {"url": plan.url, "key_file": f"{plan.data}/key"},
        "pipes": pipes,
        **_log(plan),
    }


def _log(plan: Plan) -> dict[str, Any]:
    return {} if plan.log_level is None else {"log": {"level": plan.log_level}}


def roots_note(known: Mapping[str, bytes], roots: Mapping[str, bytes]) -> dict[str, Any]:
    """What is noted of the names that were given, for `name_roots` of the next run."""
    return {name: os.fsdecode(path) for name, path in {**known, **roots}.items()}


def key_hash(key: str) -> str:
    """The key as it may lie on a disk. A key is random, so a plain digest cannot be guessed back."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def announcement(plan: Plan, program: str) -> str:
    """The address, and the first questions to ask."""
    path = next(iter(plan.roots.values()))
    try:
        shown = shlex.quote(path.decode()) if path.decode().isprintable() else f"$'{_in_ansi_c_quotes(path)}'"
    except UnicodeDecodeError:
        shown = f"$'{_in_ansi_c_quotes(path)}'"
    roots = "".join(f"  /{name}  {escaped(held)}\n" for name, held in plan.roots.items())
    hints = "".join(f"  {shlex.quote(program)} {question}\n" for question in (f"ls {shown}", f"du -h {shown}", "status"))
    return f"Fustor answers at {plan.url}\n{roots}Try, in another terminal:\n{hints}Ctrl-C stops it."


def _in_ansi_c_quotes(path: bytes) -> str:
    """The bytes as bash and zsh take them between `$'` and `'`."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in path)
