"""Where the files of a user belong, by the base directory specification of the XDG."""

from collections.abc import Mapping
from pathlib import Path


def xdg_directory(environ: Mapping[str, str], variable: str, default: str) -> Path:
    """Fustor's own directory below the one that the variable names; `default` is below the home directory."""
    # The specification has relative paths ignored.
    named = Path(environ.get(variable, ""))
    if named.is_absolute():
        return named / "fustor"
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / default / "fustor"
