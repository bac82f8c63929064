"""The same decay after each epoch or step."""

from infovae.schedulers.scheduler import Interval, Progress, Scheduler, require_shares


class Exponential(Scheduler):
    """Multiply the rate by ``gamma`` after each epoch or step.

    Raises:
        ArgumentError: ``gamma`` doesn't lie between 0 and 1.
    """

    def __init__(self, gamma: float = 0.95, interval: Interval = "epoch") -> None:
        require_shares(gamma=gamma)
        self.gamma, self.interval = gamma, interval

    def factor(self, progress: Progress) -> float:
        return float(self.gamma**progress.done)
