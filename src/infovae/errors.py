"""Errors a user can cause, each told in one line."""


class UserError(Exception):
    """One line that names the key, the value and what would be accepted."""


INTERRUPTED = 130
"""Exit status after Ctrl-C."""

TERMINATED = 143
"""Exit status after SIGTERM."""


def require_at_least(least: int, **arguments: int) -> None:
    """Check that every argument is at least `least`.

    Raises:
        ValueError: names the first argument that isn't, and its value.
    """
    for name, value in arguments.items():
        if value < least:
            raise ValueError(f"{name}={value}: too small; accepted: whole numbers of at least {least}")
