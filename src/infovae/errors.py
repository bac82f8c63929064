"""Errors a user can cause. They carry the key, the value, the reason and the accepted values as fields."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

TERMINATED = 143
"""Exit status after SIGTERM."""


class UserError(Exception):
    """A mistake that the user can fix; printed as one line, ``KEY=VALUE: WHY; accepted: ACCEPTED``.

    Args:
        why: what is wrong; the whole line where there is no key.
        key: the config key, or the option of the command line.
        value: what was given for the key; ``...`` leaves it out of the line.
        accepted: what would be accepted.
        details: further lines to print below, such as the traceback of a user's own code.
    """

    def __init__(self, why: str, *, key: str = "", value: Any = ..., accepted: str = "", details: str = "") -> None:
        super().__init__(why)
        self.why, self.key, self.value, self.accepted, self.details = why, key, value, accepted, details

    def __str__(self) -> str:
        given = self.key if self.value is ... else f"{self.key}={self.value}"
        return (f"{given}: " if given else "") + self.why + (f"; accepted: {self.accepted}" if self.accepted else "")


class ArgumentError(ValueError):
    """An argument that a library function refuses; the command line turns it into a :class:`UserError`.

    Its text is ``ARGUMENT=VALUE: WHY; accepted: ACCEPTED``.

    Args:
        argument: the argument's name.
        value: what was given for it; ``...`` leaves it out of the text.
        accepted: what would be accepted.
        why: what is wrong with the value.
    """

    def __init__(self, argument: str, value: Any, accepted: str, why: str = "invalid") -> None:
        super().__init__(argument, value, accepted, why)
        self.argument, self.value, self.accepted, self.why = argument, value, accepted, why

    def __str__(self) -> str:
        return str(self.below(""))

    def below(self, key: str) -> UserError:
        """Return the error of the config key ``key``, whose content these arguments are."""
        name = f"{key}.{self.argument}" if key else self.argument
        return UserError(self.why, key=name, value=self.value, accepted=self.accepted)


@contextmanager
def below(key: str) -> Iterator[None]:
    """Turn an argument that is refused inside into the error of the config key ``key``, whose content it is part of."""
    try:
        yield
    except ArgumentError as error:
        raise error.below(key) from error


def reason_of(error: BaseException) -> str:
    """Return the message of an error on one line, or the name of its class if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def trace(error: BaseException) -> str:
    """Return the traceback of an error, from the first frame below the one that caught it."""
    frames = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, frames.tb_next if frames else None)).rstrip()


def listed(names: Sequence[str]) -> str:
    """Return names as one text, the first twenty of many."""
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def require_at_least(least: int, **arguments: int) -> None:
    """Check that every argument is at least ``least``.

    Raises:
        ArgumentError: names the first argument that isn't, and its value.
    """
    for name, value in arguments.items():
        if value < least:
            raise ArgumentError(name, value, f"whole numbers of at least {least}", "too small")
