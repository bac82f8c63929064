"""Errors a user can cause, each told in one line."""


class UserError(Exception):
    """One line that names the key, the value and what would be accepted."""


INTERRUPTED = 130
"""Exit status after Ctrl-C."""

TERMINATED = 143
"""Exit status after SIGTERM."""
