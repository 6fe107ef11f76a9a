"""The client file: where `fustor up` notes its address and key, and where the query commands look for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fustor_core.errors import ConfigurationError
from fustor_core.files import read_if_there, write_private
from fustor_core.xdg import xdg_directory
from fustor_core.yaml_text import parse_mapping, write_text


@dataclass(frozen=True)
class ClientFile:
    """Where fusion answers, and the key it asks for; None where it is open."""

    url: str
    key: str | None = field(default=None, repr=False)


def client_file_path(environ: Mapping[str, str]) -> Path:
    """`$XDG_CONFIG_HOME/fustor/client.yaml`, by default below `~/.config`."""
    return xdg_directory(environ, "XDG_CONFIG_HOME", ".config") / "client.yaml"


def read_client_file(path: Path) -> ClientFile | None:
    """What the file notes; None where there is no file. Raises ConfigurationError where it cannot be read or understood."""
    text = read_if_there(path)
    if text is None:
        return None
    content = parse_mapping(text, str(path))
    for name, value in content.items():
        if name not in ("url", "key"):
            raise ConfigurationError(f'{path}: unknown key "{name}"; the file holds url and key')
        if not isinstance(value, str) and not (name == "key" and value is None):
            raise ConfigurationError(f'{path}: "{name}" should be text; put it in quotes')
    if not content.get("url"):
        raise ConfigurationError(f'{path}: "url" is missing; add it, or remove the file and start `fustor up` again')
    return ClientFile(url=content["url"], key=content.get("key") or None)


def write_client_file(path: Path, client: ClientFile) -> None:
    """Replace the file in one step, readable only by its owner. Raises ConfigurationError where it cannot be written."""
    content = {"url": client.url} if client.key is None else {"url": client.url, "key": client.key}
    write_private(path, write_text(content))
