"""A few drops at given times."""

from collections.abc import Sequence

from infovae.errors import ArgumentError
from infovae.schedulers.scheduler import Interval, Progress, Scheduler, require_shares


class MultiStep(Scheduler):
    """Multiply the rate by ``gamma`` at each milestone.

    Args:
        milestones: shares of the run, above 0 and below 1.
        gamma: the factor at each of them.
        interval: what the rate changes after.

    Raises:
        ArgumentError: a milestone or ``gamma`` is out of range.
    """

    needs_total = True

    def __init__(
        self, milestones: Sequence[float] = (0.5, 0.75, 0.9), gamma: float = 0.1, interval: Interval = "epoch"
    ) -> None:
        if not all(0 < milestone < 1 for milestone in milestones):
            raise ArgumentError("milestones", list(milestones), "shares of the run, above 0 and below 1")
        require_shares(gamma=gamma)
        self.milestones, self.gamma, self.interval = milestones, gamma, interval

    def factor(self, progress: Progress) -> float:
        times = [round(milestone * progress.total, 6) for milestone in self.milestones]  # 0.55 * 100 is above 55
        passed = sum(progress.done >= time for time in times)
        return float(self.gamma**passed)
