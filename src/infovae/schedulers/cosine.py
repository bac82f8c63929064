"""Warm-up, then half a cosine wave."""

import math

from infovae.schedulers.scheduler import Interval, Progress, Scheduler, require_shares


def half_wave(share: float, start: float, end: float) -> float:
    """Return the value after a share of half a cosine wave that leads from ``start`` to ``end``."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class CosineWithWarmup(Scheduler):
    """Rise in a line to the full rate, then fall along half a cosine wave (Loshchilov & Hutter 2017, without restarts).

    Args:
        warmup: share of the run in which the rate rises. Its first step has a rate above 0.
        final: the factor at the end of the run.
        interval: what the rate changes after.

    Raises:
        ArgumentError: ``warmup`` or ``final`` is no share.
    """

    needs_total = True

    def __init__(self, warmup: float = 0.05, final: float = 0.0, interval: Interval = "step") -> None:
        require_shares(warmup=warmup, final=final)
        self.warmup, self.final, self.interval = warmup, final, interval

    def factor(self, progress: Progress) -> float:
        rising = round(self.warmup * progress.total)
        if progress.done < rising:
            return (progress.done + 1) / (rising + 1)
        return half_wave(min(1.0, (progress.done - rising) / max(1, progress.total - rising)), 1.0, self.final)
