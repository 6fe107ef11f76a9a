"""What the settings of both sides have in common."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from fustor_core import telemetry
from fustor_core.settings import Section
from fustor_core.xdg import xdg_directory


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise ValueError("should be a lower-case letter, then lower-case letters, digits, `_` or `-`")
    return name


Name = Annotated[str, AfterValidator(_check_name)]


class Log(Section):
    """How much is said, and in which form."""

    level: telemetry.Level = "info"
    format: telemetry.Format = "auto"


def default_data(side: str) -> Path:
    """Where a side keeps its data unless it is told."""
    return xdg_directory(os.environ, "XDG_DATA_HOME", ".local/share") / side
