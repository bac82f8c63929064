"""A drop whenever a measurement stops improving."""

import math
from typing import Literal

from infovae.errors import ArgumentError, require_at_least
from infovae.schedulers.scheduler import Progress, Scheduler, require_shares


class Plateau(Scheduler):
    """Multiply the rate by ``gamma`` whenever a column of ``metrics.csv`` hasn't improved for ``patience`` epochs.

    The best value stays the best after a drop, and the count starts anew. Epochs in which the column wasn't measured
    don't count. NaN is no improvement.

    Args:
        monitor: the column.
        mode: whether a smaller or a larger value is better.
        gamma: the factor at each drop.
        patience: epochs without improvement that are waited for; the next one drops the rate.
        min_delta: how much better a value must be to count as better.
        final: the factor below which the rate doesn't drop.

    Raises:
        ArgumentError: an argument is out of range, or the column doesn't exist.
    """

    interval = "epoch"

    def __init__(
        self,
        monitor: str = "validation/loss",
        mode: Literal["min", "max"] = "min",
        gamma: float = 0.5,
        patience: int = 5,
        min_delta: float = 0.0,
        final: float = 0.0,
    ) -> None:
        require_shares(gamma=gamma, final=final)
        require_at_least(0, patience=patience)
        if not 0 <= min_delta < math.inf:
            raise ArgumentError("min_delta", f"{min_delta:g}", "finite values of at least 0")
        self.monitor: str = monitor
        self.mode, self.gamma, self.patience = mode, gamma, patience
        self.min_delta, self.final = min_delta, final

    def factor(self, progress: Progress) -> float:
        self._check_column(progress)
        sign = 1 if self.mode == "min" else -1
        factor, best, waited = 1.0, math.inf, 0
        for value in (sign * row[self.monitor] for row in progress.rows if self.monitor in row):
            waited += 1
            if value < best - self.min_delta:
                best, waited = value, 0
            elif waited > self.patience:
                factor, waited = max(self.final, self.gamma * factor), 0
        return factor

    def _check_column(self, progress: Progress) -> None:
        """Refuse a column that is missing although its split was measured."""
        columns = sorted({name for row in progress.rows for name in row if "/" in name})
        if f"{self.monitor.partition('/')[0]}/loss" in columns and self.monitor not in columns:
            raise ArgumentError("monitor", self.monitor, ", ".join(columns), "no such metric")
