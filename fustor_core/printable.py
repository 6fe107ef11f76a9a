"""Text that is safe to show: names from disks and messages from networks may hold newlines and commands for terminals."""


def one_line(text: str) -> str:
    """The text in one line, with what is not printable escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def escaped(value: bytes) -> str:
    """One line of printable text that no two different byte strings share."""
    return one_line(value.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace"))


def shortened(text: str, most: int = 200) -> str:
    """The text, with its middle left out where it has more than `most` characters: a path can have 65,536."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"
