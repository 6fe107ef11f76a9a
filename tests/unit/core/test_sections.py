"""What the settings of both sides have in common."""

from pathlib import Path

import pytest

from fustor_core.sections import default_data


@pytest.mark.parametrize(
    ("environ", "data"),
    [
        ({"XDG_DATA_HOME": "/var/xdg"}, "/var/xdg/fustor/agent"),
        ({"XDG_DATA_HOME": "relative"}, "/home/ann/.local/share/fustor/agent"),
        ({}, "/home/ann/.local/share/fustor/agent"),
    ],
)
def test_data_lies_where_that_of_users_lies(environ: dict[str, str], data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name, value in {"HOME": "/home/ann", **environ}.items():
        monkeypatch.setenv(name, value)
    assert default_data("agent") == Path(data)
