"""A client that resets its connection in the middle of a handshake."""

import socket
import struct

from tests.e2e.system import KEY, System
from tests.polling import eventually

RESET = struct.pack("ii", 1, 0)
KEY_OF_HANDSHAKE = "dGhlIHNhbXBsZSBub25jZQ=="


def _reset_in_handshake(port: int, path: str) -> None:
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Authorization": f"Bearer {KEY}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY_OF_HANDSHAKE,
        "Sec-WebSocket-Protocol": "fustor.1",
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.sendall("\r\n".join(lines).encode())


def test_a_connection_that_is_reset_in_its_handshake_is_no_error(system: System) -> None:
    fusion = system.start_fusion()
    for path in ("/v1/session", "/v1/agent", "/v1/events"):
        for _ in range(20):
            _reset_in_handshake(system.port, path)
    eventually(lambda: system.get("/livez")["data"]["live"])
    assert [line for line in fusion.log_lines() if line["level"] == "error" or "exception" in line] == []
