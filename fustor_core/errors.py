"""One family of errors, split by who must act.

A message is one line: what is wrong, then what to do. `exit_code` is what a command ends with when the error reaches its user (DESIGN §6).
"""

from typing import ClassVar


class FustorError(Exception):
    """Something went wrong that Fustor can name."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(FustorError):
    """The operator must correct a file, a variable, an option or the machine: trying again changes nothing."""

    exit_code = 2


class NoSuchPath(FustorError):
    """The view holds nothing at this path."""

    exit_code = 1


class Unreachable(FustorError):
    """The other side does not answer; it is worth trying again, but not before `retry_after` seconds where it has said so."""

    exit_code = 3

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Refused(FustorError):
    """The other side answered no, and says why; the same request is refused again."""

    exit_code = 4

    def __init__(self, message: str, *, code: str = "refused") -> None:
        super().__init__(message)
        self.code = code


class Unidentified(Refused):
    """The request carries no key that fusion knows."""


class Forbidden(Refused):
    """Who asks may not do this, or asks in a way that nobody may."""


class NotFreshEnough(FustorError):
    """The answer is not as fresh or as complete as was demanded."""

    exit_code = 5


class NobodyLooks(Unreachable):
    """No agent can look at what was asked for at the moment."""

    exit_code = 5


class SessionLost(Unreachable):
    """The session has ended; what was not acknowledged must be read again in a new one."""


class MalformedInput(FustorError):
    """A frame, a query or a record breaks its format; nothing of it was applied."""

    exit_code = 4


class StoreError(FustorError):
    """A store cannot do its work; nothing is acknowledged meanwhile."""


class StoreUnavailable(StoreError):
    """The store cannot commit at the moment (disk full, locked, gone); it is tried again."""


class StoreDamaged(StoreError, ConfigurationError):
    """The store's file is not usable as it is; it is never deleted by itself."""

    exit_code = 2


class SourceError(FustorError):
    """A source cannot be read; what is known of it stays as it is."""


class RootGone(SourceError):
    """The root is missing, unmounted, or not the tree that it was."""


class AnotherRoot(RootGone):
    """Something else stands where the root was, and nobody has confirmed that it is meant."""
