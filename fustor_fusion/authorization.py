"""Who may do what: the one place that every route and every frame is checked in.

A key is 256 random bits, so one round of SHA-256 is enough at rest: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from fustor_core.errors import ConfigurationError, Forbidden, Unidentified
from fustor_core.http.hosts import is_loopback

Action = Literal["push", "read", "operate", "metrics"]
ANY: Final = "*"
_WITH_SUBJECT: Final = frozenset(("push", "read"))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what they may do: pairs of an action and its subject (`*` is every one; actions without subjects have none)."""

    name: str
    rights: frozenset[tuple[str, str]]

    def may(self, action: Action, subject: str = "") -> bool:
        """Whether this is allowed: `may("read", "default")`, `may("operate")`."""
        return (action, ANY) in self.rights or (action, subject) in self.rights

    def may_somewhere(self, action: Action) -> bool:
        """Whether this is allowed for any subject at all."""
        return any(held == action for held, _ in self.rights)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: `digest` is the SHA-256 of its text, in hexadecimal. Scopes: `push:ROOT`, `read:VIEW`, `operate`, `metrics`,
    where ROOT and VIEW may be `*`; `*` alone is everything. Raises ConfigurationError for any other."""

    name: str
    digest: str
    scopes: tuple[str, ...]
    principal: Principal = field(init=False)

    def __post_init__(self) -> None:
        if len(self.digest) != 64 or not set(self.digest) <= set("0123456789abcdef"):
            raise ConfigurationError(
                f"key {self.name}: its hash should be 64 hexadecimal digits (SHA-256); make one with `fustor fusion key`"
            )
        rights = frozenset(right for scope in self.scopes for right in _rights(self.name, scope))
        object.__setattr__(self, "principal", Principal(self.name, rights))


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route needs: one of `actions`. `subject` names the part of the path that says for which view; without it any view or root
    will do."""

    actions: tuple[Action, ...]
    subject: str = ""


NOBODY: Final = None
"""Needs no key."""
READ_VIEW: Final = Needs(("read",), "view")
READ_ANY: Final = Needs(("read",))
PUSH_ANY: Final = Needs(("push",))
OPERATE: Final = Needs(("operate",))
METRICS: Final = Needs(("metrics",))
SEE_PIPES: Final = Needs(("operate", "metrics", "read"))


class Authorizer:
    """Knows the keys. Without any it lets everybody in, which is only possible through `open`."""

    def __init__(self, keys: Sequence[Key]) -> None:
        if not keys:
            raise ConfigurationError("fusion has no key: make one with `fustor fusion key`, or use --open on a loopback address")
        self._keys = [(bytes.fromhex(key.digest), key.principal) for key in keys]
        self._everybody: Principal | None = None

    @classmethod
    def open(cls, host: str) -> "Authorizer":
        """Everybody may do everything: only where `host` is a loopback address. Raises ConfigurationError elsewhere."""
        if not is_loopback(host):
            raise ConfigurationError(f"without keys fusion listens on loopback only, not on {host}: listen on 127.0.0.1 or configure keys")
        authorizer = cls([Key("everybody", hash_key(new_key()), (ANY,))])
        authorizer._everybody = authorizer._keys[0][1]
        return authorizer

    def identify(self, authorization: str | None) -> Principal:
        """Whose key the `Authorization` header carries. Raises Unidentified. Takes the same time for every wrong key."""
        if self._everybody is not None:
            return self._everybody
        scheme, _, text = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unidentified("this needs a key: send it as `Authorization: Bearer KEY`", code="key-missing")
        digest = hashlib.sha256(text.strip().encode("utf-8", "surrogateescape")).digest()
        found: Principal | None = None
        for known, principal in self._keys:
            if hmac.compare_digest(known, digest):
                found = principal
        if found is None:
            raise Unidentified(
                "fusion does not know this key: use one that `fustor fusion key` made and that is configured here", code="key-unknown"
            )
        return found

    def check(self, needs: Needs | None, authorization: str | None, subject: str = "") -> Principal | None:
        """Who asks, if they may do what is needed (to `subject`, where it needs one); None where nothing is needed.

        Raises Unidentified or Forbidden.
        """
        if needs is None:
            return None
        principal = self.identify(authorization)
        allowed = (principal.may(action, subject) if needs.subject else principal.may_somewhere(action) for action in needs.actions)
        if not any(allowed):
            wanted = " or ".join(f"{action}:{subject or '…'}" if action in _WITH_SUBJECT else action for action in needs.actions)
            raise Forbidden(
                f"the key {principal.name} lacks the scope {wanted}: use another key, or add the scope to it", code="scope-missing"
            )
        return principal


def new_key() -> str:
    """The text of a new key."""
    return f"fustor_{secrets.token_urlsafe(32)}"


def hash_key(text: str) -> str:
    """What is kept of a key: the SHA-256 of its text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _rights(key: str, scope: str) -> Collection[tuple[str, str]]:
    action, colon, subject = scope.partition(":")
    if scope == ANY:
        return [(every, ANY) for every in get_args(Action)]
    if action in _WITH_SUBJECT and subject:
        return [(action, subject)]
    if action in get_args(Action) and action not in _WITH_SUBJECT and not colon:
        return [(action, ANY)]
    raise ConfigurationError(f"key {key}: {scope!r} is no scope; there are push:ROOT, read:VIEW, operate, metrics and * for everything")
