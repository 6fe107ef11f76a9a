"""Who may do what, and which hosts and pages may ask."""

import hashlib

import pytest

from fustor_core.errors import ConfigurationError, Forbidden, Unidentified
from fustor_core.http.hosts import Hosts, is_loopback
from fustor_fusion.authorization import (
    NOBODY,
    PUSH_ANY,
    READ_ANY,
    READ_VIEW,
    SEE_PIPES,
    Authorizer,
    Key,
    hash_key,
    new_key,
)


def key(name: str, *scopes: str) -> Key:
    return Key(name, hash_key(name), scopes)


KEYS = [
    key("agent", "push:home", "push:data"),
    key("reader", "read:default"),
    key("anything", "read:*"),
    key("ops", "operate"),
    key("prometheus", "metrics"),
    key("all", "*"),
]
AUTHORIZER = Authorizer(KEYS)


@pytest.mark.parametrize(
    ("name", "action", "subject", "allowed"),
    [
        ("agent", "push", "home", True),
        ("agent", "push", "data", True),
        ("agent", "push", "other", False),
        ("agent", "push", "", False),
        ("agent", "push", "*", False),
        ("agent", "read", "default", False),
        ("reader", "read", "default", True),
        ("reader", "read", "other", False),
        ("reader", "operate", "", False),
        ("anything", "read", "other", True),
        ("ops", "operate", "", True),
        ("ops", "metrics", "", False),
        ("ops", "read", "default", False),
        ("prometheus", "metrics", "", True),
        ("all", "push", "x", True),
        ("all", "read", "x", True),
        ("all", "operate", "", True),
        ("all", "metrics", "", True),
    ],
)
def test_scopes(name: str, action: str, subject: str, allowed: bool) -> None:
    principal = AUTHORIZER.identify(f"Bearer {name}")
    assert principal.name == name
    assert principal.may(action, subject) is allowed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("agent", {"push"}),
        ("reader", {"default", "any", "pipes"}),
        ("anything", {"default", "other", "any", "pipes"}),
        ("ops", {"pipes"}),
        ("prometheus", {"pipes"}),
        ("all", {"default", "other", "any", "push", "pipes"}),
    ],
)
def test_what_routes_need(name: str, allowed: set[str]) -> None:
    routes = {
        "default": (READ_VIEW, "default"),
        "other": (READ_VIEW, "other"),
        "any": (READ_ANY, ""),
        "push": (PUSH_ANY, ""),
        "pipes": (SEE_PIPES, ""),
    }
    for route, (needs, subject) in routes.items():
        if route in allowed:
            principal = AUTHORIZER.check(needs, f"Bearer {name}", subject)
            assert principal is not None
            assert principal.name == name
        else:
            with pytest.raises(Forbidden, match="lacks the scope"):
                AUTHORIZER.check(needs, f"Bearer {name}", subject)


def test_a_route_that_needs_nobody_asks_for_no_key() -> None:
    assert AUTHORIZER.check(NOBODY, None) is None
    assert AUTHORIZER.check(NOBODY, "Bearer wrong") is None


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic cmVhZGVy", "reader", "Bearer Reader", "Bearer reader x", "Bearer \udcff"]
)
def test_who_is_not_known_is_not_let_in(header: str | None) -> None:
    with pytest.raises(Unidentified):
        AUTHORIZER.identify(header)


def test_the_scheme_is_written_in_any_case() -> None:
    assert AUTHORIZER.identify("bearer reader").name == "reader"


def test_only_the_hash_of_a_key_is_kept() -> None:
    text = new_key()
    assert text != new_key()
    assert hash_key(text) == hashlib.sha256(text.encode()).hexdigest()
    assert text not in repr(Key("k", hash_key(text), ("operate",)))


@pytest.mark.parametrize("scope", ["", "push", "push:", "read", "operate:x", "metrics:*", "admin", "**", "READ:default"])
def test_a_scope_that_there_is_not_is_a_fault_of_the_configuration(scope: str) -> None:
    with pytest.raises(ConfigurationError, match="is no scope"):
        key("k", scope)


@pytest.mark.parametrize("digest", ["", "secret", "A" * 64, "a" * 63])
def test_a_hash_that_is_none_is_a_fault_of_the_configuration(digest: str) -> None:
    with pytest.raises(ConfigurationError, match="fustor fusion key"):
        Key("k", digest, ("operate",))


def test_without_keys_there_is_no_fusion_except_on_loopback() -> None:
    with pytest.raises(ConfigurationError):
        Authorizer([])
    with pytest.raises(ConfigurationError, match="loopback"):
        Authorizer.open("0.0.0.0")
    assert Authorizer.open("127.0.0.1").identify(None).may("push", "anything")
    assert Authorizer.open("::1").identify("Bearer whatever").may("operate")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False), ("nas", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


HOSTS = Hosts("127.0.0.1", names=["Fusion.Example.org"], origins=["https://dash.example.org"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8102", "localhost:8102", "LOCALHOST", "[::1]:8102", "[::1]", "127.0.0.1", "fusion.example.org:443"]
)
def test_hosts_that_are_ours(host: str) -> None:
    HOSTS.check(host, None)


@pytest.mark.parametrize(
    "host", [None, "", "evil.example.org", "127.0.0.1.evil.org", "10.0.0.1:8102", "localhost.evil.org:8102", "::1", "localhost:x", ":8102"]
)
def test_hosts_that_are_not(host: str | None) -> None:
    with pytest.raises(Forbidden, match="Host"):
        HOSTS.check(host, None)


def test_where_all_addresses_are_listened_on_any_number_will_do_but_no_name() -> None:
    everywhere = Hosts("0.0.0.0")
    everywhere.check("10.0.0.1:8102", None)
    everywhere.check("[2001:db8::1]:8102", None)
    with pytest.raises(Forbidden):
        everywhere.check("evil.example.org", None)


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:8102", "https://127.0.0.1:8102", "https://dash.example.org"])
def test_pages_that_may_ask(origin: str | None) -> None:
    HOSTS.check("127.0.0.1:8102", origin)


@pytest.mark.parametrize(
    "origin", ["null", "", "http://evil.example.org", "http://127.0.0.1:9999", "http://localhost:8102", "ftp://127.0.0.1:8102"]
)
def test_pages_that_may_not(origin: str) -> None:
    with pytest.raises(Forbidden, match="pages"):
        HOSTS.check("127.0.0.1:8102", origin)
