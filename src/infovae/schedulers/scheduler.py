"""A learning rate that changes during training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from infovae.errors import ArgumentError

Interval = Literal["step", "epoch"]


class Progress(NamedTuple):
    """How far a run has come, in steps of the optimiser or in epochs.

    Attributes:
        done: those behind it.
        total: those that the run has in all; infinite if that isn't known.
        rows: what was measured so far, a row for each epoch, as in ``metrics.csv``.
    """

    done: int
    total: float
    rows: Sequence[Mapping[str, float]] = ()


class Scheduler(ABC):
    """A factor on the learning rate, as a function of how far the run has come.

    The factor depends on nothing else. So a run that was resumed has the rates of one that never stopped, and a run
    with a new ``trainer.max_epochs`` goes on with the rates of the new length.

    Attributes:
        interval: whether the rate changes after each step of the optimiser or after each epoch.
        needs_total: whether the factor depends on the length of the run.
        monitor: the column of ``metrics.csv`` that the factor depends on, if it does.
    """

    interval: Interval = "epoch"
    needs_total = False
    monitor: str | None = None

    @abstractmethod
    def factor(self, progress: Progress) -> float:
        """Return the factor on the configured learning rate, at least 0."""


def require_shares(least: float = 0.0, most: float = 1.0, **arguments: float) -> None:
    """Check that every argument lies between ``least`` and ``most``.

    Raises:
        ArgumentError: names the first argument that doesn't, and its value.
    """
    for name, value in arguments.items():
        if not least <= value <= most:
            raise ArgumentError(name, f"{value:g}", f"numbers from {least:g} to {most:g}")
