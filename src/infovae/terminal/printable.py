"""Text from files and command lines, safe to print."""


def printable(text: str) -> str:
    """Return a text on one line, without control characters."""
    return without_controls(" ".join(text.split()))


def without_controls(text: str) -> str:
    """Return a text in which characters that a terminal could obey are escaped, except ends of lines."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)
