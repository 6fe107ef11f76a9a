"""Permission bits as people write them (`644`, `u+w,go=rX`) and as `ls -l` shows them."""

import re
import stat

ALL_BITS = 0o7777
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_STEP = re.compile(r"([-+=])([rwxXst]+|[ugo]?)")
_WHO = {"u": stat.S_ISUID | stat.S_IRWXU, "g": stat.S_ISGID | stat.S_IRWXG, "o": stat.S_ISVTX | stat.S_IRWXO, "a": ALL_BITS}
_WHAT = {"r": 0o444, "w": 0o222, "x": 0o111, "s": stat.S_ISUID | stat.S_ISGID, "t": stat.S_ISVTX}
_SHIFT = {"u": 6, "g": 3, "o": 0}


def parse_mode(text: str, *, directory: bool) -> int:
    """The bits that an octal or symbolic mode sets where none were set; symbolic ones without `ugoa` set them for all (umask 0).

    Raises ValueError for anything else.
    """
    if re.fullmatch("[0-7]+", text):
        mode = int(text, 8)
        if mode > ALL_BITS:
            raise ValueError
        return mode
    mode = 0
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause)
        if match is None:
            raise ValueError
        affected = 0
        for who in match[1] or "a":
            affected |= _WHO[who]
        for operator, what in _STEP.findall(match[2]):
            mode = _step(mode, operator, _bits(mode, what, directory) & affected, affected)
    return mode


def _step(mode: int, operator: str, bits: int, affected: int) -> int:
    if operator == "+":
        return mode | bits
    return mode & ~(bits if operator == "-" else affected) | (bits if operator == "=" else 0)


def _bits(mode: int, what: str, directory: bool) -> int:
    if what in _SHIFT:
        copied = mode >> _SHIFT[what] & 7
        return copied << 6 | copied << 3 | copied
    bits = 0
    for letter in what:
        if letter == "X":
            bits |= 0o111 if directory or mode & 0o111 else 0
        else:
            bits |= _WHAT[letter]
    return bits


def type_letter(mode: int) -> str:
    """The type as -type and %y name it; `U` where it is not known."""
    return _LETTERS.get(stat.S_IFMT(mode), "U")


def mode_string(mode: int) -> str:
    """The mode as `ls -l` shows it: `drwxr-xr-x`."""
    return stat.filemode(mode)


_LETTERS = {
    stat.S_IFREG: "f",
    stat.S_IFDIR: "d",
    stat.S_IFLNK: "l",
    stat.S_IFIFO: "p",
    stat.S_IFSOCK: "s",
    stat.S_IFCHR: "c",
    stat.S_IFBLK: "b",
}
