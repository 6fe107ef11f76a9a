"""What is left out of a root: patterns as in .gitignore, and what no index should hold."""

import re
from collections.abc import Sequence

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from fustor_core.errors import ConfigurationError
from fustor_core.paths import join

ALWAYS = frozenset((b".snapshot", b".zfs"))
"""Directories in which storage shows the past of the tree once more."""


class Excludes:
    """Which paths are left out. A directory that is left out takes all below it along, whatever later patterns say of that.

    `pathspec` knows what a pattern means; the matching is done here, one level of the tree at a time as git does it. For a walk asks of a
    directory before it enters it, while `pathspec` is made for whole lists of files, where a pattern may also match a directory above.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        lines = [line for line in patterns if line.strip() and not line.startswith("#")]
        rules = [_rule(line) for line in lines]
        # Without `!` the order of patterns means nothing: it must not make two agents look different, and one expression serves for all.
        # And only with it can something be left out because it is no directory (`*` and `!*/`).
        self._ordered = any(not included for _, included in rules)
        self._lines = lines if self._ordered else sorted(set(lines))
        if rules and not self._ordered:
            rules = [("|".join(f"(?:{expression})" for expression, _ in rules), True)]
        # The last pattern that matches decides.
        self._rules = [(re.compile(f"(?:{expression})\\Z", re.DOTALL).search, included) for expression, included in reversed(rules)]

    @property
    def lines(self) -> list[str]:
        """Canonical text: equal for two sets of patterns that were given alike."""
        return [*self._lines, *sorted(f"{name.decode()}/" for name in ALWAYS)]

    def leaves_out(self, path: bytes, *, directory: bool) -> bool:
        """Whether `path` is left out, being a directory or anything else. Says nothing about the directories above it."""
        if directory:
            return path.rpartition(b"/")[2] in ALWAYS or self._matches(path + b"/")
        return self._matches(path)

    def leaves_out_anyway(self, path: bytes) -> bool:
        """Whether `path` is left out whatever it is, so that it need not even be looked at."""
        return self._matches(path) and self._matches(path + b"/")

    def _matches(self, path: bytes) -> bool:
        if not self._rules:
            return False
        text = path.decode("utf-8", "surrogateescape")
        return next((included for search, included in self._rules if search(text)), False)

    def covers(self, directory: bytes) -> bool:
        """Whether `directory`, or any directory above it, is left out."""
        if not self._rules and not any(name in directory for name in ALWAYS):
            return False
        above = b""
        for name in directory.split(b"/") if directory else ():
            above = join(above, name)
            if self.leaves_out(above, directory=True):
                return True
        return False

    def candidates(self, directory: bytes, names: Sequence[bytes]) -> Sequence[bytes]:
        """Those of the names in `directory` that are worth a look. Costs nothing where there are no patterns."""
        if not self._rules:
            return names
        return [name for name in names if not self.leaves_out_anyway(join(directory, name))]

    @property
    def tell_kinds(self) -> bool:
        """Whether something may be left out because it is no directory."""
        return self._ordered


def _rule(line: str) -> tuple[str, bool]:
    """The expression that a pattern stands for, and whether it leaves out what it matches (else it takes that in again)."""
    try:
        expression, included = GitIgnoreSpecPattern.pattern_to_regex(line)
    except ValueError as error:
        raise ConfigurationError(f"exclude: {error}; patterns are written as in .gitignore") from error
    if not isinstance(expression, str) or included is None:
        raise ConfigurationError(f"exclude: {line!r} matches nothing; patterns are written as in .gitignore")
    if line.rstrip().endswith("/**"):
        expression += ".+"  # all that is in a directory, but not the directory
    # Groups get names there, which could not be joined into one expression.
    return re.sub(r"\(\?P<\w+>", "(?:", expression), included
