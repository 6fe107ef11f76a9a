"""An agent that reaches fusion over a network sends what it has to say compressed; on the same machine it does not."""

from tests.e2e.at_rest import check_at_rest
from tests.e2e.system import KEY, System
from tests.polling import eventually

FAR = "127.0.0.2"
"""An address of this machine that the agent takes for one of another."""


def test_what_is_compressed_arrives_as_it_was_said(system: System) -> None:
    """Large frames and small ones, by turns."""
    system.fusion_extra = {"listen": {"host": "0.0.0.0", "port": system.port, "names": [FAR]}}
    system.agent_extra = {"fusion": {"url": f"http://{FAR}:{system.port}", "key": KEY}}
    for number in range(20):
        directory = system.root / f"d{number}"
        directory.mkdir()
        for each in range(100):
            (directory / f"file {each} of {number}").write_bytes(b"x" * each)
    system.start()
    system.wait_complete()
    for number in range(20):
        (system.root / f"d{number}" / "single").write_bytes(b"y" * number)
        eventually(lambda: system.query("stat", system.mount(b"d%d/single" % number))["data"]["size"] == number)  # noqa: B023 - called at once
        for each in range(50):
            (system.root / f"d{number}" / f"file {each} of {number}").unlink()
    check_at_rest(system, set())
    assert "malformed" not in (system.directory / "fusion.log").read_text()
    assert system.states().count("RUNNING | RECONNECTING") == 0
