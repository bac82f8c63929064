"""A linear warm-up."""

from infovae.schedules.ramp import Ramp


class Linear(Ramp):
    """Go from ``start`` to ``end`` in a straight line (warm-up: Bowman et al. 2016, Sønderby et al. 2016)."""

    def progress(self, step: int) -> float:
        return step / self.steps
