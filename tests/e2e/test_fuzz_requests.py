"""Mutated HTTP requests, as bytes on a socket: each is answered with words or closed, never with a failure, and fusion goes on.

10,000 of them with FUSTOR_FUZZ=10000 or more.
"""

import json
import os
import random
import re
import socket

import pytest

from tests.e2e.system import KEY, System

REQUESTS = min(int(os.environ.get("FUSTOR_FUZZ", "800")), 20_000)
MOST_GROWTH = 16 << 20
QUERIES = ["stat", "list", "find", "usage", "roots", "refresh", "verify"]
PIECES = [
    b"%", b"%zz", b"%00", b"%2e%2e/", b"\0", b"\xff\xfe", b" ", b"\r\n", b"\n", b"&", b"=", b"?", b"#", b"..", b"//", b"%2F" * 40,
    b"A" * 5_000, b"\xf0\x9f\x92\xa9", b"path=", b"&path=/", b"&limit=-1", b"&limit=99999999999999999999", b"&after=AAAA", b"&name=[",
    b"&newer=yesterday", b"&type=x", b"&min_size=1e9", b"&sample=0", b"&all=perhaps", b"%ed%a0%80", b";", b"'", b"\"", b"{", b"<script>",
]  # fmt: skip
PLAIN = [piece for piece in PIECES if piece.isascii() and piece.decode().isprintable() and b" " not in piece]
METHODS = [b"GET", b"GET", b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"get", b"G\0T", b"", b"X" * 300]
VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/9.9", b"HTTP/", b"", b"HTTP/1.1\r\nTransfer-Encoding: chunked"]
HEADERS = [
    b"Host: evil.example", b"Content-Length: -5", b"Content-Length: 99", b"Content-Length: 9\r\nContent-Length: 3", b"X: " + b"y" * 20_000,
    b"Transfer-Encoding: chunked", b"Connection: upgrade\r\nUpgrade: websocket", b"Origin: http://evil.example", b": no name", b"A\0B: c",
    b"Authorization: Bearer \xff\xff", b"Expect: 100-continue", b"Cookie: " + b"a=b;" * 500, b"Range: bytes=0-1", b"Accept-Encoding: \0",
]  # fmt: skip


def request(rng: random.Random) -> bytes:
    """A request that is wrong in some way, or in none."""
    query = rng.choice(QUERIES).encode()
    route = rng.choice(
        [b"/v1/views/default/" + query, b"/v1/pipes", b"/v1/sessions", b"/v1/session", b"/v1/agent", b"/livez", b"/v1/views"]
    )
    target = bytearray(route + b"?path=/data" if rng.random() < 0.8 else route)
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(target) + 1) if rng.random() < 0.4 else len(target)
        target[place : place + rng.choice([0, 0, 1, 5])] = rng.choice(PLAIN if rng.random() < 0.8 else PIECES)
    lines = [rng.choice(METHODS[:4] if rng.random() < 0.8 else METHODS) + b" " + bytes(target) + b" " + rng.choice(VERSIONS)]
    lines += [b"Host: 127.0.0.1", b"Authorization: Bearer " + KEY.encode()] if rng.random() < 0.9 else []
    lines += [rng.choice(HEADERS)] if rng.random() < 0.3 else []
    body = rng.randbytes(rng.randrange(60)) if rng.random() < 0.1 else b""
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


def answer_to(port: int, data: bytes) -> bytes:
    """The first answer; nothing if the connection is just closed, or if fusion waits for the rest of the request."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
        received = b""
        try:
            connection.sendall(data)
            while not is_whole(received, head_only=data.startswith(b"HEAD ")) and (piece := connection.recv(65_536)):
                received += piece
        except (ConnectionError, TimeoutError):
            pass  # it closes where it has seen enough
        return received


def is_whole(received: bytes, *, head_only: bool) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and (head_only or (length is not None and len(body) >= int(length[1])))


def check(data: bytes, received: bytes) -> None:
    if not received:
        return
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    assert status < 500, (data, received)
    if status >= 400 and body:
        assert b"application/problem+json" in head, (data, received)
        document = json.loads(body)
        assert document["status"] == status
        assert document["detail"], (data, received)


@pytest.mark.timeout(600)
def test_any_request_is_answered_in_words_or_closed(system: System) -> None:
    (system.root / "file").write_bytes(b"x")
    system.start()
    system.wait_complete()
    rng = random.Random(5)
    statuses = set()
    assert system.fusion is not None
    before = 0
    for number in range(REQUESTS):
        if number == REQUESTS // 3:
            before = system.fusion.memory
        data = request(rng)
        received = answer_to(system.port, data)
        check(data, received)
        statuses.add(received[9:12])
    assert {b"200", b"400", b"403", b"404", b"405"} <= statuses
    assert system.fusion.alive
    assert system.fusion.memory - before < MOST_GROWTH, "after a warm-up, memory grows no more"
    assert not [line for line in system.fusion.log_lines() if line["message"] == "a request failed"]
    system.wait_equal()
