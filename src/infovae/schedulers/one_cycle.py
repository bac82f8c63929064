"""One rise and one fall."""

from infovae.schedulers.cosine import half_wave
from infovae.schedulers.scheduler import Interval, Progress, Scheduler, require_shares


class OneCycle(Scheduler):
    """Rise to the full rate along half a cosine wave, then fall along another (Smith & Topin 2019).

    Step by step, these are the rates of ``torch.optim.lr_scheduler.OneCycleLR`` with ``optimizer.lr`` as the largest.
    The momentum stays as it is. Epoch by epoch, the fall ends with the run: a whole epoch at the final rate, or a run's
    only step, would be lost.

    Args:
        rise: share of the run in which the rate rises.
        start: the factor at the first step.
        final: the factor at the last step, or after the last epoch.
        interval: what the rate changes after.

    Raises:
        ArgumentError: an argument is no share.
    """

    needs_total = True

    def __init__(
        self, rise: float = 0.3, start: float = 0.04, final: float = 4e-6, interval: Interval = "step"
    ) -> None:
        require_shares(rise=rise, start=start, final=final)
        self.rise, self.start, self.final, self.interval = rise, start, final, interval

    def factor(self, progress: Progress) -> float:
        top = self.rise * progress.total - 1
        last = progress.total if self.interval == "epoch" else max(1, progress.total - 1)
        if progress.done <= top:
            return half_wave(progress.done / top, self.start, 1.0) if top else 1.0
        return half_wave(min(1.0, (progress.done - top) / (last - top)), 1.0, self.final) if last > top else self.final
