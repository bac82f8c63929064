"""Text from files and command lines, safe to print."""


def printable(text: str) -> str:
    """Return one line without control characters: white space is joined, and what a terminal could obey is escaped."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
